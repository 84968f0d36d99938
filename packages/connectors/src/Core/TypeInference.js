'use strict';

const { ConnectorError } = require('./errors');
const { dateKind } = require('./dates');
const { isSurely } = require('./plainTexts');
const { TextRows } = require('./TextRows');
const { toText } = require('./toText');

/**
 * A column's type, as far as the rows so far show it.
 *
 * @typedef {object} Column
 * @property {ColumnType | null} type `null` while no row has a value
 * @property {boolean} isDeclared whether the source knows the type
 * @property {unknown} [example] the value that made the type what it is, for messages
 *
 * @typedef {'string' | 'integer' | 'number' | 'boolean' | 'date' | 'timestamp' | 'timestamptz'
 *   | 'json'} ColumnType
 *   integer: 64 bits; number: a double; timestamp: without a zone; timestamptz: a moment
 */

const TYPES = [
  'string',
  'integer',
  'number',
  'boolean',
  'date',
  'timestamp',
  'timestamptz',
  'json',
];

const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const BOOLEAN = /^(?:true|false)$/i;
const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/**
 * Finds the types of columns by looking at every value, not at a sample: a storage that stages text
 * and casts it at the end loses nothing, whichever row it is that turns numbers into text.
 *
 * A type is only inferred where the cast is exact. "007", "+1", " 1", integers beyond 64 bits and
 * decimals with more digits than a double keeps stay text.
 */
class TypeInference {
  /** @type {Map<string, Column>} in the order that columns first came */
  columns = new Map();
  #declared = new Map();
  #classify;

  /**
   * @param {Record<string, string>} [declared] types that are known
   * @param {{ isText?: boolean }} [options] see `isText` of a source's table
   * @throws {ConnectorError} when a declared type is unknown
   */
  constructor(declared = {}, { isText = false } = {}) {
    this.#classify = isText ? classifyText : classifyValue;
    for (const [name, type] of Object.entries(declared)) {
      if (!TYPES.includes(type)) {
        throw new ConnectorError(
          `Column "${name}" has the unknown type "${type}": use one of ${TYPES.join(', ')}`,
        );
      }
      this.#declared.set(name, type);
    }
  }

  /**
   * @param {Record<string, unknown>[] | TextRows} rows
   * @throws {ConnectorError} when a value does not fit a declared type
   */
  observe(rows) {
    if (rows instanceof TextRows) {
      rows.columns.forEach((name, at) => this.#observeTexts(name, rows.records, at));
      return;
    }
    for (const row of rows) {
      for (const name of Object.keys(row)) {
        const column = this.#columnOf(name);
        const value = row[name];
        if (value !== null && value !== undefined && column.type !== 'string') {
          this.#observeValue(name, column, value);
        }
      }
    }
  }

  #observeTexts(name, records, at) {
    const column = this.#columnOf(name);
    for (const record of records) {
      if (column.type === 'string') return;
      const text = record[at];
      if (text === null || (!column.isDeclared && isSurely(column.type, text))) continue;
      this.#observeValue(name, column, text);
    }
  }

  #columnOf(name) {
    let column = this.columns.get(name);
    if (column === undefined) {
      const type = this.#declared.get(name) ?? null;
      column = { type, isDeclared: type !== null };
      this.columns.set(name, column);
    }
    return column;
  }

  #observeValue(name, column, value) {
    if (column.isDeclared) {
      if (fits(column.type, value)) return;
      throw new ConnectorError(
        `Column "${name}" is declared as ${column.type}, but has the value "${value}": ` +
          'correct the value or the declared type, or name the value as one that means "no value"',
      );
    }
    const found = this.#classify(value);
    const type = column.type === null ? found : joinOf(column, found, value);
    if (type === column.type) {
      // "integer" and "number" only join while both are exact as doubles.
      if (type === 'integer' && !isExactAsDouble(value)) column.hasBigInteger = true;
      return;
    }
    column.type = type;
    column.example = value;
    if (type === 'integer') column.hasBigInteger = !isExactAsDouble(value);
  }
}

/** The narrowest type that holds what the column has and a value of type `found`, exactly. */
function joinOf(column, found, value) {
  const { type } = column;
  if (type === found) return type;
  const pair = new Set([type, found]);
  if (pair.has('date') && pair.has('timestamp')) return 'timestamp';
  if (type === 'integer' && found === 'number' && !column.hasBigInteger) return 'number';
  if (type === 'number' && found === 'integer' && isExactAsDouble(value)) return 'number';
  return 'string';
}

/** The type of a text of unknown origin. */
function classifyText(text) {
  const first = text.charCodeAt(0);
  if (first === 45 || (first >= 48 && first <= 57)) {
    if (INTEGER.test(text) && isInt64(text)) return 'integer';
    if (NUMBER.test(text) && isExactDecimal(text)) return 'number';
    return dateKind(text) ?? 'string';
  }
  return BOOLEAN.test(text) ? 'boolean' : 'string';
}

/** The type of a value whose JavaScript type is meant so. */
function classifyValue(value) {
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value) ? 'integer' : 'number';
    case 'bigint':
      return isInt64(value) ? 'integer' : 'string';
    case 'boolean':
      return 'boolean';
    case 'object':
      return value instanceof Date ? 'timestamptz' : 'json';
    default:
      return dateKind(value) ?? 'string';
  }
}

/** Whether a value can be cast to a declared type; wider than inference, since someone knows. */
function fits(type, value) {
  const text = toText(value);
  switch (type) {
    case 'integer':
      return /^[+-]?\d+$/.test(text) && isInt64(text);
    case 'number':
      return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) && isFinite(text);
    case 'boolean':
      return BOOLEAN.test(text);
    case 'date':
      return dateKind(text) === 'date';
    case 'timestamp':
      // A zone would be dropped by the cast.
      return ['date', 'timestamp'].includes(dateKind(text));
    case 'timestamptz':
      return dateKind(text) !== null;
    case 'json':
      return isJson(text);
    default:
      return true;
  }
}

function isInt64(value) {
  if (value.length < 19) return true;
  const integer = BigInt(typeof value === 'string' ? value.replace(/^\+/, '') : value);
  return integer >= MIN_INT64 && integer <= MAX_INT64;
}

function isExactAsDouble(value) {
  return String(value).length < 16 || Number.isSafeInteger(Number(value));
}

/** Whether a double gives the decimal back: 15 digits always do, more only some. */
function isExactDecimal(text) {
  const number = Number(text);
  if (!Number.isFinite(number)) return false;
  if (text.length <= 16 && !/e/i.test(text)) return true;
  const [digits] = text.replace(/^-/, '').split(/e/i);
  const significant = digits.replace('.', '').replace(/^0+/, '').replace(/0+$/, '');
  if (significant.length > 15) return String(number) === text;
  return number !== 0 || significant === '';
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

module.exports = { TypeInference };
