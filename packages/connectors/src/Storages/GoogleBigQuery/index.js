'use strict';

const { GoogleBigQueryStorage } = require('./Storage');

module.exports = { GoogleBigQueryStorage, manifest: require('./manifest.json') };
