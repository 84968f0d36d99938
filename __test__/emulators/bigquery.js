'use strict';
// BigQuery on loopback: local-bigquery, and Google's own client to read with.

const { createRequire } = require('node:module');
const path = require('node:path');

const { freePort, installed, start } = require('./start');
const manifest = require('../../packages/connectors/src/Storages/GoogleBigQuery/manifest.json');

const PROJECT = 'p';

/**
 * Starts it and points the runs of this process to it.
 *
 * @param {import('./setup').Environment} python
 * @param {string} folder for data and client
 * @returns {Promise<object>} `client`, `origin`; `pointTo(origin)` sends runs elsewhere, `stop()`
 */
async function startBigQuery(python, folder) {
  const [port, grpc] = [await freePort(), await freePort()];
  const origin = `http://127.0.0.1:${port}`;
  const code =
    'import os, sys, threading\n' +
    'threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n' +
    'from local_bigquery.cli import main; main()';
  const args = ['serve', '--host', '127.0.0.1', '--port', port, '--grpc-port', grpc];
  const all = ['-c', code, ...args, '--data-dir', path.join(folder, 'data')];
  const server = await start(python, all, `${origin}/$discovery/rest`);
  process.env.BIGQUERY_EMULATOR_HOST = `${origin}/bigquery/v2`;
  process.env.METADATA_SERVER_DETECTION = 'none';
  const name = '@google-cloud/bigquery';
  const load = installed(path.join(folder, 'client'), manifest);
  const { PassThroughClient } = createRequire(load.resolve(name))('google-auth-library');
  const { BigQuery } = load(name);
  const client = new BigQuery({
    projectId: PROJECT,
    apiEndpoint: origin,
    authClient: new PassThroughClient(),
  });
  return {
    client,
    origin,
    pointTo(place) {
      process.env.BIGQUERY_EMULATOR_HOST = `${place}/bigquery/v2`;
    },
    stop: () => server.kill('SIGKILL'),
  };
}

module.exports = { PROJECT, startBigQuery };
