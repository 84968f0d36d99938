import runner = require('../../index');

export = runner.ConnectorExecutionService;
