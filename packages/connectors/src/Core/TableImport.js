'use strict';

const { SourceChangedError } = require('./errors');
const { DateSpan } = require('./DateSpan');
const { stepsOf } = require('./importRange');
const { Progress } = require('./Progress');
const { TypeInference } = require('./TypeInference');

/** A source that changes more often while it is loaded is never loaded whole. */
const TIMES_TO_START = 3;

/**
 * One table of a run: fetches its rows and saves them, all at once or in steps of some days.
 *
 * @typedef {object} Job
 * @property {import('./AbstractSource').Table} table
 * @property {import('./AbstractStorage').Plan} plan
 * @property {import('./AbstractSource').DateRange} range
 * @property {boolean} [isWhole] whether it is saved by one commit
 */
class TableImport {
  #config;
  #source;
  #storage;
  #job;
  #progress = null;
  #hasBegun = false;
  #span = new DateSpan();
  /** What the storage said last, and what it said of all steps together. */
  #saved = null;
  #rows = 0;
  #duplicates = 0;

  /**
   * @param {import('./AbstractConfig').AbstractConfig} config
   * @param {import('./AbstractSource').AbstractSource} source
   * @param {import('./AbstractStorage').AbstractStorage} storage
   * @param {Job} job
   */
  constructor(config, source, storage, job) {
    this.#config = config;
    this.#source = source;
    this.#storage = storage;
    this.#job = job;
  }

  /**
   * @param {(lastDay: string | null, isLast: boolean) => void} onStep called when a step is
   *   committed, with the last day among the rows so far
   * @returns {Promise<object>} the summary
   */
  async run(onStep) {
    const { table, plan, range, isWhole = false } = this.#job;
    // A table is replaced as a whole or not at all.
    const isInParts = !plan.replace && !isWhole;
    const isStepped = table.daysPerStep && plan.dateColumn !== null && isInParts;
    const steps = stepsOf(range, isStepped ? table.daysPerStep : null);
    this.#progress = new Progress(this.#config, plan.name);
    try {
      for (const [index, step] of steps.entries()) {
        const isLast = index === steps.length - 1;
        if (await this.#step(step, isLast)) onStep(this.#span.last, isLast);
      }
      // Nothing was left to load: the storage still says how many rows there are.
      if (steps.length === 0) await this.#save(this.#inference());
    } finally {
      this.#progress.stop();
    }
    this.#warnOfDuplicates();
    return this.#summary();
  }

  /**
   * What changes while it is loaded is loaded anew, since its rows do not belong together.
   *
   * @returns {Promise<boolean>} whether there was anything to commit
   */
  async #step(range, isLast) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(range, isLast);
      } catch (error) {
        if (!(error instanceof SourceChangedError) || attempt === TIMES_TO_START) throw error;
        if (this.#hasBegun) await this.#storage.discard();
        this.#hasBegun = false;
        const [what] = error.message.split(': run again');
        this.#config.addWarningToCurrentStatus(`${what}, so it is loaded from its beginning again`);
      }
    }
  }

  async #once(range, isLast) {
    const { table, plan } = this.#job;
    const types = this.#inference();
    const span = new DateSpan();
    this.#progress.phase = 'reading';
    // Days without rows cost nothing, as long as the storage is asked once.
    if (isLast && this.#saved === null) await this.#begin();
    for await (const rows of this.#source.fetch(table, range)) {
      await this.#begin();
      types.observe(rows);
      if (plan.dateColumn !== null) span.observe(rows, plan.dateColumn);
      const given = this.#storage.takesTextRows ? rows : Array.from(rows);
      await this.#storage.write(given, types.columns);
      this.#progress.add(rows.length);
    }
    if (!this.#hasBegun) return false;
    await this.#save(types);
    this.#span.include(span);
    return true;
  }

  #inference() {
    const { table, plan } = this.#job;
    const { uniqueKeys } = plan;
    return new TypeInference(table.types, { isText: table.isText, uniqueKeys });
  }

  async #begin() {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    await this.#storage.begin(this.#job.plan);
  }

  async #save(types) {
    await this.#begin();
    this.#progress.phase = 'saving';
    for (const odd of types.oddValues) {
      this.#config.addWarningToCurrentStatus(oddValue(odd, this.#job.table));
    }
    const saved = await this.#storage.commit(types.columns);
    this.#hasBegun = false;
    this.#saved = saved;
    this.#rows += saved.rows;
    this.#duplicates += saved.duplicates;
  }

  #warnOfDuplicates() {
    if (this.#duplicates === 0) return;
    const { name, uniqueKeys } = this.#job.plan;
    this.#config.addWarningToCurrentStatus(
      `${this.#duplicates.toLocaleString('en-US')} rows for table "${name}" were left out, because a ` +
        `later row has the same ${uniqueKeys.join(', ')}`,
    );
  }

  #summary() {
    const { total, location, look } = this.#saved;
    const { first, last } = this.#span;
    const table = this.#job.plan.name;
    return { rows: this.#rows, total, table, location, firstDate: first, lastDate: last, look };
  }
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

module.exports = { TableImport };
