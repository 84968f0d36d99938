'use strict';
// The statements that publish staged rows. A column is one as planned, with `name` and `value` as SQL.

const { dayOf, insertOf, namesOf } = require('../common');
const { castTo } = require('./sql');

/** Athena takes 262,144 bytes; less, so that what is built around a part fits as well. */
const PART_BYTES = 200_000;
/** Trino makes arrays of at most 254 values. */
const MOST_VALUES = 250;
/** Athena fails at a MERGE with two clauses where the table has more than 321 columns. */
const MOST_MERGED = 320;

/**
 * The staged rows, typed; of equal keys the last.
 *
 * @param {string} from the staging table as SQL
 * @param {object[]} columns
 * @param {object} [options]
 * @param {string | null} [options.condition] on the staged rows
 * @param {object[]} [options.keys] columns of unique keys
 * @param {(string | object)[]} [options.list] what to select without names, SQL or columns; the
 *   columns with their names by default
 * @returns {string} a query
 */
function selectRows(from, columns, { condition = null, keys = [], list } = {}) {
  const conditions = condition === null ? [] : [condition];
  let source = from;
  if (keys.length > 0) {
    const by = keys.map(({ value }) => value).join(', ');
    const rank = `row_number() OVER (PARTITION BY ${by} ORDER BY n DESC)`;
    source = `(SELECT *, ${rank} AS owox_rank FROM ${from}) AS ranked`;
    conditions.unshift('owox_rank = 1');
  }
  const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
  const typed = (valueOf) =>
    list === undefined
      ? columns.map((column) => `${valueOf(column)} AS ${column.name}`)
      : list.map((item) => (typeof item === 'string' ? item : valueOf(item)));
  const plain = `SELECT ${typed(({ value }) => value).join(', ')} FROM ${source}${where}`;
  if (Buffer.byteLength(plain) < PART_BYTES) return plain;
  const { arrays, valueOf } = inArrays(columns);
  const inner = `SELECT *, ${arrays.join(', ')} FROM ${source}${where}`;
  return `SELECT ${typed(valueOf).join(', ')} FROM (${inner}) AS cast_rows`;
}

/** Columns that are cast alike are cast by one expression: it is what makes a query long. */
function inArrays(columns) {
  const groups = new Map();
  for (const { staged, sqlType, inferred } of columns) {
    const cast = castTo(sqlType, 'x', inferred);
    if (cast === 'x') continue;
    if (!groups.has(cast)) groups.set(cast, [[]]);
    const parts = groups.get(cast);
    if (parts.at(-1).length === MOST_VALUES) parts.push([]);
    parts.at(-1).push(staged);
  }
  const arrays = [];
  const places = new Map();
  for (const [cast, parts] of groups) {
    for (const part of parts) {
      const array = `a${arrays.length}`;
      part.forEach((staged, at) => places.set(staged, `${array}[${at + 1}]`));
      arrays.push(`transform(ARRAY[${part.join(', ')}], x -> ${cast}) AS ${array}`);
    }
  }
  return { arrays, valueOf: ({ staged }) => places.get(staged) ?? staged };
}

/** Inserts all staged rows, or those of a condition, by the order of the table's columns. */
function insertStatement(table, from, columns, order, options = {}) {
  const byTarget = new Map(columns.map((column) => [column.target, column]));
  const list = order.map((target) => byTarget.get(target) ?? 'NULL');
  return `INSERT INTO ${table} ${selectRows(from, columns, { ...options, list })}`;
}

function mergeStatement(table, from, columns, condition) {
  const keys = columns.filter(({ isKey }) => isKey);
  const others = columns.filter(({ isKey }) => !isKey).map(({ name }) => `${name} = s.${name}`);
  const update = others.length > 0 ? ` WHEN MATCHED THEN UPDATE SET ${others.join(', ')}` : '';
  return (
    `MERGE INTO ${table} AS t USING (${selectRows(from, columns, { condition, keys })}) AS s ` +
    `ON ${onKeys(keys)}${update} WHEN NOT MATCHED THEN ${insertOf(columns)}`
  );
}

/**
 * The same for wide tables, in statements that Athena takes: rows that are there are updated some
 * columns at a time, and then the others inserted. Each may be repeated.
 */
