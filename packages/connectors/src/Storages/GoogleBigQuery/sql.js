'use strict';

const { castable, hasManySpellings, plainMoment, typesFor } = require('../common');

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

const TIMES = ['DATETIME', 'TIMESTAMP'];

/** A staged text in a column's type. BigQuery wants seconds in times, and a colon in offsets. */
function castTo(sqlType, staged, inferred) {
  if (sqlType === 'STRING') return staged;
  const column = castable(staged, inferred);
  if (sqlType === 'JSON') {
    const text =
      inferred.jsonForm === 'text'
        ? `IF(${column} IS NULL, NULL, TO_JSON_STRING(${column}))`
        : column;
    return `PARSE_JSON(${text}, wide_number_mode=>'round')`;
  }
  if (sqlType === 'DATE' && hasManySpellings(inferred)) {
    return `CAST(replace(substr(${column}, 1, 10), '/', '-') AS DATE)`;
  }
  if (TIMES.includes(sqlType) && hasManySpellings(inferred)) {
    const moment = plainMoment(column, { hasZone: sqlType === 'TIMESTAMP' });
    return `CAST(${moment} AS ${sqlType})`;
  }
  if (sqlType === 'DATETIME') {
    return `CAST(REGEXP_REPLACE(${column}, r'([T ]\\d\\d:\\d\\d)$', r'\\1:00') AS DATETIME)`;
  }
  if (sqlType === 'TIMESTAMP') {
    return `CAST(REGEXP_REPLACE(${column}, r'([+-]\\d\\d)(\\d\\d)$', r'\\1:\\2') AS TIMESTAMP)`;
  }
  return `CAST(${column} AS ${sqlType})`;
}

const typeFor = typesFor(SQL_TYPES);

module.exports = { API_TYPES, castTo, quote, typeFor };
