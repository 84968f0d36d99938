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

/**
 * The type of a field of the tables API, as SQL has it.
 *
 * @param {object} field
 */
function typeOfField({ type, mode, precision, scale, maxLength, fields }) {
  let sqlType = API_TYPES[type] ?? type;
  const parameters = [precision ?? maxLength, scale].filter((value) => value !== undefined);
  if (parameters.length > 0 && sqlType !== 'STRING') sqlType += `(${parameters.join(', ')})`;
  if (fields !== undefined) {
    const parts = fields.map((field) => `${quote(field.name)} ${typeOfField(field)}`);
    sqlType = `STRUCT<${parts.join(', ')}>`;
  }
  return mode === 'REPEATED' ? `ARRAY<${sqlType}>` : sqlType;
}

const PARTITIONS = {
  DATE: (name, unit) => (unit === 'DAY' ? name : `DATE_TRUNC(${name}, ${unit})`),
  DATETIME: (name, unit) => `DATETIME_TRUNC(${name}, ${unit})`,
  TIMESTAMP: (name, unit) => `TIMESTAMP_TRUNC(${name}, ${unit})`,
};

/** @returns {string} a clause, empty where no days can be told of the column */
function partitionBy({ name, sqlType }, unit) {
  const partition = PARTITIONS[sqlType];
  return partition === undefined ? '' : ` PARTITION BY ${partition(name, unit)}`;
}

/** BigQuery's names take letters, digits and few signs; any other becomes "_". */
function columnName(name) {
  return name.replace(/[^\p{L}\p{M}\p{N}\p{Pc}\p{Pd}&%=+:'<>#| ]/gu, '_');
}

const RESERVED = [
  '_PARTITION',
  '_TABLE_',
  '_FILE_',
  '_ROW_TIMESTAMP',
  '__ROOT__',
  '_COLIDENTIFIER',
  '_CHANGE_SEQUENCE_NUMBER',
  '_CHANGE_TYPE',
  '_CHANGE_TIMESTAMP',
];

/** @returns {string | null} what the name begins with that BigQuery keeps for itself */
function reservedBy(name) {
  return RESERVED.find((prefix) => name.toUpperCase().startsWith(prefix)) ?? null;
}

module.exports = { castTo, columnName, partitionBy, quote, reservedBy, typeFor, typeOfField };
