'use strict';

const { randomUUID } = require('node:crypto');
const { dayOf, insertOf, namesOf, noKeyValue, planColumns, settleSpellings } = require('../common');
const { dropTable } = require('./Staging');
const { castTo, plainName, quote, quoteDdl, text, typeFor, typeOf } = require('./sql');

/** Athena writes to at most 100 partitions in one query. */
const MOST_MONTHS = 90;
const DIALECT = { title: 'Athena', columnName: plainName, typeFor };

/** Brings staged rows into their table by one statement, which Iceberg commits as a whole. */
class Publication {
  #athena;
  #bucket;
  #database;
  #folder;
  #plan;
  #staging;
  #name;

  /**
   * @param {import('./Athena').Athena} athena
   * @param {import('./Bucket').Bucket} bucket
   * @param {{ database: string, folder: string }} place
   * @param {import('../../Core/AbstractStorage').Plan} plan
   * @param {import('./Staging').Staging} staging
   */
  constructor(athena, bucket, { database, folder }, plan, staging) {
    this.#athena = athena;
    this.#bucket = bucket;
    this.#database = database;
    this.#folder = folder;
    this.#plan = plan;
    this.#staging = staging;
    this.#name = plainName(plan.name);
  }

  /** @returns {Promise<{ rows: number, duplicates: number, total: number }>} */
  async run(types) {
    const { replace, uniqueKeys } = this.#plan;
    let existing = await this.#describe();
    if (this.#staging.rowCount === 0) {
      if (existing && replace) await this.#athena.run(`DELETE FROM ${this.#table()}`);
      return { rows: 0, duplicates: 0, total: existing ? await this.#count() : 0 };
    }
    await this.#staging.finish();
    await settleSpellings(this.#staging.columns, types, (staged) => this.#areMerged(staged));
    const isAnew = existing !== null && replace && !this.#takes(types, existing);
    if (isAnew) existing = null;
    const columns = this.#columns(types, existing);
    const { distinct, months, undated } = await this.#check(columns);
    if (isAnew) await dropTable(this.#athena, this.#database, this.#name);
    if (existing === null) await this.#create(columns, months);
    else await this.#add(columns.filter(({ isNew }) => isNew));
    await this.#athena.run(this.#statement(columns, existing, undated));
    const rows = uniqueKeys.length > 0 ? distinct : this.#staging.rowCount;
    return { rows, duplicates: this.#staging.rowCount - rows, total: await this.#count() };
  }

  /** @returns {Promise<Map<string, string> | null>} type by name; null if there is no table */
  async #describe() {
    const rows = await this.#athena.rows(
      'SELECT column_name, data_type FROM information_schema.columns ' +
        `WHERE table_schema = ${text(this.#database)} AND table_name = ${text(this.#name)}`,
    );
    if (rows.length === 0) return null;
    return new Map(rows.map(([name, type]) => [name.toLowerCase(), typeOf(type)]));
  }

  /** Whether the table's types can hold the rows. */
  #takes(types, existing) {
    const all = [...this.#staging.columns.keys()].map((source) => ({
      column: types.get(source),
      have: existing.get(plainName(source)),
    }));
    const isKept = all.some(({ have }) => have !== undefined);
    return isKept && all.every(({ column, have }) => typeFor(have, column) !== null);
  }

  #columns(types, existing) {
    const { columns } = this.#staging;
    return planColumns(this.#plan, columns, types, existing, DIALECT).map((column) => ({
      ...column,
      name: quote(column.target),
      value: castTo(column.sqlType, column.staged, column.inferred),
    }));
  }

  /** Whether two staged texts of a column are one number. */
  async #areMerged(staged) {
    const [[merged]] = await this.#athena.rows(
      `SELECT count(*) AS merged FROM (SELECT min(${staged}) AS a, max(${staged}) AS b ` +
        `FROM ${this.#from()} GROUP BY CAST(${staged} AS double)) AS t WHERE a <> b`,
    );
    return Number(merged) > 0;
  }

  async #check(columns) {
    const keys = columns.filter(({ isKey }) => isKey);
    const date = this.#dateOf(columns);
    const parts = keys.map(({ staged }) => `count_if(${staged} IS NULL)`);
    if (date) {
      const day = dayOf(date.value);
      parts.push(`count(DISTINCT date_trunc('month', ${day}))`, `count_if(${day} IS NULL)`);
    }
    let counts = [];
    if (parts.length > 0) {
      const named = parts.map((part, i) => `${part} AS p${i}`);
      [counts] = await this.#athena.rows(`SELECT ${named.join(', ')} FROM ${this.#from()}`);
    }
    keys.forEach(({ source }, i) => {
      if (Number(counts[i]) > 0) throw noKeyValue(source, counts[i]);
    });
    const [months, undated] = date ? counts.slice(-2).map(Number) : [0, 0];
    if (keys.length === 0) return { distinct: 0, months, undated };
    const values = keys.map(({ value }, i) => `${value} AS k${i}`).join(', ');
    const [[distinct]] = await this.#athena.rows(
      `SELECT count(*) AS total FROM (SELECT DISTINCT ${values} FROM ${this.#from()}) AS k`,
    );
    return { distinct: Number(distinct), months, undated };
  }

  /** The date column where days can be told of it. */
  #dateOf(columns) {
    return columns.find(
      ({ source, sqlType }) =>
        source === this.#plan.dateColumn && ['date', 'timestamp'].includes(sqlType),
    );
  }

  async #create(columns, months) {
    const definitions = columns.map(({ target, sqlType }) => `${quoteDdl(target)} ${sqlType}`);
    const date = this.#dateOf(columns);
    const unit = months > MOST_MONTHS ? 'year' : 'month';
    const by = date ? ` PARTITIONED BY (${unit}(${quoteDdl(date.target)}))` : '';
    // A folder of its own, so that it holds nothing of an earlier table.
    const folder = `${this.#folder}${this.#name}-${randomUUID().slice(0, 8)}/`;
    await this.#athena.run(
      `CREATE TABLE ${quoteDdl(this.#database)}.${quoteDdl(this.#name)} (${definitions.join(', ')})` +
        `${by} LOCATION ${text(this.#bucket.locationOf(folder))} ` +
        `TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet')`,
    );
  }

  async #add(columns) {
    if (columns.length === 0) return;
    const parts = columns.map(({ target, sqlType }) => `${quoteDdl(target)} ${sqlType}`);
    await this.#athena.run(
      `ALTER TABLE ${quoteDdl(this.#database)}.${quoteDdl(this.#name)} ADD COLUMNS (${parts.join(', ')})`,
    );
  }

  #statement(columns, existing, undated) {
    const { replace, uniqueKeys } = this.#plan;
    const select = this.#select(columns);
    const insert = `INSERT INTO ${this.#table()} (${namesOf(columns)}) ${select}`;
    if (existing === null) return insert;
    if (replace) return this.#replaceAll(columns, select);
    if (uniqueKeys.length > 0) return this.#merge(columns, select);
    const date = this.#dateOf(columns);
    return date ? this.#replaceDays(columns, select, date, undated) : insert;
  }

  #merge(columns, select) {
    const on = columns.filter(({ isKey }) => isKey).map(({ name }) => `t.${name} = s.${name}`);
    const others = columns.filter(({ isKey }) => !isKey).map(({ name }) => `${name} = s.${name}`);
    const update = others.length > 0 ? ` WHEN MATCHED THEN UPDATE SET ${others.join(', ')}` : '';
    return (
      `MERGE INTO ${this.#table()} AS t USING (${select}) AS s ON ${on.join(' AND ')}${update} ` +
      `WHEN NOT MATCHED THEN ${insertOf(columns)}`
    );
  }

  /** Without unique keys, the days that come again are replaced as a whole, "no day" among them. */
  #replaceDays(columns, select, date, undated) {
    // A join finds no value only as a text, by which it cannot leave out partitions.
    const keyOf = (value) =>
      undated > 0 ? `coalesce(CAST(${dayOf(value)} AS varchar), '')` : dayOf(value);
    return this.#exchange(columns, select, {
      days: `SELECT DISTINCT ${keyOf(date.value)} AS gone FROM ${this.#from()}`,
      key: keyOf(`t.${date.name}`),
      type: undated > 0 ? 'varchar' : 'date',
    });
  }

  #replaceAll(columns, select) {
    // The join needs a value of each row to hash; this one is 0 for all.
    const { name } = columns.find(({ isNew }) => !isNew);
    const key = `coalesce(length(CAST(t.${name} AS varchar)), 0) * 0`;
    return this.#exchange(columns, select, { days: 'SELECT 0 AS gone', key, type: 'bigint' });
  }

  /**
   * Deletes and inserts in one commit: rows of the source that name what is gone delete each row
   * of the table that they match, the others match none and are inserted.
   */
  #exchange(columns, select, { days, key, type }) {
    const nothing = columns.map(
      ({ name, sqlType }) => `CAST(NULL AS ${trinoType(sqlType)}) AS ${name}`,
    );
    return (
      `MERGE INTO ${this.#table()} AS t USING (` +
      `SELECT CAST(NULL AS ${type}) AS owox_gone, ${namesOf(columns)} FROM (${select}) AS r UNION ALL ` +
      `SELECT gone AS owox_gone, ${nothing.join(', ')} FROM (${days}) AS g` +
      `) AS s ON ${key} = s.owox_gone WHEN MATCHED THEN DELETE ` +
      `WHEN NOT MATCHED AND s.owox_gone IS NULL THEN ${insertOf(columns)}`
    );
  }

  /** The staged rows, typed; of equal keys the last. */
  #select(columns) {
    const values = columns.map(({ name, value }) => `${value} AS ${name}`).join(', ');
    const keys = columns.filter(({ isKey }) => isKey).map(({ value }) => value);
    if (keys.length === 0) return `SELECT ${values} FROM ${this.#from()}`;
    const rank = `row_number() OVER (PARTITION BY ${keys.join(', ')} ORDER BY n DESC)`;
    return `SELECT ${values} FROM (SELECT *, ${rank} AS owox_rank FROM ${this.#from()}) AS ranked WHERE owox_rank = 1`;
  }

  async #count() {
    const [[total]] = await this.#athena.rows(`SELECT count(*) AS total FROM ${this.#table()}`);
    return Number(total);
  }

  #table() {
    return `${quote(this.#database)}.${quote(this.#name)}`;
  }

  #from() {
    return `${quote(this.#database)}.${quote(this.#staging.name)}`;
  }
}

function trinoType(sqlType) {
  return { string: 'varchar', timestamp: 'timestamp(6)' }[sqlType] ?? sqlType;
}

module.exports = { Publication };
