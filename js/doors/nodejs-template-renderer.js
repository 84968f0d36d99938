'use strict';

module.exports = require('../nodejs-template-renderer');
