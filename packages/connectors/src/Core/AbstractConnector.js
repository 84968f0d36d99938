'use strict';

const { ConnectorError, SourceChangedError } = require('./errors');
const { DateSpan } = require('./DateSpan');
const { importRange, lastDate } = require('./importRange');
const { RUN_TYPE } = require('./AbstractRunConfig');
const { STATUS } = require('./status');
const { today } = require('./dates');
const { TypeInference } = require('./TypeInference');

/** Between two signs of life, and how many of them also come as a sentence. */
const PROGRESS_EVERY_MS = 1000;
const SENTENCE_EVERY = 10;
/** A source that changes more often while it is loaded is never loaded whole. */
const TIMES_TO_START = 3;

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
    const Storage = typeof storageClass === 'string' ? findStorage(storageClass) : storageClass;
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
    const range = importRange(config, runConfig, source);
    const tables = source.tables();
    const isOnly = tables.length === 1;
    const names = tables.map((table) => storage.tableNameFor(table, { isOnly }));
    config.log(announcementOf(config, runConfig, range), { tables: names });

    const summaries = [];
    try {
      await storage.open();
      for (const table of tables) {
        const summary = await this.#importTable(table, range, isOnly);
        summaries.push(summary);
        // At once: what is committed stays, also where a later table fails.
        await config.log(sentenceOf(summary), { summary });
      }
    } finally {
      await storage.close();
    }
    this.#printState(summaries);
  }

  /** What changes while it is loaded is loaded anew, since its rows do not belong together. */
  async #importTable(table, range, isOnly) {
    const { config, runConfig, storage } = this;
    const { uniqueKeys = [], dateColumn = null } = table;
    const name = storage.tableNameFor(table, { isOnly });
    const replace = runConfig.type === RUN_TYPE.FULL_REFRESH;
    if (uniqueKeys.length === 0 && dateColumn === null && !replace) {
      config.addWarningToCurrentStatus(
        `Rows are added to table "${name}" again with each run, because there are neither unique ` +
          'keys nor a date column: set them, or use FULL_REFRESH',
      );
    }
    const plan = { name, uniqueKeys, dateColumn, replace };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#importOnce(table, range, plan);
      } catch (error) {
        if (!(error instanceof SourceChangedError) || attempt === TIMES_TO_START) throw error;
        await storage.discard();
        const [what] = error.message.split(': run again');
        config.addWarningToCurrentStatus(`${what}, so it is loaded from its beginning again`);
      }
    }
  }

  async #importOnce(table, range, plan) {
    const { config, source, storage } = this;
    const { name, uniqueKeys, dateColumn } = plan;
    const types = new TypeInference(table.types, { isText: table.isText, uniqueKeys });
    const span = new DateSpan();
    const progress = new Progress(config, name);
    try {
      await storage.begin(plan);
      for await (const rows of source.fetch(table, range)) {
        types.observe(rows);
        if (dateColumn !== null) span.observe(rows, dateColumn);
        await storage.write(storage.takesTextRows ? rows : Array.from(rows));
        progress.add(rows.length);
      }
      progress.phase = 'saving';
      for (const odd of types.oddValues) config.addWarningToCurrentStatus(oddValue(odd, table));
      const saved = await storage.commit(types.columns);
      if (saved.duplicates > 0) {
        config.addWarningToCurrentStatus(
          `${count(saved.duplicates)} rows for table "${name}" were left out, because a later row ` +
            `has the same ${uniqueKeys.join(', ')}`,
        );
      }
      const { rows, total, location, look } = saved;
      return {
        rows,
        total,
        table: name,
        location,
        firstDate: span.first,
        lastDate: span.last,
        look,
      };
    } finally {
      progress.stop();
    }
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

  /** Only called when all rows are committed: a state ahead of the data would lose rows. */
  #printState(summaries) {
    const { config, runConfig, source } = this;
    const moves = [RUN_TYPE.INCREMENTAL, RUN_TYPE.FULL_REFRESH].includes(runConfig.type);
    if (!moves || !source.hasDates) return;
    // A row from the future must not keep the next run from loading what comes before it.
    const loaded = summaries.map((summary) => summary.lastDate).filter((day) => day !== null);
    const candidates = loaded.map((last) => (last < today() ? last : today()));
    if (runConfig.type === RUN_TYPE.INCREMENTAL) candidates.push(lastDate(config, runConfig));
    const state = candidates
      .filter((day) => day !== null)
      .sort()
      .at(-1);
    if (state !== undefined) config.updateLastRequstedDate(new Date(`${state}T00:00:00.000Z`));
  }
}

/** Tells a person, and a host that waits for output, that a long run is alive. */
class Progress {
  #phase = 'reading';
  #rows = 0;
  #timer;
  #say;

  constructor(config, table) {
    let signs = 0;
    this.#timer = setInterval(() => {
      this.#say();
      signs += 1;
      if (signs % SENTENCE_EVERY > 0) return;
      const { phase } = this;
      const rows = this.#rows;
      // With its progress, so that it is no more of a sign of life than that.
      config.log(`Table "${table}": ${phase}, ${count(rows)} rows so far`, {
        progress: { table, phase, rows },
      });
    }, PROGRESS_EVERY_MS);
    this.#timer.unref();
    this.#say = () =>
      config.isInProgress(true, { progress: { table, phase: this.#phase, rows: this.#rows } });
  }

  get phase() {
    return this.#phase;
  }

  /** Said at once: whether rows may have been saved depends on it. */
  set phase(phase) {
    this.#phase = phase;
    this.#say();
  }

  add(rows) {
    this.#rows += rows;
  }

  stop() {
    clearInterval(this.#timer);
  }
}

function findStorage(className) {
  // Required here because the package's index needs this module first.
  const { Storages } = require('..');
  for (const members of Object.values(Storages)) {
    if (Object.hasOwn(members, className)) return members[className];
  }
  if (typeof globalThis[className] === 'function') return globalThis[className];
  throw new ConnectorError(
    `There is no storage class ${className}: use one of ${Object.keys(Storages).join(', ')}`,
  );
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

/** A column that becomes text for a few of its values is seldom what was meant. */
function oddValue({ column, type, value, row }, { isText = false }) {
  const shown = value.length > 40 ? `${value.slice(0, 40)}…` : value;
  const remedy = isText
    ? `declare its type in Types, or name the value in NullValues, if that is not meant`
    : 'correct the value at its source, if that is not meant';
  return (
    `Column "${column}" is text, since ${isText ? 'line' : 'record'} ${row} has the value "${shown}" ` +
    `where all before it are of the type ${type}: ${remedy}`
  );
}

function count(number) {
  return number.toLocaleString('en-US');
}

module.exports = { AbstractConnector };
