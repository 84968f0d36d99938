'use strict';

const { goesOn, tableRange, wholeRange } = require('./importRange');
const { RUN_TYPE } = require('./AbstractRunConfig');
const { STATUS } = require('./status');
const { storageOf } = require('./storages');
const { StateAfter, StateBefore } = require('./TableState');
const { TableImport } = require('./TableImport');
const { today } = require('./dates');

/** Run types that move the state. */
const MOVES_STATE = [RUN_TYPE.INCREMENTAL, RUN_TYPE.FULL_REFRESH];

/**
 * One run: which dates, fetch, save, state, messages. It is the same for every source, so a
 * connector is usually an empty subclass.
 */
class AbstractConnector {
  /**
   * @param {import('./AbstractConfig').AbstractConfig} config
   * @param {import('./AbstractSource').AbstractSource} source
   * @param {string | Function} storageClass the storage class or its name, such as `DuckDbStorage`
   * @param {import('./AbstractRunConfig').AbstractRunConfig} runConfig
   */
  constructor(config, source, storageClass, runConfig) {
    const Storage = typeof storageClass === 'string' ? storageOf(storageClass) : storageClass;
    this.config = config;
    this.source = source;
    this.storage = new Storage(config);
    this.runConfig = runConfig;
  }

  /**
   * Runs the import. It resolves when the rows are committed and the state is printed.
   *
   * @returns {Promise<void>}
   * @throws {ConnectorError}
   */
  async run() {
    const { config } = this;
    config.updateCurrentStatus(STATUS.IMPORT_IN_PROGRESS);
    try {
      await this.#import();
    } catch (error) {
      config.updateCurrentStatus(STATUS.ERROR);
      throw error;
    }
    config.updateLastImportDate(new Date());
    await config.updateCurrentStatus(STATUS.IMPORT_DONE);
  }

  async #import() {
    const { config, runConfig, source, storage } = this;
    this.#applyRunConfig();
    config.validate();
    const whole = wholeRange(config, runConfig, source);
    const before = source.hasDates ? new StateBefore(config, runConfig) : null;
    const tables = source.tables();
    const jobs = tables.map((table) => this.#jobOf(table, before, tables.length === 1));
    const names = jobs.map(({ name }) => name);
    config.log(announcementOf(config, runConfig, this.#earliest(jobs, whole)), { tables: names });

    let reached;
    try {
      await storage.open();
      for (const job of jobs) await this.#ask(job, whole);
      await this.#tellOfFresh(jobs);
      const after = new StateAfter(
        new Map(
          jobs.filter(({ isDated }) => isDated).map((job) => [job.name, this.#first(job, whole)]),
        ),
      );
      for (const job of jobs) {
        const isLastTable = job === jobs.at(-1);
        const summary = await this.#importTable(job, whole, after, isLastTable);
        // At once: what is committed stays, also where a later table fails.
        await config.log(sentenceOf(summary), { summary });
      }
      after.settle();
      reached = after;
    } finally {
      await storage.close();
    }
    // Only now, when all rows are committed: a state ahead of the data would lose rows.
    this.#printReached(reached, { isState: MOVES_STATE.includes(runConfig.type) });
  }

  #jobOf(table, before, isOnly) {
    const { uniqueKeys = [], dateColumn = null } = table;
    const name = this.storage.tableNameFor(table, { isOnly });
    const replace = this.runConfig.type === RUN_TYPE.FULL_REFRESH;
    const isDated = before !== null && dateColumn !== null;
    return {
      table,
      name,
      isDated,
      plan: { name, uniqueKeys, dateColumn, replace },
      reached: isDated ? before.of(name) : null,
    };
  }

  /** Where the table goes on in this run, if it does. */
  #resumed({ reached }) {
    return goesOn(reached, this.runConfig.type) ? reached : null;
  }

  #rangeOf(job, whole) {
    const lookback = this.config.getValue('ReimportLookbackWindow') ?? 0;
    return tableRange(whole, this.#resumed(job), lookback);
  }

  /** The range of the table that goes furthest back. */
  #earliest(jobs, whole) {
    const ranges = jobs.filter(({ isDated }) => isDated).map((job) => this.#rangeOf(job, whole));
    if (ranges.length === 0) return whole;
    return ranges.sort((one, other) => ((one.start ?? '') < (other.start ?? '') ? -1 : 1))[0];
  }

  /** State of a table that was deleted or emptied would skip what it had. */
  async #ask(job, whole) {
    if (!job.isDated) return;
    const { name } = job;
    job.hasRows = (await this.storage.hasRows?.(name)) ?? null;
    const reached = this.#resumed(job);
    const { start } = this.#rangeOf(job, whole);
    if (reached === null || start === whole.start) return;
    job.isBasedOnState = true;
    if (job.hasRows !== false) return;
    const gone = `Table "${name}" is missing or empty, though it was loaded up to ${reached.day}`;
    if (reached.isRequested && whole.start === null) {
      // It is the only beginning that there is.
      this.config.addWarningToCurrentStatus(
        `${gone} by LastRequestedDate: rows before ${start} are not loaded; set StartDate, or run a ` +
          'FULL_REFRESH',
      );
      return;
    }
    this.config.addWarningToCurrentStatus(
      `${gone}: it is loaded from ${whole.start ?? 'the beginning'} again`,
    );
    job.reached = null;
    // A part of it would look like a table that has all up to the state.
    job.isWhole = true;
  }

  /**
   * Says which tables begin anew, before anything is saved: what others, or runs of another type,
   * have loaded there is gone, and hosts must not go on from their states.
   */
  async #tellOfFresh(jobs) {
    const fresh = jobs.filter(({ hasRows, plan }) => hasRows === false || plan.replace);
    if (fresh.length === 0) return;
    await this.config.isInProgress(true, { fresh: fresh.map(({ name }) => name) });
  }

