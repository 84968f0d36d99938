import runner = require('../../index');

export = runner.TemplateRenderer;
