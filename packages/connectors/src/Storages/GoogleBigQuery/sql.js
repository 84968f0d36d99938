'use strict';

/** A name as SQL. Backslashes escape in BigQuery's quoted names. */
function quote(name) {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
}

const SQL_TYPES = {
  string: 'STRING',
  integer: 'INT64',
  number: 'FLOAT64',
  boolean: 'BOOL',
  date: 'DATE',
  timestamp: 'DATETIME',
  timestamptz: 'TIMESTAMP',
  json: 'JSON',
};

/** What the tables API calls some of them. */
const API_TYPES = { INTEGER: 'INT64', FLOAT: 'FLOAT64', BOOLEAN: 'BOOL' };

/** A staged text in a column's type. BigQuery wants seconds in times, and a colon in offsets. */
function castTo(sqlType, column) {
  if (sqlType === 'STRING') return column;
  if (sqlType === 'JSON') return `PARSE_JSON(${column}, wide_number_mode=>'round')`;
  if (sqlType === 'DATETIME') {
    return `CAST(REGEXP_REPLACE(${column}, r'([T ]\\d\\d:\\d\\d)$', r'\\1:00') AS DATETIME)`;
  }
  if (sqlType === 'TIMESTAMP') {
    return `CAST(REGEXP_REPLACE(${column}, r'([+-]\\d\\d)(\\d\\d)$', r'\\1:\\2') AS TIMESTAMP)`;
  }
  return `CAST(${column} AS ${sqlType})`;
}

/**
 * The SQL type of a run's column in the table.
 *
 * @param {string | undefined} have the table's type, `undefined` when it has no such column
 * @param {import('../../Core/TypeInference').Column} column
 * @returns {string | null} `null` where the values do not fit
 */
function typeFor(have, column) {
  const wanted = SQL_TYPES[column.type ?? 'string'];
  if (have === undefined) return wanted;
  const fits =
    column.type === null ||
    have === wanted ||
    have === 'STRING' ||
    (have === 'FLOAT64' && column.type === 'integer' && !column.hasBigInteger) ||
    (have === 'DATETIME' && column.type === 'date');
  return fits ? have : null;
}

module.exports = { API_TYPES, castTo, quote, typeFor };
