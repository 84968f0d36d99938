'use strict';

const { Config, SourceConfig, StorageConfig } = require('../config');
const { RunConfig } = require('../run-config');

module.exports = { Config, SourceConfig, StorageConfig, RunConfig };
