'use strict';

const { randomUUID } = require('node:crypto');
const { setTimeout: pause } = require('node:timers/promises');
const { toText } = require('../../Core/toText');

/** Bounds the memory where rows are very wide; in characters. */
const MAX_BUFFERED_TEXT = 16 * 1024 * 1024;
/** A killed run cannot drop its staging table; BigQuery does after this time. */
const EXPIRES_AFTER_MS = 24 * 60 * 60 * 1000;
const ATTEMPTS = 6;
const TRANSIENT = /rateLimitExceeded|backendError|internalError|jobRateLimitExceeded/;

/**
 * The rows of a run as text, in a table of their own that load jobs fill: these cost nothing, and
 * each is all or nothing. Column n is the row's number, c0, c1 and so on are the rows' columns.
 */
class Staging {
  rowCount = 0;
  /** @type {Map<string, string>} the rows' column to the staging column */
  columns = new Map();

  #dataset;
  #maxRows;
  #buffer = [];
  #bufferedText = 0;
  #tableColumns = 0;

  /** @param {import('@google-cloud/bigquery').Dataset} dataset */
  constructor(dataset, { maxRows }) {
    this.#dataset = dataset;
    this.#maxRows = maxRows;
    this.table = dataset.table(`owox_staging_${randomUUID().replaceAll('-', '')}`);
  }

  /** @param {Record<string, unknown>[]} rows */
  async write(rows) {
    for (const row of rows) {
      const staged = { n: this.rowCount };
      for (const [name, value] of Object.entries(row)) {
        if (!this.columns.has(name)) this.columns.set(name, `c${this.columns.size}`);
        const text = toText(value);
        if (text !== null) staged[this.columns.get(name)] = text;
      }
      this.rowCount += 1;
      const line = `${JSON.stringify(staged)}\n`;
      this.#bufferedText += line.length;
      this.#buffer.push(line);
      const isFull = this.#buffer.length >= this.#maxRows;
      if (isFull || this.#bufferedText > MAX_BUFFERED_TEXT) await this.flush();
    }
  }

  async flush() {
    if (this.#buffer.length === 0) return;
    const fields = this.#fields();
    if (this.#tableColumns === 0) {
      const expirationTime = String(Date.now() + EXPIRES_AFTER_MS);
      await this.table.create({ schema: { fields }, expirationTime });
    } else if (this.#tableColumns < fields.length) {
      await this.table.setMetadata({ schema: { fields } });
    }
    this.#tableColumns = fields.length;
    await this.#load(this.#buffer.join(''), fields);
    this.#buffer = [];
    this.#bufferedText = 0;
  }

  async drop() {
    if (this.#tableColumns > 0) await this.table.delete({ ignoreNotFound: true });
  }

  #fields() {
    const columns = [...this.columns.values()].map((name) => ({ name, type: 'STRING' }));
    return [{ name: 'n', type: 'INTEGER' }, ...columns];
  }

  async #load(text, fields) {
    for (let attempt = 1; ; attempt += 1) {
      const jobId = `owox_${randomUUID()}`;
      try {
        await this.#loadOnce(jobId, text, fields);
        return;
      } catch (cause) {
        const reasons = (cause.errors ?? []).map(({ reason }) => reason).join();
        const mayPass =
          cause.code === 429 ||
          cause.code >= 500 ||
          ['ECONNRESET', 'EPIPE', 'ETIMEDOUT'].includes(cause.code) ||
          TRANSIENT.test(reasons);
        if (!mayPass || attempt === ATTEMPTS) throw cause;
        await pause(500 * 2 ** attempt * (0.5 + Math.random() / 2));
        // The answer may be lost, but not the job: the same rows must not be staged twice.
        if (await this.#isLoaded(jobId)) return;
      }
    }
  }

  async #isLoaded(jobId) {
    const job = this.#dataset.bigQuery.job(jobId, { location: this.#dataset.location });
    const [exists] = await job.exists();
    if (!exists) return false;
    const outcome = await job.promise().catch((error) => error);
    return !(outcome instanceof Error);
  }

  #loadOnce(jobId, text, fields) {
    return new Promise((resolve, reject) => {
      const stream = this.table.createWriteStream({
        jobId,
        sourceFormat: 'NEWLINE_DELIMITED_JSON',
        writeDisposition: 'WRITE_APPEND',
        createDisposition: 'CREATE_NEVER',
        schema: { fields },
      });
      stream.on('complete', resolve).on('error', reject);
      stream.end(text);
    });
  }
}

module.exports = { Staging };
