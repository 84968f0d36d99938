'use strict';

module.exports = require('../connector-execution-service');
