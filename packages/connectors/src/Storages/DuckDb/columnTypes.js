'use strict';

const {
  LOSSLESS,
  castable,
  hasManySpellings,
  isDecimal,
  isNumeric,
  plainMoment,
} = require('../common');

const SQL_TYPES = {
  string: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMP WITH TIME ZONE',
  json: 'JSON',
};

const TYPES = new Map(Object.entries(SQL_TYPES).map(([type, sqlType]) => [sqlType, type]));
// Tables that others have made may have these; what does not fit in makes the cast fail.
for (const sqlType of ['TINYINT', 'SMALLINT', 'INTEGER', 'HUGEINT']) TYPES.set(sqlType, 'integer');

/**
 * How a column of a run goes into a column of the table.
 *
 * @param {string | undefined} sqlType of the table's column; `undefined` when it has none yet
 * @param {import('../../Core/TypeInference').Column} column of the run
 * @param {boolean} isEmpty whether the table's column has no value at all
 * @returns {{ sqlType: string, change: 'none' | 'add' | 'retype', needsExactDoubles?: boolean }
 *   | null} `null` where the values cannot go in without loss
 */
function reconcile(sqlType, column, isEmpty) {
  const wanted = SQL_TYPES[column.type ?? 'string'];
  if (sqlType === undefined) return { sqlType: wanted, change: 'add' };
  if (column.type === null || sqlType === wanted) return { sqlType, change: 'none' };
  const type = TYPES.get(sqlType);
  const fits =
    type === column.type ||
    type === column.narrow ||
    type === 'string' ||
    (type === 'json' && column.jsonForm !== null) ||
    (type === 'number' && column.type === 'integer' && !column.hasBigInteger) ||
    (type === 'timestamp' && column.type === 'date') ||
    (type === 'timestamptz' && ['date', 'timestamp'].includes(column.type)) ||
    (isDecimal(sqlType) && isNumeric(column));
  // A column without values is text until it has one; what others have declared is meant.
  if (isEmpty && (type === 'string' || !fits)) return { sqlType: wanted, change: 'retype' };
  if (fits) return { sqlType, change: 'none' };
  const change = `${type} to ${column.type}`;
  if (!LOSSLESS.has(change)) return null;
  return { sqlType: wanted, change: 'retype', needsExactDoubles: change === 'integer to number' };
}

/** A staged text in a column's type. */
function castTo(sqlType, text, column) {
  const type = TYPES.get(sqlType);
  if (type === 'string') return `CAST(${text} AS ${sqlType})`;
  const staged = castable(text, column);
  if (type === 'json' && column.jsonForm === 'text') return `to_json(${staged})`;
  if (hasManySpellings(column)) {
    if (type === 'date') return `CAST(replace(substr(${staged}, 1, 10), '/', '-') AS DATE)`;
    if (type === 'timestamp' || type === 'timestamptz') {
      const moment = plainMoment(staged, { hasZone: type === 'timestamptz' });
      return `CAST(${moment} AS ${sqlType})`;
    }
  }
  return `CAST(${staged} AS ${sqlType})`;
}

module.exports = { castTo, SQL_TYPES, reconcile };
