import runner = require('../../index');

export = runner.DependencyManager;
