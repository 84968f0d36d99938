'use strict';

const { DuckDbStorage } = require('./Storage');

module.exports = { DuckDbStorage, manifest: require('./manifest.json') };
