'use strict';

module.exports = require('../run-context');
