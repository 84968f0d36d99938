'use strict';
// The world of a sequence, the command in it, and the model: which rows have been promised.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const { query } = require('../duckdb');
const { until } = require('../processes');
const { writeFiles } = require('../temp');
const { here, killed } = require('./command');
const { TABLES, read, write } = require('./connectors');
const { REGIONS } = require('./steps');

const DAY_MS = 24 * 60 * 60 * 1000;
const LOOKBACK = 2;
const MOVES_STATE = ['INCREMENTAL', 'FULL_REFRESH'];

class World {
  /** Rows that each table of the destination must have. */
  #promised = new Map();
  #region = 0;
  #isHostKilled = false;
  #first = Date.now() - 60 * DAY_MS;

  /** @param {string} folder that is the world's own */
  constructor(folder, shape) {
    this.folder = folder;
    this.shape = shape;
    this.config = path.join(folder, 'config.json');
    for (const region of REGIONS) this.#writeSource(region, { fast: [], slow: [] });
    this.#configure();
  }

  #day(index) {
    return new Date(this.#first + index * DAY_MS).toISOString().slice(0, 10);
  }

  #file(name) {
    return path.join(this.folder, name);
  }

  #source(region) {
    return read(this.#file(`${region}.json`));
  }

  #writeSource(region, tables) {
    write(this.#file(`${region}.json`), tables);
  }

  get #regionNow() {
    return REGIONS[this.#region];
  }

  #tableOf(name) {
    return `${this.shape.isShared ? 'all' : this.#regionNow}_${name}`;
  }

  #configure() {
    const { daysPerStep, hasStart, storage } = this.shape;
    const place =
      storage === 'DuckDb'
        ? { DatabasePath: this.#file('db.duckdb') }
        : { Folder: this.#file('.') };
    const config = {
      name: 'model',
      source: {
        name: 'Model',
        config: {
          World: this.folder,
          Region: this.#regionNow,
          ReimportLookbackWindow: LOOKBACK,
          ...(daysPerStep && { DaysPerStep: daysPerStep }),
          ...(hasStart && { StartDate: this.#day(0) }),
        },
      },
      storage: { name: storage, config: { ...place, DestinationTableName: this.#tableOf('') } },
    };
    writeFiles(this.folder, { 'config.json': config });
  }

  async content(table) {
    if (this.shape.storage === 'Files') {
      return new Set(Object.keys(read(this.#file(`${table}.json`), {})));
    }
    if (!fs.existsSync(this.#file('db.duckdb'))) return new Set();
    // The tree of a host that was killed still has the database for a moment.
    const found = await until(
      () => this.#query('SELECT table_name FROM duckdb_tables()'),
      'a look',
    );
    if (!found.flat().includes(table)) return new Set();
    return new Set((await this.#query(`SELECT id FROM "${table}"`)).flat());
  }

  async #query(sql) {
    try {
      return await query(this.#file('db.duckdb'), sql);
    } catch (error) {
      if (/Could not set lock/.test(error.message)) return null;
      throw error;
    }
  }

  /** What is promised is there; what the run has promised, of all of its tables. */
  async check() {
    for (const [table, promised] of this.#promised) {
      const rows = await this.content(table);
      const missing = [...promised].filter((id) => !rows.has(id));
      assert.deepEqual(missing, [], `rows are missing in ${table}`);
    }
  }

  #promise(table, ids, isAll = false) {
    const before = isAll ? [] : (this.#promised.get(table) ?? []);
    this.#promised.set(table, new Set([...before, ...ids]));
  }

  async step(step) {
    await this[step.do](step);
    await this.check();
  }

  async rows({ region, tables: names, days, isLate }) {
    const tables = this.#source(region);
    for (const name of names) {
      const rows = tables[name];
      const last = rows.reduce((most, { index }) => Math.max(most, index), -1);
      const indexes = isLate
        ? [Math.max(0, last - (days % (LOOKBACK + 1)))]
        : Array.from({ length: days }, (_, at) => last + 1 + at);
      for (const index of indexes) {
        const id = `${region}/${name}/${index}/${rows.length}`;
        rows.push({ id, day: this.#day(index), index });
      }
    }
    this.#writeSource(region, tables);
  }

  async edit() {
    this.#region = 1 - this.#region;
    this.#configure();
  }

  async delete({ tables: names }) {
    if (this.shape.storage === 'DuckDb') {
      fs.rmSync(this.#file('db.duckdb'), { force: true });
      this.#promised.clear();
      return;
    }
    for (const table of names.map((name) => this.#tableOf(name))) {
      fs.rmSync(this.#file(`${table}.json`), { force: true });
      this.#promised.delete(table);
    }
  }

  async clear() {
    const { code, stderr } = await here(['state', 'clear', this.config]);
    assert.equal(code, 0, stderr);
  }

  async state() {
    const { code, stdout, stderr } = await here(['state', 'get', this.config]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  #args({ type = 'INCREMENTAL', range = [0, 0], resumes = false }, more = []) {
    const [from, to] = range;
    const dates = [`StartDate=${this.#day(from)}`, `EndDate=${this.#day(from + to)}`];
    const data = type === 'MANUAL_BACKFILL' ? dates.flatMap((date) => ['--data', date]) : [];
    const shared = ['run', this.config, '--json', '--isolation', 'none', '--run-type', type];
    return [...shared, ...data, ...(resumes ? ['--resume'] : []), ...more];
  }

  #prepare(end) {
    for (const name of ['ended', 'commits']) fs.rmSync(this.#file(name), { force: true });
    write(this.#file('end.json'), end ?? null);
  }

  async run(step) {
    const { type, end } = step;
    this.#prepare(end);
    const before = await this.state();
    const { code, event, stderr } = await here(this.#args(step, ['--wait']));
    this.#isHostKilled &&= step.type === 'MANUAL_BACKFILL'; // which takes no lock
    const isOver = end?.at === 'end' && end.how === 'exit';
    const hasFailed = fs.existsSync(this.#file('ended')) && !isOver;
    const said = `${JSON.stringify(event)} ${stderr}`;
    assert.deepEqual([code === 0, event.status === 'success'], [!hasFailed, !hasFailed], said);
    if (hasFailed) this.#failed(step, event);
    else this.#succeeded(step);
    if (hasFailed || !MOVES_STATE.includes(type)) {
      assert.notEqual(event.state?.moved, true, said);
      this.#assertNotAhead(before, await this.state());
    }
  }

  /** A state that has not moved may have lost tables that are gone, and no more. */
  #assertNotAhead(before, after) {
    if (after.date !== undefined) assert.equal(after.date, before.date);
    for (const [name, { date }] of Object.entries(after.tables ?? {})) {
      assert.equal(date, before.tables?.[name]?.date, `state of ${name}`);
    }
  }

  #failed({ type }, event) {
    if (type === 'FULL_REFRESH') this.#onlyOwn();
    const file = this.#file('commits');
    const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n') : [];
    const saved = new Map(TABLES.map((name) => [this.#tableOf(name), 0]));
    for (const line of lines) {
      const [table, rows] = line.split(' ');
      saved.set(table, saved.get(table) + Number(rows));
    }
    for (const { table, committed, rows } of event.run?.tables ?? event.tables ?? []) {
      if (committed === false) assert.equal(saved.get(table), 0, `${table} is said to be empty`);
      if (committed === true) assert.ok(saved.get(table) >= rows, `${rows} rows in ${table}`);
    }
  }

  /** Of a refresh that has begun nobody knows whether rows of others are still there. */
  #onlyOwn() {
    const source = this.#source(this.#regionNow);
    for (const name of TABLES) {
      const own = new Set(source[name].map(({ id }) => id));
      const before = [...(this.#promised.get(this.#tableOf(name)) ?? [])];
      this.#promise(
        this.#tableOf(name),
        before.filter((id) => own.has(id)),
        true,
      );
    }
  }

  #succeeded({ type, range: [from, to] = [] }) {
    const source = this.#source(this.#regionNow);
    for (const name of TABLES) {
      const rows = source[name].filter(
        ({ index }) => type !== 'MANUAL_BACKFILL' || (index >= from && index <= from + to),
      );
      const ids = rows.map(({ id }) => id);
      this.#promise(this.#tableOf(name), ids, type === 'FULL_REFRESH');
    }
  }

  /** Two at once: one of them at least succeeds, and the other one does, or is refused. */
  async overlap({ waits }) {
    this.#prepare();
    const args = this.#args({}, waits ? ['--wait'] : []);
    const both = await Promise.all([here(args), here(args)]);
    const said = JSON.stringify(both);
    const codes = both.map(({ event }) => (event.status === 'success' ? 'ok' : event.error?.code));
    const allowed = waits ? ['ok'] : ['ok', 'RUN_IN_PROGRESS'];
    assert.ok(
      codes.every((code) => allowed.includes(code)),
      said,
    );
    const hasRun = codes.includes('ok');
    // the tree of a host that was killed has the lock until it has ended
    assert.ok(hasRun || this.#isHostKilled, said);
    if (hasRun) this.#succeeded({ type: 'INCREMENTAL' });
    this.#isHostKilled &&= !hasRun;
  }

  async killHost({ end }) {
    this.#prepare(end);
    const { code } = await killed(this.#args({}, ['--wait']), this.#file('ended'));
    this.#isHostKilled = fs.existsSync(this.#file('ended'));
    if (this.#isHostKilled) assert.equal(code, null);
    else this.#succeeded({ type: 'INCREMENTAL' });
  }
}

module.exports = { World };
