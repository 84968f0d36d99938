'use strict';
// Athena takes two languages: Hive's for CREATE, ALTER and DROP, Trino's for all else.

const { castable, hasManySpellings, plainMoment, typesFor } = require('../common');

/** A name as Hive's SQL. */
function quoteDdl(name) {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** A name as Trino's SQL. */
function quote(name) {
  return `"${name.replaceAll('"', '""')}"`;
}

function text(value) {
  return `'${value.replaceAll("'", "''")}'`;
}

const SQL_TYPES = {
  string: 'string',
  integer: 'bigint',
  number: 'double',
  boolean: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  // Athena cannot make Iceberg columns with a zone: moments are stored in UTC.
  timestamptz: 'timestamp',
  json: 'string',
};

/** A type of information_schema as the one it was made with. */
function typeOf(described) {
  const type = described.toLowerCase();
  if (type.startsWith('varchar')) return 'string';
  return /^timestamp(\(\d\))?$/.test(type) ? 'timestamp' : type;
}

/** A staged text in a column's type. */
function castTo(sqlType, text, inferred) {
  if (sqlType === 'string') return text;
  const staged = castable(text, inferred);
  const isZoned = inferred.type === 'timestamptz';
  const hasMany = hasManySpellings(inferred);
  if (sqlType === 'date' && hasMany) {
    return `CAST(replace(substr(${staged}, 1, 10), '/', '-') AS date)`;
  }
  if (sqlType !== 'timestamp') return `CAST(${staged} AS ${sqlType})`;
  const moment = hasMany ? plainMoment(staged, { hasZone: isZoned }) : usualMoment(staged, isZoned);
  if (!isZoned) return `CAST(${moment} AS timestamp(6))`;
  return `CAST(CAST(${moment} AS timestamp(6) with time zone) AT TIME ZONE 'UTC' AS timestamp(6))`;
}

/** Trino wants a space after the day, and a colon in offsets. */
function usualMoment(staged, isZoned) {
  const spaced = `replace(${staged}, 'T', ' ')`;
  if (!isZoned) return spaced;
  const zoned = `replace(${spaced}, 'Z', '+00:00')`;
  const end = `substr(${zoned}, length(${zoned}) - 1)`;
  return (
    `CASE WHEN substr(${zoned}, length(${zoned}) - 2, 1) = ':' THEN ${zoned} ` +
    `ELSE substr(${zoned}, 1, length(${zoned}) - 2) || ':' || ${end} END`
  );
}

const typeFor = typesFor(SQL_TYPES);

/** Athena's names are in lower case, of letters, digits and "_". */
function plainName(name) {
  return name.toLowerCase().replace(/[^\p{L}\p{M}\p{N}_]/gu, '_');
}

module.exports = { castTo, plainName, quote, quoteDdl, text, typeFor, typeOf };
