'use strict';

const { RUN_TYPE } = require('./AbstractRunConfig');
const { ConnectorError } = require('./errors');
const { addDays, today } = require('./dates');
const { nextDay } = require('./TableState');

/**
 * The days that a run may load, by its type and the parameters `StartDate` and `EndDate`.
 *
 * @param {import('./AbstractConfig').AbstractConfig} config with the run's own values put in
 * @param {import('./AbstractRunConfig').AbstractRunConfig} runConfig
 * @param {{ hasDates: boolean }} source
 * @returns {import('./AbstractSource').DateRange}
 * @throws {ConnectorError}
 */
function wholeRange(config, runConfig, { hasDates }) {
  const start = config.getValue('StartDate');
  const end = config.getValue('EndDate');
  if (runConfig.type === RUN_TYPE.MANUAL_BACKFILL && start === null) {
    throw new ConnectorError(
      "A MANUAL_BACKFILL needs a StartDate in the run's data, and takes an EndDate: add it",
    );
  }
  if (!hasDates && (start !== null || end !== null)) {
    throw new ConnectorError(
      'StartDate and EndDate need dates to compare with: set DateColumn, or remove them',
    );
  }
  if (start !== null && end !== null && start > end) {
    throw new ConnectorError(`StartDate ${start} is after EndDate ${end}: swap or correct them`);
  }
  return { start, end };
}

/**
 * Whether a table of this run goes on from where it is: in incremental runs, and in any but a full
 * refresh where an earlier one was interrupted.
 *
 * @param {import('./TableState').Reached | null} reached
 * @param {string} type of the run
 */
function goesOn(reached, type) {
  if (reached === null || type === RUN_TYPE.FULL_REFRESH) return false;
  return type === RUN_TYPE.INCREMENTAL || reached.reachedAt !== null;
}

/**
 * The days of one table.
 *
 * @param {import('./AbstractSource').DateRange} whole
 * @param {import('./TableState').Reached | null} reached where it goes on; `null` from the beginning
 * @param {number} lookback
 * @returns {import('./AbstractSource').DateRange}
 */
function tableRange({ start, end }, reached, lookback) {
  if (reached === null) return { start, end };
  const next = nextDay(reached, lookback);
  return { start: start !== null && start > next ? start : next, end };
}

/**
 * The ranges that a table is loaded in, one after the other, each committed by itself.
 *
 * @param {import('./AbstractSource').DateRange} range
 * @param {number | null} days in a step; `null` means all at once
 * @returns {import('./AbstractSource').DateRange[]} empty where nothing is left to load
 */
function stepsOf({ start, end }, days) {
  if (start === null) return [{ start, end }];
  if (end !== null && start > end) return [];
  if (days === null) return [{ start, end }];
  // What is in the future comes with the last one.
  const last = end === null || end > today() ? today() : end;
  const steps = [];
  for (let from = start; from <= last; from = addDays(from, days)) {
    steps.push({ start: from, end: addDays(from, days - 1) });
  }
  // The last one has the run's own end, which may be none.
  if (steps.length === 0) return [{ start, end }];
  steps.at(-1).end = end;
  return steps;
}

module.exports = { goesOn, stepsOf, tableRange, wholeRange };
