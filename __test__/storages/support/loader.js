'use strict';
// HttpJson with the rows that a test gives, into a table of a storage.

const path = require('node:path');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { roughServer } = require('../../support/rough-server');
const { tempFolder } = require('../../support/temp');

const connectorsPackage = path.join(__dirname, '..', '..', '..', 'packages', 'connectors');

/**
 * @param {object} to a target
 * @param {string} place
 * @param {object} parameters of the source
 * @param {string} [table]
 * @returns {Promise<Function>} loads rows, and gives the result or the error
 */
async function loaderOf(t, to, place, parameters, table = 't') {
  const runsDir = tempFolder(t);
  let rows = [];
  const { origin } = await roughServer(t, (_, response) => response.end(JSON.stringify(rows)));
  const runner = new ConnectorRunner({ connectorsPackage, runsDir });
  const source = { name: 'HttpJson', config: { Url: `${origin}/`, ...parameters } };
  const stdio = { logCapture: { onStdout() {}, onStderr() {} } };
  return (given, type = 'INCREMENTAL', more = {}) => {
    rows = given;
    const storage = to.storage(place, { DestinationTableName: table, ...more });
    const config = new Config({ name: 'test', source, storage });
    const request = new RunConfig({ type, data: [], state: {} });
    return runner.run('id', 'run', config, request, stdio).catch((error) => error);
  };
}

module.exports = { loaderOf };
