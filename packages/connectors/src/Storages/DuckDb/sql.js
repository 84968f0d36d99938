'use strict';

const { ConnectorError } = require('../../Core/errors');

const COLUMNS_PER_UPDATE = 100;

/**
 * A name as SQL, safe whatever it holds.
 *
 * @throws {ConnectorError} for the two that DuckDB does not take
 */
function quote(name) {
  if (name === '' || name.includes('\0')) {
    throw new ConnectorError(
      `DuckDB takes no table or column of the name ${JSON.stringify(name)}: rename it, or leave it out`,
    );
  }
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * A column as SQL needs it.
 *
 * @typedef {object} SqlColumn
 * @property {string} name quoted
 * @property {string} value expression that gives the staged value in the column's type
 * @property {boolean} isKey
 */

/** @returns {string} a query for the staged rows, typed */
function selectStaged(relation, columns, conditions = []) {
  const values = columns.map(({ name, value }) => `${value} AS ${name}`);
  const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
  return `SELECT ${values.join(', ')} FROM ${relation}${where}`;
}

/** @returns {string} a condition that leaves the last of the rows with equal keys */
function isLastOf(relation, columns) {
  return `n IN (SELECT max(n) FROM ${relation} GROUP BY ${keysOf(columns)})`;
}

/** @returns {string[]} conditions that each leave a part of the rows, together all */
function partitions(columns, count) {
  return partitionsBy(keysOf(columns), count);
}

/** @returns {string[]} the same by the values of an expression */
function partitionsBy(expression, count) {
  if (count <= 1) return ['true'];
  const part = `hash(${expression}) % ${count}`;
  return Array.from({ length: count }, (_, index) => `${part} = ${index}`);
}

function keysOf(columns) {
  return columns
    .filter(({ isKey }) => isKey)
    .map(({ value }) => value)
    .join(', ');
}

function insertFrom(table, columns, query) {
  return `INSERT INTO ${table} (${columns.map(({ name }) => name).join(', ')}) ${query}`;
}

/**
 * Upserts the rows of a query.
 *
 * Changed rows are deleted and inserted again, since DuckDB keeps updated values in memory until the
 * commit, but deleted ones not: so large upserts fit into little memory. Rows that are the same stay
 * untouched. Only where the table has columns that the rows lack, rows are updated, to keep these.
 *
 * @param {string} table
 * @param {SqlColumn[]} columns
 * @param {(columns: SqlColumn[]) => string} select a query for some of the rows' columns
 * @param {boolean} isExchanged whether rows may be deleted and inserted again: not where they lack
 *   columns of the table, nor where it has a unique index
 * @returns {string[]} statements
 */
function upsertFrom(table, columns, select, isExchanged) {
  const query = select(columns);
  const keys = columns.filter(({ isKey }) => isKey).map(({ name }) => `t.${name} = s.${name}`);
  const others = columns.filter(({ isKey }) => !isKey).map(({ name }) => name);
  const merge = `MERGE INTO ${table} AS t USING (${query}) AS s ON (${keys.join(' AND ')})`;
  const isChanged = others.map((name) => `t.${name} IS DISTINCT FROM s.${name}`).join(' OR ');
  const names = columns.map(({ name }) => name);
  const insert =
    `WHEN NOT MATCHED THEN INSERT (${names.join(', ')}) ` +
    `VALUES (${names.map((name) => `s.${name}`).join(', ')})`;
  if (others.length === 0) return [`${merge} ${insert}`];
  if (isExchanged) {
    return [`${merge} WHEN MATCHED AND (${isChanged}) THEN DELETE`, `${merge} ${insert}`];
  }
  const update = others.map((name) => `${name} = s.${name}`).join(', ');
  return [`${merge} WHEN MATCHED AND (${isChanged}) THEN UPDATE SET ${update} ${insert}`];
}

/**
 * Upserts rows of very many columns: no statement compares or joins them all, which would take
 * memory for each.
 *
 * @returns {string[]} statements
 */
function upsertWideFrom(table, columns, select, isExchanged) {
  const keys = columns.filter(({ isKey }) => isKey);
  const others = columns.filter(({ isKey }) => !isKey);
  const on = keys.map(({ name }) => `t.${name} = s.${name}`).join(' AND ');
  const names = columns.map(({ name }) => name).join(', ');
  if (isExchanged) {
    return [
      `DELETE FROM ${table} AS t USING (${select(keys)}) AS s WHERE ${on}`,
      insertFrom(table, columns, select(columns)),
    ];
  }
  const statements = [];
  for (let at = 0; at < others.length; at += COLUMNS_PER_UPDATE) {
    const some = others.slice(at, at + COLUMNS_PER_UPDATE);
    const set = some.map(({ name }) => `${name} = s.${name}`).join(', ');
    statements.push(
      `UPDATE ${table} AS t SET ${set} FROM (${select([...keys, ...some])}) AS s WHERE ${on}`,
    );
  }
  statements.push(
    `INSERT INTO ${table} (${names}) SELECT s.* FROM (${select(columns)}) AS s ANTI JOIN ${table} AS t ON (${on})`,
  );
  return statements;
}

module.exports = {
  insertFrom,
  isLastOf,
  keysOf,
  partitions,
  partitionsBy,
  quote,
  selectStaged,
  upsertFrom,
  upsertWideFrom,
};
