'use strict';

const { NotImplementedError } = require('./errors');
const { parametersOf } = require('./parameters');

/**
 * Where rows come from. Extend it, and write `tables()` and `fetch()`.
 *
 * @typedef {object} Table what a source fetches into one table of the storage
 * @property {string} name unique within the source
 * @property {string} [destinationName] name in the storage, where its parameters give none; `name`
 *   by default
 * @property {string[]} [uniqueKeys] columns that identify a row; without them see the README
 * @property {string} [dateColumn] column with the row's date, which the state is made of
 * @property {Record<string, string>} [types] column types that are known; the rest is inferred
 * @property {boolean} [isText] whether values are text of any type, as in a CSV file; else only
 *   dates are looked for in texts, and "1" stays a text
 * @property {number} [daysPerStep] days that `fetch` is asked for at a time, where the run has a first
 *   one; each step is committed, so that a run that is killed loses one at most. All days at once
 *   by default
 *
 * @typedef {object} DateRange
 * @property {string | null} start first day, YYYY-MM-DD; `null` means from the beginning
 * @property {string | null} end last day, included; `null` means no end
 */
class AbstractSource {
  /**
   * Only declares the parameters: values are read later, when the run has put its own in.
   *
   * @param {import('./AbstractConfig').AbstractConfig} config
   * @param {object} manifest
   */
  constructor(config, manifest) {
    this.config = config.mergeParameters(parametersOf(manifest));
  }

  /** @returns {boolean} whether rows can be asked for by date */
  get hasDates() {
    return true;
  }

  /** @returns {Table[]} called once a run, before the first `fetch` */
  tables() {
    throw new NotImplementedError(this, 'tables');
  }

  /**
   * Yields rows in batches of a few thousand at most, so that memory stays flat. A value is text,
   * number, bigint, boolean, Date, object, array or null; a missing property is like null.
   *
   * @param {Table} _table
   * @param {DateRange} _range
   * @returns {AsyncGenerator<Record<string, unknown>[]>}
   */
  fetch(_table, _range) {
    throw new NotImplementedError(this, 'fetch');
  }

  /**
   * Proves that a run could begin, for `check --connect`, without yielding a row: the address can be
   * reached, the credentials are accepted, what is asked for is there. It has the run's own grants and
   * a minute; it should ask once and not wait for what may pass. Optional to write.
   *
   * @returns {Promise<string | null>} what was found, in a few words; `null`: it cannot tell
   * @throws {ConnectorError} with cause and remedy
   */
  async check() {
    return null;
  }
}

module.exports = { AbstractSource };
