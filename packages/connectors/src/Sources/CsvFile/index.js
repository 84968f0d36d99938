'use strict';

const { CsvFileSource } = require('./Source');
const { CsvFileConnector } = require('./Connector');

module.exports = { CsvFileSource, CsvFileConnector, manifest: require('./manifest.json') };
