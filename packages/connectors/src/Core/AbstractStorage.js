'use strict';

const { ConnectorError, NotImplementedError } = require('./errors');
const { parametersOf } = require('./parameters');

/**
 * Where rows go. A run calls `open()`, and `hasRows()` of tables that have a state; then for each
 * table, or each of its steps, `begin()`, `write()` as often as needed and `commit()`, or `discard()`
 * and `begin()` again where the source changed meanwhile; and at the end, also after a failure,
 * `close()`.
 *
 * Rows must be invisible until `commit()`, and all of them visible after it: a run that is killed
 * leaves the table as it was. Column types are known only at `commit()`, so rows are staged as text
 * (`toText`) and cast there.
 *
 * @typedef {object} Plan
 * @property {string} name the table's name
 * @property {string[]} uniqueKeys
 * @property {string | null} dateColumn
 * @property {boolean} replace whether the rows replace the table's content (FULL_REFRESH)
 *
 * @typedef {object} Saved
 * @property {number} rows saved by this run
 * @property {number} duplicates rows left out because a later one has the same unique keys
 * @property {number} total rows in the table now
 * @property {string} location where the table is, for a person
 * @property {string} [look] a command that shows the data
 */
class AbstractStorage {
  /**
   * Only declares the parameters: values are read later, when the run has put its own in.
   *
   * @param {import('./AbstractConfig').AbstractConfig} config
   * @param {object} manifest
   */
  constructor(config, manifest) {
    this.config = config.mergeParameters(parametersOf(manifest));
  }

  /**
   * The name of the table for one of the source's tables. `DestinationTableName` is the table's
   * name; where the source has several, or where it ends in "_", what each name begins with.
   * `DestinationTableNameOverride` goes before it: one name, or for sources with several tables a
   * list like "ads my_ads, campaigns my_campaigns".
   *
   * @param {import('./AbstractSource').Table} table
   * @param {{ isOnly: boolean }} options
   * @returns {string}
   * @throws {ConnectorError}
   */
  tableNameFor(table, { isOnly }) {
    const given = this.config.getValue('DestinationTableNameOverride');
    const overridden = given === null ? null : overriddenName(given, table, isOnly);
    if (overridden !== null) return overridden;
    const name = this.config.getValue('DestinationTableName');
    if (name === null) return table.destinationName ?? table.name;
    if (name.endsWith('_')) return `${name}${table.name}`;
    return isOnly ? name : `${name}_${table.name}`;
  }

  /** @returns {boolean} whether `write()` also takes `TextRows`, as sources of files yield them */
  get takesTextRows() {
    return false;
  }

  /** Connects, and fails early where that is not possible. */
  async open() {
    throw new NotImplementedError(this, 'open');
  }

  /**
   * Whether a table is there and has rows: state of a table that is gone would skip what it had.
   *
   * @param {string} _name
   * @returns {Promise<boolean | null>} `null` where a storage cannot tell
   */
  async hasRows(_name) {
    return null;
  }

  /** @param {Plan} _plan */
  async begin(_plan) {
    throw new NotImplementedError(this, 'begin');
  }

  /**
   * @param {Record<string, unknown>[]} _rows
   * @param {Map<string, import('./TypeInference').Column>} _columns as far as the rows so far show
   *   them: later rows may change each of them
   */
  async write(_rows, _columns) {
    throw new NotImplementedError(this, 'write');
  }

  /**
   * @param {Map<string, import('./TypeInference').Column>} _columns in the order they first came
   * @returns {Promise<Saved>}
   */
  async commit(_columns) {
    throw new NotImplementedError(this, 'commit');
  }

  /** Drops what was written since `begin()`: the source starts over, and another `begin()` comes. */
  async discard() {
    throw new NotImplementedError(this, 'discard');
  }

  /**
   * Proves that a run could begin, for `check --connect`, without moving a row: the service can be
   * reached, the credentials are accepted, what holds the tables is there and may be written. It leaves
   * nothing behind, has the run's own grants and a minute. Optional to write; called on an instance of
   * its own, without `open()`.
   *
   * @returns {Promise<string | null>} what was found, in a few words; `null`: it cannot tell
   * @throws {ConnectorError} with cause and remedy
   */
  async check() {
    return null;
  }

  /** Drops what was not committed and lets go of everything. Never throws. */
  async close() {}
}

/** @returns {string | null} `null` where the list has none for this table */
function overriddenName(given, table, isOnly) {
  const pairs = given.split(',').map((part) => part.trim().split(/[\s=:]+/));
  if (pairs.length === 1 && pairs[0].length === 1) {
    if (isOnly) return pairs[0][0];
    throw new ConnectorError(
      'DestinationTableNameOverride names one table, but the source has several: write it like "ads my_ads"',
    );
  }
  return pairs.find(([name]) => name === table.name)?.[1] ?? null;
}

module.exports = { AbstractStorage };
