'use strict';

const { randomUUID } = require('node:crypto');
const { TextStaging } = require('../TextStaging');
const { quoteDdl, text: textOf } = require('./sql');

/** The rows of a run in files below a folder in S3, which an external table reads. */
class Staging extends TextStaging {
  name = `owox_staging_${randomUUID().replaceAll('-', '')}`;

  #athena;
  #bucket;
  #database;
  #folder;
  #files = 0;
  #hasTable = false;

  /**
   * @param {import('./Athena').Athena} athena
   * @param {import('./Bucket').Bucket} bucket
   * @param {{ database: string, maxRows: number, below: string }} options
   */
  constructor(athena, bucket, { database, maxRows, below }) {
    super(maxRows);
    this.#athena = athena;
    this.#bucket = bucket;
    this.#database = database;
    this.#folder = `${below}${this.name}/`;
  }

  get location() {
    return this.#bucket.locationOf(this.#folder);
  }

  /** Uploads what is left and makes the external table. */
  async finish() {
    await this.flush();
    const columns = [...this.columns.values()].map((name) => `${name} string`);
    this.#hasTable = true;
    await this.#athena.run(
      `CREATE EXTERNAL TABLE ${quoteDdl(this.#database)}.${quoteDdl(this.name)} ` +
        `(${['n bigint', ...columns].join(', ')}) ` +
        `ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION ${textOf(this.location)}`,
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

  async send(text) {
    this.#files += 1;
    await this.#bucket.upload(`${this.#folder}${String(this.#files).padStart(6, '0')}.json`, text);
  }
}

function dropTable(athena, database, name) {
  return athena.run(`DROP TABLE IF EXISTS ${quoteDdl(database)}.${quoteDdl(name)}`);
}

module.exports = { Staging, dropTable };
