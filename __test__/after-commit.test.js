'use strict';
// Between COMMIT and the state; BigQuery and Athena: npm run test:storages.

const path = require('node:path');

const { afterCommit, powerLoss } = require('./support/after-commit');
const { query } = require('./support/duckdb');

/** A database in the project's folder. */
function placeOf(_, folder) {
  const database = path.join(folder, 'db.duckdb');
  return {
    storage: {
      name: 'DuckDb',
      config: { DatabasePath: 'db.duckdb', DestinationTableName: 't' },
    },
    digest: () => query(database, 'SELECT * FROM t ORDER BY id'),
  };
}

afterCommit({}, placeOf);
powerLoss({}, placeOf);
