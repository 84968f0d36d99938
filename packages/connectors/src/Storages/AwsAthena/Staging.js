'use strict';

const { randomUUID } = require('node:crypto');
const { toText } = require('../../Core/toText');
const { quoteDdl, text } = require('./sql');

/** Bounds the memory where rows are very wide; in characters. */
const MAX_BUFFERED_TEXT = 16 * 1024 * 1024;

/**
 * The rows of a run as text, one JSON object a line, in files below a folder in S3 that an external
 * table reads. Column n is the row's number, c0, c1 and so on are the rows' columns.
 */
class Staging {
  rowCount = 0;
  /** @type {Map<string, string>} the rows' column to the staging column */
  columns = new Map();
  name = `owox_staging_${randomUUID().replaceAll('-', '')}`;

  #athena;
  #bucket;
  #database;
  #maxRows;
  #folder;
  #buffer = [];
  #bufferedText = 0;
  #files = 0;
  #hasTable = false;

  /**
   * @param {import('./Athena').Athena} athena
   * @param {import('./Bucket').Bucket} bucket
   * @param {{ database: string, maxRows: number, below: string }} options
   */
  constructor(athena, bucket, { database, maxRows, below }) {
    this.#athena = athena;
    this.#bucket = bucket;
    this.#database = database;
    this.#maxRows = maxRows;
    this.#folder = `${below}${this.name}/`;
  }

  get location() {
    return this.#bucket.locationOf(this.#folder);
  }

  /** @param {Record<string, unknown>[]} rows */
  async write(rows) {
    for (const row of rows) {
      const staged = { n: this.rowCount };
      for (const [name, value] of Object.entries(row)) {
        if (!this.columns.has(name)) this.columns.set(name, `c${this.columns.size}`);
        const cell = toText(value);
        if (cell !== null) staged[this.columns.get(name)] = cell;
      }
      this.rowCount += 1;
      const line = `${JSON.stringify(staged)}\n`;
      this.#bufferedText += line.length;
      this.#buffer.push(line);
      const isFull = this.#buffer.length >= this.#maxRows;
      if (isFull || this.#bufferedText > MAX_BUFFERED_TEXT) await this.#flush();
    }
  }

  /** Uploads what is left and makes the external table. */
  async finish() {
    await this.#flush();
    const columns = [...this.columns.values()].map((name) => `${name} string`);
    this.#hasTable = true;
    await this.#athena.run(
      `CREATE EXTERNAL TABLE ${quoteDdl(this.#database)}.${quoteDdl(this.name)} ` +
        `(${['n bigint', ...columns].join(', ')}) ` +
        `ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION ${text(this.location)}`,
    );
  }

  async drop() {
    // The table's end must not keep the files: these cost money.
    const outcomes = await Promise.allSettled([
      this.#hasTable && dropTable(this.#athena, this.#database, this.name),
      this.#files > 0 && this.#bucket.deleteFolder(this.#folder),
    ]);
    const failed = outcomes.find(({ status }) => status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #flush() {
    if (this.#buffer.length === 0) return;
    const body = this.#buffer.join('');
    this.#buffer = [];
    this.#bufferedText = 0;
    this.#files += 1;
    await this.#bucket.upload(`${this.#folder}${String(this.#files).padStart(6, '0')}.json`, body);
  }
}

function dropTable(athena, database, name) {
  return athena.run(`DROP TABLE IF EXISTS ${quoteDdl(database)}.${quoteDdl(name)}`);
}

module.exports = { Staging, dropTable };