function upsertStatements(table, from, columns, order, condition) {
  const keys = columns.filter(({ isKey }) => isKey);
  const statements = updateParts(columns.filter(({ isKey }) => !isKey)).map((part) => {
    const rows = selectRows(from, [...keys, ...part], { condition, keys });
    const set = part.map(({ name }) => `${name} = s.${name}`).join(', ');
    return `MERGE INTO ${table} AS t USING (${rows}) AS s ON ${onKeys(keys)} WHEN MATCHED THEN UPDATE SET ${set}`;
  });
  // With the name of the staged rows: the table may have a column that is called like a staged one.
  const same = keys.map(
    ({ name, sqlType, staged, inferred }) =>
      `t.${name} = ${castTo(sqlType, `ranked.${staged}`, inferred)}`,
  );
  const isNew = `NOT EXISTS (SELECT 1 FROM ${table} AS t WHERE ${same.join(' AND ')})`;
  const all = condition === null ? isNew : `${condition} AND ${isNew}`;
  statements.push(insertStatement(table, from, columns, order, { condition: all, keys }));
  return statements;
}

function updateParts(columns) {
  const parts = [];
  let size = Infinity;
  for (const column of columns) {
    const bytes = 3 * Buffer.byteLength(column.name) + 40;
    size += bytes;
    if (size > PART_BYTES || parts.at(-1).length === MOST_MERGED) {
      parts.push([]);
      size = bytes;
    }
    parts.at(-1).push(column);
  }
  return parts;
}

function onKeys(keys) {
  return keys.map(({ name }) => `t.${name} = s.${name}`).join(' AND ');
}

/** Without unique keys, the days that come again are replaced as a whole, "no day" among them. */
function replaceDaysStatement(table, from, columns, date, { condition, hasUndated }) {
  // A join finds no value only as a text, by which it cannot leave out partitions.
  const keyOf = (value) =>
    hasUndated ? `coalesce(CAST(${dayOf(value)} AS varchar), '')` : dayOf(value);
  const where = condition === null ? '' : ` WHERE ${condition}`;
  return exchangeStatement(table, columns, selectRows(from, columns, { condition }), {
    days: `SELECT DISTINCT ${keyOf(date.value)} AS gone FROM ${from}${where}`,
    key: keyOf(`t.${date.name}`),
    type: hasUndated ? 'varchar' : 'date',
  });
}

function replaceAllStatement(table, from, columns) {
  const keys = columns.filter(({ isKey }) => isKey);
  // The join needs a value of each row to hash; this one is 0 for all.
  const { name } = columns.find(({ isNew }) => !isNew);
  const key = `coalesce(length(CAST(t.${name} AS varchar)), 0) * 0`;
  const rows = selectRows(from, columns, { keys });
  return exchangeStatement(table, columns, rows, { days: 'SELECT 0 AS gone', key, type: 'bigint' });
}

/**
 * Deletes and inserts in one commit: rows of the source that name what is gone delete each row
 * of the table that they match, the others match none and are inserted.
 */
function exchangeStatement(table, columns, select, { days, key, type }) {
  const nothing = columns.map(
    ({ name, sqlType }) => `CAST(NULL AS ${trinoType(sqlType)}) AS ${name}`,
  );
  return (
    `MERGE INTO ${table} AS t USING (` +
    `SELECT CAST(NULL AS ${type}) AS owox_gone, ${namesOf(columns)} FROM (${select}) AS r UNION ALL ` +
    `SELECT gone AS owox_gone, ${nothing.join(', ')} FROM (${days}) AS g` +
    `) AS s ON ${key} = s.owox_gone WHEN MATCHED THEN DELETE ` +
    `WHEN NOT MATCHED AND s.owox_gone IS NULL THEN ${insertOf(columns)}`
  );
}

/**
 * Brings the rows of a table into its draft.
 *
 * @param {string} table
 * @param {string} draft
 * @param {object[]} layout columns of the draft, in its order
 * @param {string | null} condition
 */
function copyStatement(table, draft, layout, condition) {
  const values = layout.map(({ name, sqlType, have }) => {
    if (have === undefined) return 'NULL';
    return have === sqlType ? name : `CAST(${name} AS ${trinoType(sqlType)})`;
  });
  const where = condition === null ? '' : ` WHERE ${condition}`;
  return `INSERT INTO ${draft} SELECT ${values.join(', ')} FROM ${table} AS o${where}`;
}

function trinoType(sqlType) {
  return { string: 'varchar', timestamp: 'timestamp(6)' }[sqlType] ?? sqlType;
}

module.exports = {
  MOST_MERGED,
  copyStatement,
  insertStatement,
  mergeStatement,
  replaceAllStatement,
  replaceDaysStatement,
  upsertStatements,
};
