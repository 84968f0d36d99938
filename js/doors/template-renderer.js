'use strict';

module.exports = require('../interfaces').TemplateRenderer;
