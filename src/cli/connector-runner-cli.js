#!/usr/bin/env node
module.exports = require('../../js/command').asScript(module);
