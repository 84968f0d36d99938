'use strict';
// What the scripts beside this one run: ../quickstart.json, with absolute paths, since relative
// ones in a configuration are only understood by the command line.
//   node examples/api/SCRIPT.js [DATABASE]

const path = require('node:path');

const quickstart = require('../quickstart.json');

const examples = path.join(__dirname, '..');
const connectorsPackage = path.join(examples, '..', 'packages', 'connectors');

/** The database file: the script's argument, or one beside the examples. */
const database = path.resolve(process.argv[2] ?? path.join(examples, 'api.duckdb'));

/** A configuration as a plain object; loads the exchange rates into `table`. */
function configuration(table) {
  return {
    name: quickstart.name,
    source: {
      name: 'CsvFile',
      config: {
        ...quickstart.source.config,
        Path: path.join(examples, quickstart.source.config.Path),
      },
    },
    storage: {
      name: 'DuckDb',
      config: { DatabasePath: database, DestinationTableName: table },
    },
  };
}

module.exports = { configuration, connectorsPackage };
