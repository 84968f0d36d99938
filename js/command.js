'use strict';
// The command line as a program: without an addon it says so, without a stack.

/** The class; starts it where `isProgram`. */
function load(isProgram) {
  try {
    const ConnectorRunnerCli = require('./connector-runner-cli');
    if (isProgram) new ConnectorRunnerCli().run(process.argv);
    return ConnectorRunnerCli;
  } catch (error) {
    if (!isProgram || error.code !== 'NATIVE_MISSING') throw error;
    console.error(`Error: ${error.message}`);
    process.exitCode = 1;
    return undefined;
  }
}

module.exports = {
  start: () => load(true),

  /** Starts it where `script` is the program that was started. */
  asScript: (script) => load(require.main === script),
};
