'use strict';

const { ConnectorError } = require('../../Core/errors');
const { dateKind } = require('../../Core/dates');
const { stringify } = require('../../Core/exactJson');

const INTEGER = /^[+-]?\d+(?:\.0+)?$/;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/**
 * The columns of a record, each value in its column's type: the report has all numbers as text.
 *
 * @param {Record<string, unknown>} record
 * @param {string[]} columns
 * @param {object} object
 * @param {string} object.name for messages
 * @param {Record<string, string>} object.types
 * @param {Set<string>} object.nullValues texts that mean "no value"
 * @returns {Record<string, unknown>}
 * @throws {ConnectorError} when a value is not what the reference says
 */
function typed(record, columns, { name, types, nullValues }) {
  return Object.fromEntries(
    columns.map((column) => {
      const value = record[column] ?? null;
      const type = types[column];
      if (nullValues.has(value)) return [column, null];
      if (value === null || type === undefined) return [column, value];
      const converted = CONVERTERS[type]?.(value);
      if (converted === undefined) {
        throw new ConnectorError(
          `TikTok gave ${name} a ${column} of ${stringify(value)}, which is no ${type}: ` +
            `leave ${column} out of Fields, and report it; until then, Types can declare it as string`,
        );
      }
      return [column, converted];
    }),
  );
}

/** Each returns `undefined` where the value does not fit. */
const CONVERTERS = {
  string: (value) => (typeof value === 'object' ? stringify(value) : String(value)),
  integer: unlessEmpty((value) => {
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
    if (typeof value !== 'string' || !INTEGER.test(value)) return undefined;
    const [digits] = value.split('.');
    const number = Number(digits);
    return Number.isSafeInteger(number) ? number : BigInt(digits.replace('+', ''));
  }),
  number: unlessEmpty((value) => {
    const isDecimal = typeof value === 'string' && DECIMAL.test(value);
    const number = isDecimal || typeof value === 'bigint' ? Number(value) : value;
    return Number.isFinite(number) ? number : undefined;
  }),
  boolean: unlessEmpty((value) => ({ true: true, false: false, 1: true, 0: false })[String(value)]),
  date: unlessEmpty((value) => (dateKind(String(value)) === 'date' ? value : undefined)),
  timestamp: unlessEmpty((value) => {
    const kind = typeof value === 'string' ? dateKind(value) : null;
    return kind === 'date' || kind === 'timestamp' ? value : undefined;
  }),
  timestamptz: unlessEmpty((value) =>
    typeof value === 'string' && dateKind(value) !== null ? value : undefined,
  ),
  // A text in a JSON column has to be JSON, too.
  json: (value) => (typeof value === 'object' ? value : stringify(value)),
};

/** The API writes "-" or nothing where there is no value. */
function unlessEmpty(convert) {
  return (value) => (value === '-' || value === '' ? null : convert(value));
}

module.exports = { typed };
