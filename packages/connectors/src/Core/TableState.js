'use strict';

const { ConnectorError } = require('./errors');
const { addDays, toDay, today } = require('./dates');

/**
 * How far a table is.
 *
 * @typedef {object} Reached
 * @property {string} day the last one that it has, YYYY-MM-DD
 * @property {string | null} reachedAt the day on which a run that had not ended yet came so far:
 *   what follows was not asked for, while what is before was just loaded; `null` where it ended
 * @property {boolean} isRequested whether the host asked for it by `LastRequestedDate`
 */

/**
 * Where each table goes on: `LastRequestedDate`, or the state `{ date, tables: { name: { date } } }`.
 *
 * A host that keeps only `date` has that for all tables. `LastRequestedDate` goes before the state,
 * also when it is earlier: a host that sets it means it. Where it is the state's own date, it says
 * nothing that the state does not say better.
 */
class StateBefore {
  #date;
  #isRequested;
  #tables;

  /**
   * @param {import('./AbstractConfig').AbstractConfig} config
   * @param {import('./AbstractRunConfig').AbstractRunConfig} runConfig
   * @throws {ConnectorError} where a date is none
   */
  constructor(config, { state }) {
    const requested = config.getValue('LastRequestedDate');
    const date = requested !== null && !isDate(state.date) ? null : dayOf(state.date, 'date');
    this.#isRequested = requested !== null && requested !== date;
    this.#date = requested ?? date;
    this.#tables = this.#isRequested ? new Map() : tablesOf(state.tables);
  }

  /**
   * @param {string} table name in the storage
   * @returns {Reached | null} `null` where it is to be loaded from the beginning
   */
  of(table) {
    // A table that was added later has nothing yet, however far the others are.
    if (this.#tables.size > 0) return this.#tables.get(table) ?? null;
    if (this.#date === null) return null;
    return { day: this.#date, reachedAt: null, isRequested: this.#isRequested };
  }
}

function tablesOf(tables) {
  if (typeof tables !== 'object' || tables === null || Array.isArray(tables)) return new Map();
  return new Map(
    Object.entries(tables).flatMap(([name, entry]) => {
      const day = dayOf(entry?.date, `date of table "${name}"`);
      const reachedAt = dayOf(entry?.reachedAt, `reachedAt of table "${name}"`);
      return day === null ? [] : [[name, { day, reachedAt, isRequested: false }]];
    }),
  );
}

function isDate(date) {
  return toDay(date) !== null;
}

function dayOf(date, what) {
  if (date === undefined || date === null || date === '') return null;
  const day = toDay(date);
  if (day === null) {
    throw new ConnectorError(
      `The state's ${what} "${date}" is no date like 2024-01-31: correct it`,
    );
  }
  return day;
}

/**
 * The first day that an incremental run asks for. Days of the lookback window may still change, so
 * the next run loads them again. One that goes on where another was interrupted on the same day need
 * not: they are as new as its own.
 *
 * @param {Reached} reached
 * @param {number} lookback days
 * @returns {string} YYYY-MM-DD
 */
function nextDay({ day, reachedAt }, lookback) {
  if (reachedAt === null) return addDays(day, -lookback);
  const next = addDays(day, 1);
  const unsettled = reachedAt === today() ? reachedAt : addDays(reachedAt, -lookback);
  return next < unsettled ? next : unsettled;
}

/**
 * How far the tables of a run are, as a state: its `date`, which is all that some hosts keep, is the
 * earliest of the tables'.
 */
class StateAfter {
  /** @type {Map<string, Reached | null>} */
  #tables;

  /** @param {Map<string, Reached | null>} tables how far each is before the run */
  constructor(tables) {
    this.#tables = new Map(tables);
  }

  /**
   * @param {string} table
   * @param {Reached | null} reached
   */
  set(table, reached) {
    this.#tables.set(table, reached);
  }

  /** The run is at its end: all that was asked for is loaded. */
  settle() {
    for (const [table, reached] of this.#tables) {
      if (reached !== null) this.#tables.set(table, { ...reached, reachedAt: null });
    }
  }

  /** @returns {{ date?: string, tables: Record<string, object> } | null} `null` where none has any */
  get value() {
    const known = [...this.#tables].filter(([, reached]) => reached !== null);
    if (known.length === 0) return null;
    const tables = Object.fromEntries(known.map(([name, reached]) => [name, entryOf(reached)]));
    // One without rows and without a beginning has to be asked for whole.
    if (known.length < this.#tables.size) return { tables };
    const [earliest] = known.map(([, { day }]) => day).sort();
    return { date: timestampOf(earliest), tables };
  }
}

function entryOf({ day, reachedAt }) {
  const date = timestampOf(day);
  return reachedAt === null ? { date } : { date, reachedAt: timestampOf(reachedAt) };
}

function timestampOf(day) {
  return `${day}T00:00:00.000Z`;
}

module.exports = { StateAfter, StateBefore, nextDay };
