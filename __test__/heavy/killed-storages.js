'use strict';
// Runs into each storage that are killed at random moments, many times.
//   node __test__/heavy/killed-storages.js [STORAGE] [KILLS] [ROWS]
// BigQuery and Athena are emulators: these need Python.

const { large } = require('../storages/support/large');
const { STORAGES } = require('../storages/support/targets');

const [storage = 'all', kills = '15', rows = '100000'] = process.argv.slice(2);

for (const name of storage === 'all' ? STORAGES : [storage]) {
  large(name, { kills: Number(kills), rows: Number(rows) });
}
