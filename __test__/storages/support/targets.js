'use strict';
// The storages behind one face: how a run is pointed to them, and how a test reads back.
// A place is a dataset, a database or a file. Values come back as in dataset.js: integers as text,
// moments as "2026-01-02T03:04:05.000006Z", JSON parsed.

const fs = require('node:fs');
const path = require('node:path');

const { ACCESS, startAthena } = require('../../emulators/athena');
const { PROJECT, startBigQuery } = require('../../emulators/bigquery');
const { available } = require('../../emulators/start');
const { query } = require('../../support/duckdb');
const { tempFolder } = require('../../support/temp');
const { timeOf } = require('./dataset');

/** Microseconds in all, and a "T": "2026-01-02 03:04:05.5" is "2026-01-02T03:04:05.500000". */
function fullTime(text) {
  const [date, time] = text.replace(/Z$/, '').split(/[T ]/);
  const [whole, part = ''] = time.split('.');
  return `${date}T${whole}.${part.slice(0, 6).padEnd(6, '0')}`;
}

/** What is the same wherever a value comes from as text. */
const FROM_TEXT = {
  string: (text) => text,
  integer: (text) => text,
  number: Number,
  boolean: (text) => ({ true: true, false: false })[text],
  date: (text) => text,
  timestamp: fullTime,
  timestamptz: (text) => `${fullTime(text)}Z`,
  json: JSON.parse,
};

/** Of an emulator. */
function portOf({ origin }) {
  return origin && Number(new URL(origin).port);
}

/** What two tables with the rows of dataset.js have in common only if they are the same. */
const DIGEST = [
  'count(*) AS n',
  'count(DISTINCT id) AS ids',
  'sum(id) AS total',
  'sum(length(text)) AS size',
  "count(DISTINCT concat(text, '|', code)) AS texts",
  'min(moment) AS first',
  'max(local) AS last',
  'count(flag) AS flags',
  'count(tags) AS lists',
  'count(DISTINCT amount) AS amounts',
  'count(DISTINCT day) AS days',
].join(', ');

function readRows(rows, kinds) {
  const names = Object.keys(kinds);
  return rows.map((values) =>
    Object.fromEntries(
      names.map((name, at) => [
        name,
        values[at] === null ? null : FROM_TEXT[kinds[name]](String(values[at])),
      ]),
    ),
  );
}

/** A DuckDB file for each place. */
async function duckDb(folder) {
  const fileOf = (place) => path.join(folder, `${place}.duckdb`);
  const types = {
    string: 'VARCHAR',
    integer: 'BIGINT',
    number: 'DOUBLE',
    boolean: 'BOOLEAN',
    date: 'DATE',
    timestamp: 'TIMESTAMP',
    timestamptz: 'TIMESTAMP WITH TIME ZONE',
    json: 'JSON',
  };
  return {
    name: 'DuckDb',
    types,
    storage: (place, more = {}) => ({
      name: 'DuckDb',
      config: { DatabasePath: fileOf(place), ...more },
    }),
    typesOf: async (place, table) =>
      Object.fromEntries(
        await query(
          fileOf(place),
          `SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '${table}'`,
        ),
      ),
    async read(place, table, kinds) {
      const columns = Object.entries(kinds).map(([name, kind]) => {
        if (kind === 'date') return `CAST("${name}" AS VARCHAR)`;
        if (!kind.startsWith('timestamp')) return `"${name}"`;
        return `strftime("${name}"${kind === 'timestamptz' ? " AT TIME ZONE 'UTC'" : ''}, '%Y-%m-%dT%H:%M:%S.%f')`;
      });
      return readRows(
        await query(fileOf(place), `SELECT ${columns.join(', ')} FROM "${table}" ORDER BY 1, 2`),
        kinds,
      );
    },
    count: async (place, table) =>
      Number((await query(fileOf(place), `SELECT count(*) FROM "${table}"`))[0][0]),
    digest: async (place, table) =>
      (await query(fileOf(place), `SELECT count(*), bit_xor(hash(t)) FROM "${table}" AS t`))[0],
    tables: async (place) =>
      fs.existsSync(fileOf(place))
        ? (
            await query(
              fileOf(place),
              "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY 1",
            )
          ).flat()
        : [],
    /** DuckDB removes its files when it closes. */
    leftFiles: async (place) =>
      fs.readdirSync(folder).filter((name) => name.startsWith(`${place}.duckdb.`)),
    stop() {},
  };
}

/**
 * A dataset for each place.
 *
 * @param {object} connection
 * @param {object} connection.client Google's
 * @param {string} connection.project
 * @param {object} [connection.access] parameters that a configuration needs to get there
 */
