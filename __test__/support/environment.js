'use strict';
// One environment for many runs: npm install happens once for a test file.

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { connectorsPackage, variablesOf } = require('./connectors');
const { capture } = require('./output');
const { tempFolder } = require('./temp');

/**
 * An environment with a connectors package of these sources.
 * @returns play(source, more) → its promise, and what was captured
 */
function sharedEnvironment(t, content) {
  const options = { connectorsPackage: connectorsPackage(t, content), runsDir: tempFolder(t) };
  const environment = new NodeJsEnvironment(options);
  let directory;
  return async (source, more = {}) => {
    directory ??= environment.createEnvironment('shared', 'run');
    const { stdout, stderr, stdio } = capture();
    const variables = variablesOf(source, more);
    const result = environment.executeConnector(await directory, variables, stdio);
    const settled = await result.then(
      (value) => ({ result: value }),
      (error) => ({ error }),
    );
    return { ...settled, stdout: stdout.join(''), stderr: stderr.join('') };
  };
}

module.exports = { sharedEnvironment };
