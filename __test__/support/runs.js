'use strict';

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { referencePackage } = require('./duckdb');
const { tempFolder } = require('./temp');

/**
 * Runs a source into a storage.
 *
 * @param {{ name: string, parameters: object }} source
 * @param {{ name: string, config: object }} storage
 * @param {string} [isolation]
 * @returns {(run?: { type?: string, data?: object[], state?: object, source?: object,
 *   storage?: object, onSpawn?: (pid: number) => void }) => Promise<object>} its result, or the
 *   error that it rejects with; `source` and `storage` are further parameters of the one run
 */
function runnerOf(t, source, storage, isolation) {
  const runsDir = tempFolder(t);
  const runner = new ConnectorRunner({ connectorsPackage: referencePackage, runsDir });
  return ({ type = 'INCREMENTAL', data = [], state = {}, onSpawn, ...more } = {}) => {
    const config = new Config({
      name: 'test',
      source: { name: source.name, config: { ...source.parameters, ...more.source } },
      storage: { name: storage.name, config: { ...storage.config, ...more.storage } },
    });
    const stdio = { logCapture: { onStdout() {}, onStderr() {} }, onSpawn };
    const options = isolation === undefined ? {} : { isolation };
    return runner
      .run('id', 'run', config, new RunConfig({ type, data, state }), stdio, options)
      .catch((error) => error);
  };
}

module.exports = { runnerOf };
