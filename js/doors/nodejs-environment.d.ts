import runner = require('../../index');

export = runner.NodeJsEnvironment;
