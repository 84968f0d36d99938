'use strict';

const { randomUUID } = require('node:crypto');
const { existsSync, realpathSync } = require('node:fs');
const { mkdir, rm } = require('node:fs/promises');
const { availableParallelism } = require('node:os');
const { isAbsolute } = require('node:path');
const { AbstractStorage } = require('../../Core/AbstractStorage');
const { ConnectorError } = require('../../Core/errors');
const { isolationRemedy } = require('../../Core/isolation');
const { ColumnNames } = require('../ColumnNames');
const { Publication } = require('./Publication');
const { quote } = require('./sql');
const { Staging } = require('./Staging');
const manifest = require('./manifest.json');

/** What a megabyte of `MemoryLimitMb` is for: bytes of staged rows, and keys, at a time. */
const STAGED_BYTES_PER_MEGABYTE = 2 ** 20 / 32;
const KEYS_PER_MEGABYTE = 1000;
/** What DuckDB may keep in memory between the parts of a publication. */
const KEPT_MEGABYTES = 16;
/** DuckDB has a block of 256 KB at hand for each column that is written, several times over. */
const MEGABYTES_PER_COLUMN = 2;
/** Columns that are many. */
const WIDE = 200;

/**
 * A table in a DuckDB database file. Rows are staged as text beside it and brought into the table by
 * one transaction, so a run that is killed leaves the table as it was.
 */
class DuckDbStorage extends AbstractStorage {
  #api = null;
  #instance = null;
  #connection = null;
  #staging = null;
  #plan = null;
  #publication = null;
  /** of DuckDB, in MB */
  #limit = null;

  constructor(config) {
    super(config, manifest);
  }

  get takesTextRows() {
    return true; // the staging does
  }

  async open() {
    await this.#connect(this.#path());
    // The lock on the database is ours, so what lies there is of a run that was killed.
    await rm(this.#stagingFolder(), { recursive: true, force: true });
    // Days of moments are days in UTC, here as in the sources.
    await this.#connection.run("SET TimeZone = 'UTC'");
  }

  /** A database that is not there yet is tried under another name, so that none is made. */
  async check() {
    const path = this.#path();
    const isThere = existsSync(path);
    const trial = `${path}.owox-check-${randomUUID()}`;
    try {
      await this.#connect(isThere ? path : trial);
      await this.#connection.run('BEGIN TRANSACTION');
      await this.#connection.run(`CREATE TABLE ${quote(`owox_check_${randomUUID()}`)} (n INTEGER)`);
      await this.#connection.run('ROLLBACK');
      // Rows are staged beside it.
      if (isThere) await mkdir(trial);
    } catch (cause) {
      if (cause instanceof ConnectorError) throw cause;
      throw new ConnectorError(`Cannot write ${path}: ${reasonOf(cause, path)}`, { cause });
    } finally {
      await this.close();
      await rm(trial, { recursive: true, force: true });
      await rm(`${trial}.wal`, { force: true });
    }
    return isThere ? `${path} can be written` : `${path} is not there yet, and can be made`;
  }

  #path() {
    const path = this.config.getValue('DatabasePath');
    // Its files lie beside the database, wherever a link to that lies.
    if (isAbsolute(path)) return existsSync(path) ? realpathSync(path) : path;
    throw new ConnectorError(
      `DatabasePath "${path}" is relative, but a run has a folder of its own: give the absolute path`,
    );
  }

