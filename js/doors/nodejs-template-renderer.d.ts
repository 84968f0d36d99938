import runner = require('../../index');

export = runner.NodeJsTemplateRenderer;
