'use strict';

const { ConnectorError } = require('../../Core/errors');
const common = require('../common');
const { Indexes } = require('./Indexes');
const { SQL_TYPES, castTo, reconcile } = require('./columnTypes');
const {
  insertFrom,
  isLastOf,
  keysOf,
  partitions,
  partitionsBy,
  quote,
  selectStaged,
  upsertFrom,
  upsertWideFrom,
} = require('./sql');

const NUMBERS = { tryCast: 'TRY_CAST', double: 'DOUBLE' };
/** Hashes that fit into the memory of a key, whose length nobody knows. */
const HASHES_PER_KEY = 8;
/** Files of staged rows that are inserted at once: DuckDB writes small groups of rows twice. */
const FILES_PER_INSERT = 8;

/** Files that are inserted while others are still to come; fewer would make small groups of rows. */
const FILES_AHEAD = 4;

/**
 * What is inserted already, in a transaction that is open: so many files, as these columns say.
 *
 * @typedef {{ files: number, columns: string }} Ahead
 */

/** Brings staged rows into their table, in one transaction: all of them or, on failure, nothing. */
class Publication {
  #connection;
  #plan;
  #staging;
  #maxKeys;
  #makeRoom;
  #shrink;
  #table;
  /** @type {Ahead | null | undefined} `undefined` before the first part, `null` where it is given up */
  #ahead;
  #running = Promise.resolve();
  #isRunning = false;
  #indexes;
  #isWide = false;

  /**
   * @param {import('@duckdb/node-api').DuckDBConnection} connection
   * @param {import('../../Core/AbstractStorage').Plan} plan
   * @param {import('./Staging').Staging} staging
   * @param {object} options
   * @param {number} options.maxKeys to count at a time, which bounds the memory
   * @param {(columns: number) => Promise<boolean>} options.makeRoom for a table of so many columns;
   *   tells whether these are many
   * @param {() => Promise<void>} options.shrink gives back memory that is kept for later
   */
  constructor(connection, plan, staging, { maxKeys, makeRoom, shrink }) {
    this.#connection = connection;
    this.#plan = plan;
    this.#staging = staging;
    this.#maxKeys = maxKeys;
    this.#makeRoom = makeRoom;
    this.#shrink = shrink;
    const rows = (sql, values) => this.#rows(sql, values);
    this.#indexes = new Indexes(connection, rows, plan.name);
  }

  /**
   * @param {Map<string, import('../../Core/TypeInference').Column>} types of the staged columns
   * @returns {Promise<{ rows: number, duplicates: number, total: number }>}
   */
  async run(types) {
    const finished = await this.#finish(types);
    if (finished !== null) return finished;
    await this.#connection.run('BEGIN TRANSACTION');
    try {
      const result = await this.#publish(types);
      await this.#connection.run('COMMIT');
      return result;
    } catch (cause) {
      // Where DuckDB has ended the transaction itself, there is nothing to roll back.
      await this.#connection.run('ROLLBACK').catch(() => {});
      if (cause instanceof ConnectorError) throw cause;
      const isMemory = cause.message.startsWith('Out of Memory Error');
      const reason = isMemory ? 'out of memory: raise MemoryLimitMb' : cause.message;
      const message = `Cannot save table "${this.#plan.name}", which is as it was: ${reason}`;
      throw new ConnectorError(message, { cause });
    }
  }

