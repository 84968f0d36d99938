#!/usr/bin/env node
try {
  new (require('../js/connector-runner-cli'))().run(process.argv);
} catch (error) {
  if (error.code !== 'NATIVE_MISSING') throw error;
  console.error(`Error: ${error.message}`);
  process.exitCode = 1;
}
