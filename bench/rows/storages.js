'use strict';
// Rows a second from a CSV file into a storage, by the size of its batches.

const fs = require('node:fs');
const path = require('node:path');

const { ConnectorRunner } = require('@owox/connector-runner');
const { rowsOf, toCsv } = require('../../__test__/storages/support/dataset');
const { startTarget } = require('../../__test__/storages/support/targets');
const { referencePackage } = require('../../__test__/support/duckdb');
const { alternate } = require('../lib/measure');
const { folder, remove } = require('../lib/space');

const capture = { logCapture: { onStdout() {}, onStderr() {} } };
const RIVALS_BATCH = 250;

/** Runs that load the same rows into new places; the environment and the emulator are there. */
async function throughput({ storage, rows, batch, count }) {
  const target = await startTarget(storage, folder('storage'));
  if (target.reason) {
    console.error(`${storage} is left out: ${target.reason}`);
    return [];
  }
  const file = path.join(folder('rows'), 'rows.csv');
  fs.writeFileSync(file, toCsv(rowsOf(0, rows)));
  const options = {
    connectorsPackage: referencePackage,
    runsDir: folder('runs'),
    storeDir: folder('store'),
  };
  const runner = new ConnectorRunner(options);
  let places = 0;
  const load = async (MaxBufferSize) => {
    places += 1;
    const parameters = { Path: file, UniqueKeys: ['id'], DateColumn: 'day', Types: ['tags: json'] };
    const config = {
      datamartId: 'bench',
      name: 'bench',
      source: { name: 'CsvFile', config: parameters },
      storage: target.storage(`bench_${places}`, { DestinationTableName: 't', MaxBufferSize }),
    };
    const { timings } = await runner.run('bench', 'run', config, {}, capture);
    return (rows * 1000) / timings.executionMs;
  };
  try {
    const samples = await alternate(count, {
      ours: () => load(batch),
      rival: () => load(RIVALS_BATCH),
    });
    return [{ label: `${rows} rows in batches of ${batch}`, unit: 'rows/s', samples }];
  } finally {
    target.stop();
    remove(options.storeDir);
  }
}

module.exports = { cases: { throughput } };
