'use strict';

const { toText } = require('../../Core/toText');

const NAME = 'owox_staging';
/** Bounds the memory where rows are very wide; in characters. */
const MAX_BUFFERED_TEXT = 16 * 1024 * 1024;

/**
 * The rows of a run as text, in a temporary table that DuckDB moves to disk when memory gets short
 * and drops by itself when the process ends. Its columns are called c0, c1 and so on, so that no
 * name from outside can clash with DuckDB's own, such as rowid.
 */
class Staging {
  /** As SQL; the catalog keeps it apart from a table of the same name. */
  table = `temp.main.${NAME}`;
  rowCount = 0;
  /** @type {Map<string, string>} the rows' column to the staging column */
  columns = new Map();

  #api;
  #connection;
  #maxRows;
  #buffer = [];
  #bufferedText = 0;
  #appender = null;
  #tableColumns = 0;

  /**
   * @param {typeof import('@duckdb/node-api')} api
   * @param {import('@duckdb/node-api').DuckDBConnection} connection
   * @param {{ maxRows: number }} options rows to hold in memory
   */
  constructor(api, connection, { maxRows }) {
    this.#api = api;
    this.#connection = connection;
    this.#maxRows = maxRows;
  }

  /** @param {Record<string, unknown>[]} rows */
  async write(rows) {
    for (const row of rows) {
      for (const name of Object.keys(row)) {
        if (!this.columns.has(name)) this.columns.set(name, `c${this.columns.size}`);
        if (typeof row[name] === 'string') this.#bufferedText += row[name].length;
      }
      this.#buffer.push(row);
      const isFull = this.#buffer.length >= this.#maxRows;
      if (isFull || this.#bufferedText > MAX_BUFFERED_TEXT) await this.flush();
    }
  }

  async flush() {
    if (this.#buffer.length === 0) return;
    await this.#prepare();
    const { DuckDBDataChunk, VARCHAR } = this.#api;
    const names = [...this.columns.keys()];
    const types = names.map(() => VARCHAR);
    // 2048 is DuckDB's vector size, the most that a chunk can hold.
    for (let start = 0; start < this.#buffer.length; start += 2048) {
      const rows = this.#buffer.slice(start, start + 2048);
      const chunk = DuckDBDataChunk.create(types, rows.length);
      chunk.setColumns(names.map((name) => rows.map((row) => toText(row[name]))));
      this.#appender.appendDataChunk(chunk);
    }
    this.#appender.flushSync();
    this.rowCount += this.#buffer.length;
    this.#buffer = [];
    this.#bufferedText = 0;
  }

  /** Stages what is still in memory; nothing can be written after it. */
  async finish() {
    await this.flush();
    this.#appender?.closeSync();
    this.#appender = null;
  }

  async drop() {
    await this.#connection.run(`DROP TABLE IF EXISTS ${this.table}`);
  }

  /** Creates the table, or adds the columns that have come since. */
  async #prepare() {
    const columns = [...this.columns.values()];
    if (this.#appender !== null && this.#tableColumns === columns.length) return;
    this.#appender?.closeSync();
    if (this.#tableColumns === 0) {
      const definitions = columns.map((column) => `${column} VARCHAR`).join(', ');
      await this.#connection.run(`CREATE TEMP TABLE ${NAME} (${definitions})`);
    } else {
      for (const column of columns.slice(this.#tableColumns)) {
        await this.#connection.run(`ALTER TABLE ${this.table} ADD COLUMN ${column} VARCHAR`);
      }
    }
    this.#tableColumns = columns.length;
    this.#appender = await this.#connection.createAppender(NAME, 'main', 'temp');
  }
}

module.exports = { Staging };
