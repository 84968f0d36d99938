import runner = require('../../index');

export = runner.RunContext;