  /** How far a table is before the run. One without rows is where the run begins. */
  #first(job, { start }) {
    const keeps = MOVES_STATE.includes(this.runConfig.type) || this.#resumed(job) !== null;
    if (keeps && job.reached !== null) return job.reached;
    return start === null ? null : { day: start, reachedAt: null };
  }

  async #importTable(job, whole, after, isLastTable) {
    const { config, runConfig, source, storage } = this;
    const { name, plan } = job;
    if (plan.uniqueKeys.length === 0 && plan.dateColumn === null && !plan.replace) {
      config.addWarningToCurrentStatus(
        `Rows are added to table "${name}" again with each run, because there are neither unique ` +
          'keys nor a date column: set them, or use FULL_REFRESH',
      );
    }
    const range = job.isDated ? this.#rangeOf(job, whole) : whole;
    const from = this.#resumed(job)?.day ?? null;
    const table = new TableImport(config, source, storage, { ...job, range });
    const summary = await table.run((lastDay, isLast) => {
      if (!job.isDated) return;
      const day = latest(from, lastDay);
      if (day !== null) after.set(name, { day, reachedAt: today() });
      else if (plan.replace) after.set(name, this.#first({ ...job, reached: null }, whole));
      if (isLast && isLastTable) return;
      const isState = !isLast && runConfig.type === RUN_TYPE.INCREMENTAL;
      this.#printReached(after, { isState });
    });
    // What a state is based on, where the storage could not be asked.
    return job.isBasedOnState && job.hasRows === null ? { ...summary, isUnchecked: true } : summary;
  }

  #applyRunConfig() {
    const { config, runConfig } = this;
    runConfig.validate();
    const takesData = [RUN_TYPE.MANUAL_BACKFILL, RUN_TYPE.CUSTOM].includes(runConfig.type);
    if (runConfig.type === RUN_TYPE.MANUAL_BACKFILL) {
      // The range is the run's own: the configuration's dates must not narrow it.
      for (const name of ['StartDate', 'EndDate']) {
        if (config.isDefined(name)) config.setValue(name, null);
      }
    }
    if (takesData) {
      for (const [name, value] of runConfig.overrides) config.setValue(name, value);
    } else if (runConfig.overrides.length > 0) {
      config.addWarningToCurrentStatus(
        `The run's data is ignored in ${runConfig.type} runs: use MANUAL_BACKFILL or CUSTOM`,
      );
    }
    for (const name of config.unknownParameters()) {
      config.addWarningToCurrentStatus(
        `Parameter "${name}" is unknown and ignored: check its name`,
      );
    }
  }

  /**
   * How far the tables are. Hosts take the date of `updateLastRequstedDate` for the state, so what is
   * none, or has no date, is in a sign of life, which they leave alone.
   */
  #printReached(after, { isState }) {
    const reached = after.value;
    if (reached === null) return;
    const { date, tables } = reached;
    if (isState && date !== undefined) {
      this.config.updateLastRequstedDate(new Date(date), { tables });
    } else {
      this.config.isInProgress(true, { reached });
    }
  }
}

/** A row from the future must not keep the next run from loading what comes before it. */
function latest(from, loaded) {
  const capped = loaded !== null && loaded > today() ? today() : loaded;
  if (from === null || capped === null) return from ?? capped;
  return from > capped ? from : capped;
}

function announcementOf(config, runConfig, { start, end }) {
  let days = 'all dates';
  if (start !== null && end !== null) days = `${start} to ${end}`;
  else if (start !== null) days = `${start} and later`;
  else if (end !== null) days = `up to ${end}`;
  return `${runConfig.type} import from ${config.getSourceName()}, ${days}`;
}

function sentenceOf({ rows, total, table, location, firstDate, lastDate: last }) {
  const dates = firstDate === null ? '' : ` (${firstDate} to ${last})`;
  const inTable = rows === total ? '' : `; it has ${count(total)} rows now`;
  return `Loaded ${count(rows)} rows into table "${table}" of ${location}${dates}${inTable}`;
}

function count(number) {
  return number.toLocaleString('en-US');
}

module.exports = { AbstractConnector };
