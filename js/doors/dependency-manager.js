'use strict';

module.exports = require('../interfaces').DependencyManager;
