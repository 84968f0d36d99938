'use strict';

const { AwsAthenaStorage } = require('./Storage');

module.exports = { AwsAthenaStorage, manifest: require('./manifest.json') };
