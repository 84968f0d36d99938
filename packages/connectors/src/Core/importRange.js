'use strict';

const { RUN_TYPE } = require('./AbstractRunConfig');
const { ConnectorError } = require('./errors');
const { addDays, toDay } = require('./dates');

/**
 * Which days a run loads, by its type and the parameters `StartDate`, `EndDate`,
 * `LastRequestedDate` and `ReimportLookbackWindow`.
 *
 * @param {import('./AbstractConfig').AbstractConfig} config with the run's own values put in
 * @param {import('./AbstractRunConfig').AbstractRunConfig} runConfig
 * @param {{ hasDates: boolean }} source
 * @returns {import('./AbstractSource').DateRange}
 * @throws {ConnectorError}
 */
function importRange(config, runConfig, { hasDates }) {
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
  const last = hasDates ? lastDate(config, runConfig) : null;
  if (runConfig.type !== RUN_TYPE.INCREMENTAL || last === null) return { start, end };
  const resumed = addDays(last, -(config.getValue('ReimportLookbackWindow') ?? 0));
  return { start: start !== null && start > resumed ? start : resumed, end };
}

/**
 * Where the last run ended. `LastRequestedDate` goes before the state, also when it is earlier: a
 * host that sets it means it.
 *
 * @returns {string | null} YYYY-MM-DD
 */
function lastDate(config, runConfig) {
  const requested = config.getValue('LastRequestedDate');
  if (requested !== null) return requested;
  const { date } = runConfig.state;
  if (date === undefined || date === null || date === '') return null;
  const day = toDay(date);
  if (day === null) {
    throw new ConnectorError(`The state's date "${date}" is no date like 2024-01-31: correct it`);
  }
  return day;
}

module.exports = { importRange, lastDate };
