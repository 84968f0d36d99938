'use strict';

module.exports = require('../interfaces').ExecutionEnvironment;
