'use strict';

const { randomUUID } = require('node:crypto');
const { TextStaging } = require('../TextStaging');

/** A killed run cannot drop its staging table; BigQuery does after this time. */
const EXPIRES_AFTER_MS = 24 * 60 * 60 * 1000;
const ATTEMPTS = 6;
const TRANSIENT = /rateLimitExceeded|backendError|internalError|jobRateLimitExceeded/;

/**
 * The rows of a run in a table of their own that load jobs fill: these cost nothing, and each is
 * all or nothing.
 */
class Staging extends TextStaging {
  #dataset;
  #wait;
  #tableColumns = 0;

  /**
   * @param {import('@google-cloud/bigquery').Dataset} dataset
   * @param {object} options
   * @param {number} options.maxRows
   * @param {(ms: number, reason: string) => Promise<void>} options.wait as the config's
   */
  constructor(dataset, { maxRows, wait }) {
    super(maxRows);
    this.#dataset = dataset;
    this.#wait = wait;
    this.table = dataset.table(`owox_staging_${randomUUID().replaceAll('-', '')}`);
  }

  async send(text) {
    const fields = this.#fields();
    if (this.#tableColumns === 0) {
      const expirationTime = String(Date.now() + EXPIRES_AFTER_MS);
      await this.table.create({ schema: { fields }, expirationTime });
    } else if (this.#tableColumns < fields.length) {
      await this.table.setMetadata({ schema: { fields } });
    }
    this.#tableColumns = fields.length;
    await this.#load(text, fields);
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
        const ms = 500 * 2 ** attempt * (0.5 + Math.random() / 2);
        await this.#wait(ms, `BigQuery is asked again: ${cause.message}`);
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
