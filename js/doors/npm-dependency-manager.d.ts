import runner = require('../../index');

export = runner.NpmDependencyManager;