  async #connect(path) {
    // Not at the top: the manifest's parameters can be read without DuckDB.
    this.#api = require('@duckdb/node-api');
    try {
      this.#instance = await this.#api.DuckDBInstance.create(path, this.#options());
    } catch (cause) {
      throw new ConnectorError(`Cannot open ${path}: ${reasonOf(cause, path)}`, { cause });
    }
    this.#connection = await this.#instance.connect();
  }

  async hasRows(name) {
    const rows = async (sql, values) =>
      (await this.#connection.runAndReadAll(sql, values)).getRows();
    const found = await rows(
      'SELECT table_catalog, table_schema, table_name FROM information_schema.tables WHERE ' +
        "table_catalog = current_database() AND table_schema = 'main' AND lower(table_name) = lower($1)",
      [name],
    );
    if (found.length === 0) return false;
    return (await rows(`SELECT 1 FROM ${found[0].map(quote).join('.')} LIMIT 1`)).length > 0;
  }

  async begin(plan) {
    this.#plan = plan;
    this.#staging = new Staging(this.#stagingFolder(), {
      maxRows: this.config.getValue('MaxBufferSize'),
      maxFileSize: this.config.getValue('MemoryLimitMb') * STAGED_BYTES_PER_MEGABYTE,
    });
    this.#publication = new Publication(this.#connection, this.#plan, this.#staging, {
      maxKeys: this.config.getValue('MemoryLimitMb') * KEYS_PER_MEGABYTE,
      makeRoom: (columns) => this.#makeRoom(columns),
      shrink: () => this.#shrink(),
    });
    const dialect = { title: 'DuckDB', columnName: (name) => name };
    const names = new ColumnNames(dialect, (m) => this.config.addWarningToCurrentStatus(m));
    this.#staging.onColumn = (source) => names.nameOf(source);
  }

  async write(rows, columns) {
    await this.#staging.write(rows);
    if (columns !== undefined) this.#publication.goAhead(columns);
  }

  async commit(columns) {
    await this.#staging.finish();
    const result = await this.#publication.run(columns);
    await this.#staging.drop();
    const location = this.config.getValue('DatabasePath');
    return { ...result, location, look: lookAt(location, this.#plan) };
  }

  async discard() {
    await this.#publication.abandon();
    await this.#staging.drop();
  }

  /** Closing writes the log into the database file and frees the lock. */
  async close() {
    await this.#publication?.abandon();
    await this.#staging?.drop();
    this.#connection?.closeSync();
    this.#instance?.closeSync();
    this.#connection = null;
    this.#instance = null;
  }

  /**
   * DuckDB keeps what it has read or written, and its allocator what is free again, until the limit
   * is reached: the more rows, the more memory. A lower limit makes it give both back.
   */
  async #shrink() {
    // A connection of its own: a failure would end the other's transaction.
    const connection = await this.#instance.connect();
    // It fails where more is in use, and has given back what is not.
    await connection.run(`SET memory_limit = '${KEPT_MEGABYTES}MB'`).catch(() => {});
    await connection.run(
      `SET memory_limit = '${this.#limit ?? this.config.getValue('MemoryLimitMb')}MB'`,
    );
    connection.closeSync();
  }

  /** What a table takes follows from its columns, whatever its rows are. */
  async #makeRoom(columns) {
    const isWide = columns > WIDE;
    this.#limit = Math.max(
      this.config.getValue('MemoryLimitMb'),
      isWide ? columns * MEGABYTES_PER_COLUMN : 0,
    );
    const connection = await this.#instance.connect();
    await connection.run(`SET memory_limit = '${this.#limit}MB'`);
    // Each thread would take as much.
    await connection.run(`SET threads = ${isWide ? 1 : this.#options().threads}`);
    connection.closeSync();
    return isWide;
  }

  #stagingFolder() {
    return `${this.#path()}.owox-staging`;
  }

  #options() {
    return {
      memory_limit: `${this.config.getValue('MemoryLimitMb')}MB`,
      // Each thread needs buffers of its own, which many cores would fill the limit with.
      threads: String(Math.min(availableParallelism(), 4)),
      // A run reaches no network but for its source.
      autoinstall_known_extensions: 'false',
      // Staged rows are read once or twice, and would fill the memory.
      enable_external_file_cache: 'false',
    };
  }
}

function reasonOf({ message }, path) {
  const [firstLine] = message.split('\n');
  const isRefused = /permission denied|EACCES|EPERM|ERR_ACCESS_DENIED/i.test(message);
  const byIsolation = isRefused ? isolationRemedy(path, 'write') : null;
  if (byIsolation !== null) return byIsolation;
  if (/set lock|being used by another process/.test(message)) {
    // 0 is one that cannot be seen from within the run
    const process = /PID ([1-9]\d*)/.exec(message);
    const who = process === null ? 'another process' : `the process ${process[1]}`;
    return `it is in use by ${who}; close it there, or wait, and run again`;
  }
  if (/not a valid DuckDB database/.test(message)) {
    return 'it is no DuckDB database; name another file in DatabasePath';
  }
  if (/No such file or directory|cannot find the path/.test(message)) {
    return 'its folder does not exist; create it, or correct DatabasePath';
  }
  return `${firstLine}; check DatabasePath and the permissions`;
}

/** A command for DuckDB's own command line tool. */
function lookAt(path, { name, dateColumn }) {
  const order = dateColumn === null ? '' : ` ORDER BY ${quote(dateColumn)} DESC`;
  const words = ['duckdb', '-readonly', path, `FROM ${quote(name)}${order} LIMIT 10`];
  return words.map(quoteForShell).join(' ');
}

function quoteForShell(word) {
  if (/^[\w./:\\-]+$/.test(word)) return word;
  return process.platform === 'win32'
    ? `"${word.replaceAll('"', '\\"')}"`
    : `'${word.replaceAll("'", "'\\''")}'`;
}

module.exports = { DuckDbStorage };