function bigQueryTarget({ client, project, access = {}, ...connection }) {
  const sql = async (query) => (await client.query({ query, wrapIntegers: true }))[0];
  return {
    ...connection,
    client,
    port: portOf(connection),
    name: 'GoogleBigQuery',
    types: {
      string: 'STRING',
      integer: 'INTEGER',
      number: 'FLOAT',
      boolean: 'BOOLEAN',
      date: 'DATE',
      timestamp: 'DATETIME',
      timestamptz: 'TIMESTAMP',
      json: 'JSON',
    },
    storage: (place, more = {}) => ({
      name: 'GOOGLE_BIGQUERY',
      config: { ...access, DestinationDatasetID: `${project}.${place}`, ...more },
    }),
    async typesOf(place, table) {
      const [{ schema }] = await client.dataset(place).table(table).getMetadata();
      return Object.fromEntries(schema.fields.map(({ name, type }) => [name, type]));
    },
    async read(place, table, kinds) {
      const names = Object.keys(kinds);
      // Google's client is wrong by a second for fractions of one before 1970, the table is not.
      const columns = names.map((name) =>
        kinds[name] === 'timestamptz' ? `UNIX_MICROS(\`${name}\`) AS \`${name}\`` : `\`${name}\``,
      );
      const rows = await sql(
        `SELECT ${columns.join(', ')} FROM \`${project}.${place}.${table}\` ORDER BY 1, 2`,
      );
      const plain = (value, kind) => {
        if (value === null) return null;
        return kind === 'timestamptz' ? timeOf(BigInt(value.value)) : (value.value ?? value);
      };
      return readRows(
        rows.map((row) => names.map((name) => plain(row[name], kinds[name]))),
        kinds,
      );
    },
    async count(place, table) {
      const [{ n }] = await sql(`SELECT COUNT(*) AS n FROM \`${project}.${place}.${table}\``);
      return Number(n.value);
    },
    async digest(place, table) {
      const [row] = await sql(`SELECT ${DIGEST} FROM \`${project}.${place}.${table}\``);
      return Object.values(row).map((value) => String(value?.value ?? value));
    },
    async tables(place) {
      const [exists] = await client.dataset(place).exists();
      if (!exists) return [];
      const [tables] = await client.dataset(place).getTables();
      return tables.map(({ id }) => id).sort();
    },
    leftFiles: async () => [],
  };
}

/**
 * A database and a folder of the bucket for each place.
 *
 * @param {object} connection
 * @param {import('../../../packages/connectors/src/Storages/AwsAthena/Athena').Athena} connection.athena
 * @param {(prefix: string) => Promise<string[]>} connection.files
 * @param {object} connection.access parameters that a configuration needs to get there
 */
function athenaTarget({ athena, files, access, ...connection }) {
  return {
    ...connection,
    port: portOf(connection),
    name: 'AwsAthena',
    types: {
      string: 'varchar',
      integer: 'bigint',
      number: 'double',
      boolean: 'boolean',
      date: 'date',
      timestamp: 'timestamp',
      timestamptz: 'timestamp',
      json: 'varchar',
    },
    storage: (place, more = {}) => ({
      name: 'AWS_ATHENA',
      config: { ...access, S3Prefix: place, AthenaDatabaseName: place, ...more },
    }),
    async typesOf(place, table) {
      const rows = await athena.rows(
        'SELECT column_name, data_type FROM information_schema.columns ' +
          `WHERE table_schema = '${place}' AND table_name = '${table}'`,
      );
      return Object.fromEntries(rows.map(([name, type]) => [name, type.toLowerCase()]));
    },
    async read(place, table, kinds) {
      const list = Object.keys(kinds).map((name) => `"${name}"`);
      const from = `"${place}"."${table}"`;
      return readRows(
        await athena.rows(`SELECT ${list.join(', ')} FROM ${from} ORDER BY 1, 2`),
        kinds,
      );
    },
    count: async (place, table) =>
      Number((await athena.rows(`SELECT count(*) AS n FROM "${place}"."${table}"`))[0][0]),
    digest: async (place, table) =>
      (await athena.rows(`SELECT ${DIGEST} FROM "${place}"."${table}"`))[0],
    tables: async (place) =>
      (
        await athena.rows(
          `SELECT table_name FROM information_schema.tables WHERE table_schema = '${place}' ORDER BY 1`,
        )
      ).flat(),
    leftFiles: (place) => files(`${place}/owox_staging_`),
    sql: (query) => athena.run(query),
  };
}

const STARTERS = {
  DuckDb: duckDb,
  GoogleBigQuery: async (folder, python) =>
    bigQueryTarget({ project: PROJECT, ...(await startBigQuery(python, folder)) }),
  AwsAthena: async (folder, python) =>
    athenaTarget({ access: ACCESS, ...(await startAthena(python, folder)) }),
};

/**
 * Starts a storage.
 *
 * @param {string} name
 * @param {string} folder for what it keeps
 * @returns {Promise<{ reason: string } | object>} `reason` says why it cannot be had here; `stop()`
 *   ends the others
 */
async function startTarget(name, folder) {
  const { python, reason } = name === 'DuckDb' ? { reason: false } : available();
  return reason ? { reason } : STARTERS[name](folder, python);
}

/**
 * A storage to test with, which is started before the file's tests and ended after them.
 *
 * @param {string} name
 * @returns {{ options: { skip: string | false }, target: object }} `target` is empty until the
 *   tests begin
 */
function target(name, { before, after }) {
  const { reason } = name === 'DuckDb' ? { reason: false } : available();
  const started = {};
  const folder = tempFolder({ after });
  before(async () => {
    if (!reason) Object.assign(started, await startTarget(name, folder));
  });
  after(() => started.stop?.());
  return { options: { skip: reason }, target: started };
}

module.exports = {
  STORAGES: Object.keys(STARTERS),
  athenaTarget,
  bigQueryTarget,
  startTarget,
  target,
};
