#!/usr/bin/env node
module.exports = require('../../js/connector-runner-cli').asScript(module);
