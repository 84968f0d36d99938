'use strict';

const { RunConfig } = require('../run-config');

module.exports = { RunConfig };
