'use strict';

const { ConnectorError } = require('../../Core/errors');
const common = require('../common');
const { QueryFailed } = require('./Athena');
const { castTo, plainName, quote, typeFor } = require('./sql');
const statements = require('./statements');

/** Athena writes to at most 100 partitions in one query. */
const MOST_PARTITIONS = 90;
const TOO_MANY_PARTITIONS = /TOO_MANY_OPEN_PARTITIONS|open writers/i;
/** Columns that are taken away again, one by one, where what they were added for has failed. */
const MOST_TO_DROP = 50;
const NUMBERS = { tryCast: 'TRY_CAST', double: 'double' };

/**
 * Brings staged rows into their table: by one statement, which Iceberg commits as a whole, where
 * Athena takes one; where it does not, what replaces the table is built beside it.
 */
class Publication {
  #athena;
  #tables;
  #database;
  #plan;
  #staging;
  #names;
  #name;
  #hasWritten = false;

  /**
   * @param {import('./Athena').Athena} athena
   * @param {import('./Tables').Tables} tables
   * @param {string} database
   * @param {object} run
   * @param {import('../../Core/AbstractStorage').Plan} run.plan
   * @param {import('./Staging').Staging} run.staging
   * @param {import('../ColumnNames').ColumnNames} run.names of the staged columns
   */
  constructor(athena, tables, database, { plan, staging, names }) {
    this.#athena = athena;
    this.#tables = tables;
    this.#database = database;
    this.#plan = plan;
    this.#staging = staging;
    this.#names = names;
    this.#name = plainName(plan.name);
  }

  /** @returns {Promise<{ rows: number, duplicates: number, total: number }>} */
  async run(types) {
    const { replace, uniqueKeys } = this.#plan;
    let existing = await this.#tables.describe(this.#name);
    if (this.#staging.rowCount === 0) {
      if (existing && replace) await this.#athena.run(`DELETE FROM ${this.#table()}`);
      return { rows: 0, duplicates: 0, total: existing ? await this.#count() : 0 };
    }
    await this.#staging.finish();
    await common.settleSpellings(this.#staging.columns, types, (staged) => this.#areMerged(staged));
    const isAnew = existing !== null && replace && !this.#takes(types, existing);
    if (isAnew) existing = null;
    const columns = this.#columns(types, existing);
    const facts = await this.#check(columns);
    await this.#publish(columns, existing, { ...facts, isAnew });
    const rows = uniqueKeys.length > 0 ? facts.distinct : this.#staging.rowCount;
    return { rows, duplicates: this.#staging.rowCount - rows, total: await this.#count() };
  }

  async #publish(columns, existing, facts) {
    if (existing === null) {
      await this.#createFrom(columns, columns, facts);
      return;
    }
    await this.#checkIntegers(
      columns.filter(({ isWidened, sqlType }) => isWidened && sqlType === 'double'),
    );
    const { replace, uniqueKeys } = this.#plan;
    const layout = layoutOf(columns, existing);
    const isWide = layout.length > statements.MOST_MERGED;
    const isWidened = columns.some((column) => column.isWidened);
    const date = this.#dateOf(columns);
    const replacesDays = !replace && uniqueKeys.length === 0 && date !== undefined;
    if (replace && !isWidened && !isWide) {
      await this.#replaceAll(columns, layout, facts);
    } else if (replace) {
      await this.#createFrom(columns, layout, { ...facts, isAnew: true });
    } else if (isWidened || (isWide && replacesDays)) {
      const condition = replacesDays ? this.#daysKept(date, facts) : null;
      await this.#createFrom(columns, layout, { ...facts, isAnew: true }, (...into) =>
        this.#copy(layout, condition, ...into),
      );
    } else {
      await this.#change(columns, layout, facts);
    }
  }

  /** All rows of the table, in one commit; where Athena does not take that, by another table. */
  async #replaceAll(columns, layout, facts) {
    const statement = statements.replaceAllStatement(this.#table(), this.#from(), columns);
    try {
      await this.#withAdded(columns, () => this.#write([statement]));
    } catch (cause) {
      if (!isTooMuch(cause)) throw cause;
      await this.#createFrom(columns, layout, { ...facts, isAnew: true });
    }
  }

  async #change(columns, layout, facts) {
    const { uniqueKeys } = this.#plan;
    const date = this.#dateOf(columns);
    const [table, from] = [this.#table(), this.#from()];
    const order = layout.map(({ target }) => target);
    const replaceDays = (condition, isUndated) => [
      statements.replaceDaysStatement(table, from, columns, date, {
        condition,
        hasUndated: isUndated ?? facts.undated > 0,
      }),
    ];
    const insert = (condition) => [
      statements.insertStatement(table, from, columns, order, { condition }),
    ];
    const others = date === undefined ? insert : replaceDays;
    const upsert = (condition) => this.#upsert(table, columns, order, condition);
    const statementsFor = uniqueKeys.length > 0 ? upsert : others;
    await this.#withAdded(columns, () => this.#inParts(from, date?.value, statementsFor));
  }

