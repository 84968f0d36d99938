'use strict';

module.exports = require('../npm-dependency-manager');
