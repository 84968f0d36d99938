import runner = require('../../index');

export = runner.ExecutionEnvironment;