  #upsert(table, columns, order, condition) {
    const from = this.#from();
    if (order.length <= statements.MOST_MERGED) {
      const merge = statements.mergeStatement(table, from, columns, condition);
      if (this.#athena.takes(merge)) return [merge];
    }
    return statements.upsertStatements(table, from, columns, order, condition);
  }

  /** Adds columns for what is written then; they go again where nothing was written. */
  async #withAdded(columns, write) {
    const added = columns.filter(({ isNew }) => isNew);
    try {
      await this.#tables.add(this.#name, added);
      await write();
    } catch (cause) {
      if (isRefused(cause) && !this.#hasWritten && added.length <= MOST_TO_DROP) {
        // The first cause is the one to tell.
        await this.#tables.dropColumns(this.#name, added).catch(() => {});
      }
      throw cause;
    }
  }

  /**
   * Makes the table, or one that takes its place when it is whole. Nothing is left of it on failure.
   *
   * @param {object[]} columns of the staged rows
   * @param {object[]} layout columns of the table
   * @param {{ months: number, isAnew: boolean }} facts
   * @param {(draft: string, order: string[]) => Promise<void>} [copy] brings rows that stay
   */
  async #createFrom(columns, layout, { months, isAnew }, copy) {
    const draft = isAnew ? this.#tables.draftName() : this.#name;
    const date = this.#dateOf(columns);
    const unit = months > MOST_PARTITIONS ? 'year' : 'month';
    const partition = date && { target: date.target, unit };
    const keys = columns.filter(({ isKey }) => isKey);
    const table = this.#table(draft);
    try {
      await this.#tables.create(draft, layout, { partition, title: this.#name });
      const order = [...(await this.#tables.describe(draft)).keys()];
      await copy?.(draft, order);
      await this.#inParts(this.#from(), date?.value, (condition) =>
        copy !== undefined && keys.length > 0
          ? this.#upsert(table, columns, order, condition)
          : [statements.insertStatement(table, this.#from(), columns, order, { condition, keys })],
      );
    } catch (cause) {
      await this.#tables.drop(draft).catch(() => {});
      throw cause;
    }
    if (draft !== this.#name) await this.#tables.replace(this.#name, draft);
  }

  /** Brings the table's rows, or those of a condition, into its draft. */
  async #copy(layout, condition, draft, order) {
    const { dateColumn } = this.#plan;
    const byTarget = new Map(layout.map((column) => [column.target, column]));
    const date = dateColumn === null ? undefined : byTarget.get(this.#names.nameOf(dateColumn));
    const hasDays = ['date', 'timestamp'].includes(date?.have);
    const day = hasDays ? common.dayOf(`o.${date.name}`) : undefined;
    const table = this.#table();
    const columns = order.map((target) => byTarget.get(target));
    await this.#inParts(`${table} AS o`, day, (part) => {
      const conditions = [condition, part].filter((one) => one !== null);
      const where = conditions.length > 0 ? conditions.join(' AND ') : null;
      return [statements.copyStatement(table, this.#table(draft), columns, where)];
    });
  }

  /** Rows of the table whose days do not come again, as a condition. */
  #daysKept({ name, value }, { undated }) {
    const day = common.dayOf(`o.${name}`);
    const come = `SELECT ${common.dayOf(value)} FROM ${this.#from()} WHERE ${common.dayOf(value)} IS NOT NULL`;
    const isKept = `${day} NOT IN (${come})`;
    return undated > 0 ? `(${day} IS NOT NULL AND ${isKept})` : `(${day} IS NULL OR ${isKept})`;
  }

  /**
   * Runs statements for all rows; where these write to more partitions than Athena takes, for the
   * rows of some months at a time, and then of some days.
   *
   * @param {string} from
   * @param {string | undefined} day of a row, as SQL
   * @param {(condition: string | null, isUndated?: boolean) => string[]} statementsFor
   */
  async #inParts(from, day, statementsFor, part = { condition: null }, units = ['month', 'day']) {
    try {
      await this.#write(statementsFor(part.condition, part.isUndated));
    } catch (cause) {
      if (!TOO_MANY_PARTITIONS.test(cause.message) || day === undefined || units.length === 0) {
        throw cause;
      }
      const [unit, ...finer] = units;
      for (const next of await this.#partsOf(from, day, unit, part.condition)) {
        await this.#inParts(from, day, statementsFor, next, finer);
      }
    }
  }

  async #partsOf(from, day, unit, condition) {
    const start = `date_trunc('${unit}', ${day})`;
    const where = condition === null ? '' : ` WHERE ${condition}`;
    const rows = await this.#athena.rows(
      `SELECT DISTINCT CAST(CAST(${start} AS date) AS varchar) AS start FROM ${from}${where} ORDER BY 1`,
    );
    const starts = rows.flat().filter((value) => value !== null);
    const parts = [];
    for (let at = 0; at < starts.length; at += MOST_PARTITIONS) {
      const [first, last] = [starts[at], starts[Math.min(at + MOST_PARTITIONS, starts.length) - 1]];
      const range = `CAST(${start} AS date) BETWEEN DATE '${first}' AND DATE '${last}'`;
      parts.push({
        condition: condition === null ? range : `${condition} AND ${range}`,
        isUndated: false,
      });
    }
    if (starts.length < rows.length) {
      const none = `${day} IS NULL`;
      parts.push({
        condition: condition === null ? none : `${condition} AND ${none}`,
        isUndated: true,
      });
    }
    return parts;
  }

  /** All are measured before the first one runs. */
  async #write(all) {
    for (const statement of all) this.#athena.refuseLong(statement);
    for (const statement of all) {
      await this.#athena.run(statement);
      this.#hasWritten = true;
    }
  }

  /** Whether the table's types can hold the rows. */
  #takes(types, existing) {
    const all = [...this.#staging.columns.keys()].map((source) => ({
      column: types.get(source),
      have: existing.get(this.#names.nameOf(source)),
    }));
    const isKept = all.some(({ have }) => have !== undefined);
    return isKept && all.every(({ column, have }) => typeFor(have, column) !== null);
  }

  #columns(types, existing) {
    const { columns } = this.#staging;
    const dialect = { columnName: (source) => this.#names.nameOf(source), typeFor };
    return common.planColumns(this.#plan, columns, types, existing, dialect).map((column) => ({
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
    const decimals = columns.filter(({ sqlType }) => common.isDecimal(sqlType));
    const parts = keys.map(({ staged }) => `count_if(${staged} IS NULL)`);
    for (const { sqlType, staged } of decimals) {
      parts.push(`count_if(${common.isRounded(sqlType, staged, NUMBERS)})`);
    }
    if (date) {
      const day = common.dayOf(date.value);
      parts.push(`count(DISTINCT date_trunc('month', ${day}))`, `count_if(${day} IS NULL)`);
    }
    let counts = [];
    if (parts.length > 0) {
      const named = parts.map((part, i) => `${part} AS p${i}`);
      [counts] = await this.#athena.rows(`SELECT ${named.join(', ')} FROM ${this.#from()}`);
    }
    keys.forEach(({ source }, i) => {
      if (Number(counts[i]) > 0) throw common.noKeyValue(source, counts[i]);
    });
    decimals.forEach((column, i) => {
      const rows = Number(counts[keys.length + i]);
      if (rows > 0) throw common.tooExact(this.#plan.name, column, rows);
    });
    const [months, undated] = date ? counts.slice(-2).map(Number) : [0, 0];
    if (keys.length === 0) return { distinct: 0, months, undated };
    const values = keys.map(({ value }, i) => `${value} AS k${i}`).join(', ');
    const [[distinct]] = await this.#athena.rows(
      `SELECT count(*) AS total FROM (SELECT DISTINCT ${values} FROM ${this.#from()}) AS k`,
    );
    return { distinct: Number(distinct), months, undated };
  }

  /** Refuses integers of the table that a double does not hold. */
  async #checkIntegers(columns) {
    if (columns.length === 0) return;
    const { EXACT_AS_DOUBLE: most } = common;
    const counts = columns.map(
      ({ name }, i) => `count_if(${name} > ${most} OR ${name} < -${most}) AS i${i}`,
    );
    const [row] = await this.#athena.rows(`SELECT ${counts.join(', ')} FROM ${this.#table()}`);
    columns.forEach(({ source }, i) => {
      if (Number(row[i]) > 0) throw common.tooLongForDoubles(this.#plan.name, source);
    });
  }

  /** The date column where days can be told of it. */
  #dateOf(columns) {
    return columns.find(
      ({ source, sqlType }) =>
        source === this.#plan.dateColumn && ['date', 'timestamp'].includes(sqlType),
    );
  }

  async #count() {
    const [[total]] = await this.#athena.rows(`SELECT count(*) AS total FROM ${this.#table()}`);
    return Number(total);
  }

  #table(name = this.#name) {
    return `${quote(this.#database)}.${quote(name)}`;
  }

  #from() {
    return `${quote(this.#database)}.${quote(this.#staging.name)}`;
  }
}

/** The columns of the table as it will be: its own in their order, then the new ones. */
function layoutOf(columns, existing) {
  const byTarget = new Map(columns.map((column) => [column.target, column]));
  const own = [...existing].map(([target, have]) => ({
    target,
    name: quote(target),
    have,
    sqlType: byTarget.get(target)?.sqlType ?? have,
  }));
  const added = columns.filter(({ isNew }) => isNew);
  return [...own, ...added.map(({ target, name, sqlType }) => ({ target, name, sqlType }))];
}

/** Whether nothing runs any more; where an answer is lost, nobody knows. */
function isRefused(cause) {
  if (cause instanceof QueryFailed || cause instanceof ConnectorError) return true;
  return cause.$metadata?.httpStatusCode >= 400 && cause.$metadata.httpStatusCode < 500;
}

/** Whether Athena refused a statement for what it would have been, and not for its rows. */
function isTooMuch(cause) {
  return TOO_MANY_PARTITIONS.test(cause.message) || cause.code === 'QUERY_TOO_LONG';
}

module.exports = { Publication };
