'use strict';

const { Config, SourceConfig, StorageConfig } = require('../config');

module.exports = { Config, SourceConfig, StorageConfig };
