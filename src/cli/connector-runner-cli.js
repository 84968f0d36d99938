#!/usr/bin/env node
module.exports = require('../../js/connector-runner-cli');
if (require.main === module) new module.exports().run(process.argv);
