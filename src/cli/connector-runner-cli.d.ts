import runner = require('../../index');

export = runner.ConnectorRunnerCli;
