'use strict';
// Reads DuckDB files back, with the very version that the storage's manifest asks for.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');

const { root } = require('./host');

const manifest = require('../../packages/connectors/src/Storages/DuckDb/manifest.json');

let api;

/** Installs the client into a temporary folder, once a test process; its lock is the process. */
function install() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'duckdb-client-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  fs.writeFileSync(path.join(folder, 'package.json'), '{"private":true}');
  const [{ name, version }] = manifest.environment.node.dependencies;
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...flags, `${name}@${version}`], { cwd: folder, stdio: 'pipe' });
  return createRequire(path.join(folder, 'package.json'))(name);
}

/** The rows that a query gives, as arrays of texts (null stays). */
async function query(file, sql) {
  api ??= install();
  const instance = await api.DuckDBInstance.create(file, { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(sql);
    return reader.getRows().map((row) => row.map((value) => (value === null ? null : `${value}`)));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Changes a database. */
async function execute(file, sql) {
  api ??= install();
  const instance = await api.DuckDBInstance.create(file);
  const connection = await instance.connect();
  try {
    await connection.run(sql);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Opens a file for writing, so that nobody else can; gives a function that lets go. */
async function occupy(file) {
  api ??= install();
  const instance = await api.DuckDBInstance.create(file);
  return () => instance.closeSync();
}

const referencePackage = path.join(root, 'packages', 'connectors');

module.exports = { execute, occupy, query, referencePackage };
