#!/usr/bin/env node
new (require('../js/connector-runner-cli'))().run(process.argv);