  /**
   * Inserts into a new table what is staged, while more rows come. Their types may turn out to be
   * others: then, and on any failure, nothing of it stays, and `run` begins from the beginning.
   *
   * @param {Map<string, import('../../Core/TypeInference').Column>} types as far as they are known
   */
  goAhead(types) {
    if (this.#ahead === null || this.#isRunning) return;
    if (this.#staging.fullFiles - (this.#ahead?.files ?? 0) < FILES_AHEAD) return;
    this.#isRunning = true;
    this.#running = this.#insertAhead(types)
      .catch(() => this.#giveUp())
      .finally(() => (this.#isRunning = false));
  }

  /** Lets what runs come to its end, and takes it back. */
  async abandon() {
    await this.#running;
    await this.#giveUp();
  }

  async #giveUp() {
    if (this.#ahead) await this.#connection.run('ROLLBACK').catch(() => {});
    this.#ahead = null;
  }

  async #insertAhead(types) {
    const files = this.#staging.fullFiles;
    if (this.#ahead === undefined) {
      this.#ahead = { files: 0, columns: '' };
      await this.#connection.run('BEGIN TRANSACTION');
      const existing = await this.#locate();
      if (existing.size > 0 && !this.#plan.replace) return await this.#giveUp();
      await this.#makeRoom(this.#staging.columns.size);
      const columns = await this.#columns(types, existing);
      await this.#create(columns);
      this.#ahead.columns = JSON.stringify(columns);
    }
    const columns = await this.#columns(types, new Map());
    if (this.#ahead.columns !== JSON.stringify(columns)) return await this.#giveUp();
    const part = this.#staging.partBetween(this.#ahead.files, files);
    await this.#connection.run(insertFrom(this.#table, columns, selectStaged(part, columns)));
    await this.#shrink();
    this.#ahead.files = files;
  }

  /** Publishes what went ahead with the rest; gives `null` where it cannot stay. */
  async #finish(types) {
    await this.#running;
    if (!this.#ahead) return null;
    try {
      await common.settleSpellings(this.#staging.columns, types, (staged) =>
        this.#areMerged(staged),
      );
      if (this.#ahead.files < this.#staging.fullFiles) await this.#insertAhead(types);
      if (this.#ahead !== null && (await this.#hasOnlyKeys(types))) {
        const total = await this.#count();
        await this.#connection.run('COMMIT');
        this.#ahead = null;
        return { rows: total, duplicates: 0, total };
      }
    } catch {
      // `run` finds it again, and says what it is
    }
    await this.#giveUp();
    return null;
  }

  /** Tells whether each row of the table has a key of its own. */
  async #hasOnlyKeys(types) {
    const columns = await this.#columns(types, new Map());
    if (this.#ahead.columns !== JSON.stringify(columns)) return false;
    const keys = columns.filter(({ isKey }) => isKey).map((key) => ({ ...key, value: key.name }));
    if (keys.length === 0) return true;
    const missing = keys.map(({ name }) => `${name} IS NULL`).join(' OR ');
    const [[incomplete]] = await this.#rows(`SELECT count(*) FROM ${this.#table} WHERE ${missing}`);
    if (incomplete > 0n) return false;
    const hash = `hash(${keysOf(keys)})`;
    const distinct = await this.#countDistinct(this.#table, hash, HASHES_PER_KEY, keys);
    return distinct === this.#staging.rowCount;
  }

  /** Finds the table; gives its columns. */
  async #locate() {
    const [[catalog]] = await this.#rows('SELECT current_database()');
    this.#table = `${quote(catalog)}.main.${quote(this.#plan.name)}`;
    return await this.#describe();
  }

  async #publish(types) {
    const { uniqueKeys, dateColumn, replace } = this.#plan;
    const existing = await this.#locate();
    const isThere = existing.size > 0;
    if (this.#staging.rowCount === 0) {
      if (isThere && replace) await this.#connection.run(`DELETE FROM ${this.#table}`);
      return { rows: 0, duplicates: 0, total: isThere ? await this.#count() : 0 };
    }

    this.#isWide = await this.#makeRoom(Math.max(existing.size, this.#staging.columns.size));
    await common.settleSpellings(this.#staging.columns, types, (staged) => this.#areMerged(staged));
    const columns = await this.#columns(types, existing);
    await this.#checkKeys(columns);
    await this.#checkDecimals(columns);
    const duplicates = await this.#countDuplicates(columns);
    if (isThere && !replace) {
      await this.#alter(columns);
      if (uniqueKeys.length > 0) {
        const added = columns.filter(({ change }) => change === 'add').length;
        await this.#upsert(columns, duplicates, columns.length === existing.size + added);
      } else {
        if (dateColumn !== null) await this.#deleteDays(columns);
        await this.#insert(columns);
      }
    } else {
      await this.#create(columns);
      if (duplicates > 0) await this.#upsert(columns, duplicates, true);
      else await this.#insert(columns);
    }
    return { rows: this.#staging.rowCount - duplicates, duplicates, total: await this.#count() };
  }

  async #create(columns) {
    const definitions = columns.map(({ name, sqlType }) => `${name} ${sqlType}`);
    await this.#connection.run(`DROP TABLE IF EXISTS ${this.#table}`);
    await this.#connection.run(`CREATE TABLE ${this.#table} (${definitions.join(', ')})`);
  }

  async #alter(columns) {
    for (const { name, sqlType, change } of columns) {
      if (change === 'add')
        await this.#connection.run(`ALTER TABLE ${this.#table} ADD COLUMN ${name} ${sqlType}`);
    }
    const retyped = columns.filter(({ change }) => change === 'retype');
    if (retyped.length > 0) await this.#indexes.retype(this.#table, retyped);
  }

  async #insert(columns) {
    await this.#partByPart(this.#staging.partsOf(FILES_PER_INSERT), (part) => [
      insertFrom(this.#table, columns, selectStaged(part, columns)),
    ]);
  }

  /** Of rows with equal keys, the last stays. */
  async #upsert(columns, duplicates, isWhole) {
    // A row that is deleted and inserted again is there twice for an index.
    const isExchanged = isWhole && !(await this.#indexes.isUnique());
    const upsert = this.#isWide ? upsertWideFrom : upsertFrom;
    await this.#partByPart(this.#staging.parts, (part) => {
      const select = (some) =>
        selectStaged(part, some, duplicates > 0 ? [isLastOf(part, columns)] : []);
      return upsert(this.#table, columns, select, isExchanged);
    });
  }

  /** In the order of the rows; the parts bound the memory. */
  async #partByPart(parts, statementsFor) {
    for (const part of parts) {
      for (const statement of statementsFor(part)) await this.#connection.run(statement);
      await this.#shrink();
    }
  }

  /** Without unique keys, the days that come again are replaced as a whole, "no day" among them. */
  async #deleteDays(columns) {
    const { name, value } = columns.find(({ source }) => source === this.#plan.dateColumn);
    const { relation } = this.#staging;
    await this.#connection.run(
      `DELETE FROM ${this.#table} WHERE CAST(${name} AS DATE) IN ` +
        `(SELECT DISTINCT CAST(${value} AS DATE) FROM ${relation}) ` +
        `OR (${name} IS NULL AND EXISTS (FROM ${relation} WHERE ${value} IS NULL))`,
    );
  }

  /** The staged columns with the types that they have, or get, in the table. */
  async #columns(types, existing) {
    const { uniqueKeys, dateColumn, replace } = this.#plan;
    const columns = [];
    const misfits = [];
    for (const [source, staged] of this.#staging.columns) {
      const name = quote(source);
      const have = existing.get(source.toLowerCase());
      const column = types.get(source);
      const isKey = uniqueKeys.includes(source);
      if (isKey && have === undefined && existing.size > 0 && !replace) {
        throw common.noKeyColumn(this.#plan.name, source);
      }
      const isFree = replace && column.type !== null;
      const differs = column.type !== null && have !== SQL_TYPES[column.type];
      const isEmpty = have !== undefined && !isFree && differs && (await this.#isEmpty(name));
      const plan = reconcile(isFree ? undefined : have, column, isEmpty);
      if (plan === null) {
        misfits.push({ source, have, column });
        continue;
      }
      if (plan.needsExactDoubles) await this.#checkExactDoubles(source, name);
      columns.push({
        ...plan,
        name,
        source,
        staged,
        value: castTo(plan.sqlType, staged, column),
        isKey,
      });
    }
    if (misfits.length > 0) throw common.misfit(this.#plan.name, misfits);
    for (const needed of [...uniqueKeys, ...(dateColumn === null ? [] : [dateColumn])]) {
      if (!this.#staging.columns.has(needed)) {
        throw new ConnectorError(
          `The rows for table "${this.#plan.name}" have no column "${needed}": ` +
            'correct the unique keys and the date column',
        );
      }
    }
    return columns;
  }

  async #checkKeys(columns) {
    const keys = columns.filter(({ isKey }) => isKey);
    if (keys.length === 0) return;
    const missing = keys.map(({ staged }) => `count(*) FILTER (${staged} IS NULL)`);
    const sql = `SELECT ${missing.join(', ')} FROM ${this.#staging.relation}`;
    const [counts] = await this.#rows(sql);
    keys.forEach(({ source }, at) => {
      if (counts[at] === 0n) return;
      throw new ConnectorError(
        `The unique key "${source}" has no value in ${counts[at]} rows: choose other unique keys`,
      );
    });
  }

  async #checkDecimals(columns) {
    for (const column of columns.filter(({ sqlType }) => common.isDecimal(sqlType))) {
      const rounded = common.isRounded(column.sqlType, column.staged, NUMBERS);
      const sql = `SELECT count(*) FROM ${this.#staging.relation} WHERE ${rounded}`;
      const [[rows]] = await this.#rows(sql);
      if (rows > 0n) throw common.tooExact(this.#plan.name, column, rows);
    }
  }

  /** Different hashes have different keys, so most runs need no more than those of the hashes. */
  async #countDuplicates(columns) {
    if (this.#plan.uniqueKeys.length === 0) return 0;
    const { relation, rowCount } = this.#staging;
    const hash = `hash(${keysOf(columns)})`;
    const hashes = await this.#countDistinct(relation, hash, HASHES_PER_KEY, columns);
    if (hashes === rowCount) return 0;
    return rowCount - (await this.#countDistinct(relation, keysOf(columns), 1, columns));
  }

  /** How many different values an expression has in all rows, so many at a time. */
  async #countDistinct(relation, expression, perKey, columns) {
    const { rowCount } = this.#staging;
    const passes = Math.ceil(rowCount / (this.#maxKeys * perKey));
    let distinct = 0;
    for (const part of partitions(columns, passes)) {
      const groups = `SELECT 1 FROM ${relation} WHERE ${part} GROUP BY ${expression}`;
      const [[count]] = await this.#rows(`SELECT count(*) FROM (${groups})`);
      distinct += Number(count);
      await this.#shrink();
    }
    return distinct;
  }

  /** Whether two staged texts of a column are one number. */
  async #areMerged(staged) {
    const number = `CAST(${staged} AS DOUBLE)`;
    const { relation, rowCount } = this.#staging;
    for (const part of partitionsBy(number, Math.ceil(rowCount / this.#maxKeys))) {
      const merged =
        `SELECT 1 FROM ${relation} WHERE ${part} ` +
        `GROUP BY ${number} HAVING min(${staged}) <> max(${staged}) LIMIT 1`;
      if ((await this.#rows(merged)).length > 0) return true;
    }
    return false;
  }

  async #checkExactDoubles(source, name) {
    const most = common.EXACT_AS_DOUBLE;
    const isInexact = `${name} > ${most} OR ${name} < -${most}`;
    const [[inexact]] = await this.#rows(`SELECT count(*) FROM ${this.#table} WHERE ${isInexact}`);
    if (inexact > 0n) throw common.tooLongForDoubles(this.#plan.name, source);
  }

  /** @returns {Promise<Map<string, string>>} SQL type by name in lower case; empty if no table */
  async #describe() {
    const where =
      "WHERE table_catalog = current_database() AND table_schema = 'main' " +
      'AND lower(table_name) = lower($1)';
    const { name } = this.#plan;
    const tables = await this.#rows(`SELECT table_type FROM information_schema.tables ${where}`, [
      name,
    ]);
    if (tables.length > 0 && tables[0][0] !== 'BASE TABLE') {
      throw new ConnectorError(`"${name}" is a view: choose another DestinationTableName`);
    }
    const sql = `SELECT lower(column_name), data_type FROM information_schema.columns ${where}`;
    return new Map(await this.#rows(sql, [name]));
  }

  async #isEmpty(name) {
    const [[values]] = await this.#rows(`SELECT count(${name}) FROM ${this.#table}`);
    return values === 0n;
  }

  async #count() {
    const [[rows]] = await this.#rows(`SELECT count(*) FROM ${this.#table}`);
    return Number(rows);
  }

  async #rows(sql, values) {
    return (await this.#connection.runAndReadAll(sql, values)).getRows();
  }
}

module.exports = { Publication };
