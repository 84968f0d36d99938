'use strict';

module.exports = require('../nodejs-environment').NodeJsEnvironment;
