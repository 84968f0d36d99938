'use strict';

const { ConnectorError } = require('./errors');
const { dateKind } = require('./dates');
const { Column } = require('./Column');
const { isSurely, plainDecimals } = require('./plainTexts');
const { isExactDecimal } = require('./spelling');
const { TextRows } = require('./TextRows');
const { toText } = require('./toText');

/** @typedef {import('./Column').ColumnType} ColumnType */

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

const DATES = new Set(['date', 'timestamp', 'timestamptz']);
const MINUS = 45;
const POINT = 46;
/** Values of a type that make one of another type odd. */
const MANY = 20;
const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/;
const NUMBER = /^-?(?:(?:0|[1-9]\d*)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const BOOLEAN = /^(?:true|false)$/i;
const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/**
 * A value that is of another type than the many before it.
 *
 * @typedef {object} OddValue
 * @property {string} column
 * @property {ColumnType} type of the values before it
 * @property {string} value
 * @property {number} row its line where the source knows it, else its number, from 1
 */

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
  /** @type {OddValue[]} that turned a column of another type into text */
  oddValues = [];
  #declared = new Map();
  #classify;
  #isText;
  #uniqueKeys;
  #rowCount = 0;

  /**
   * @param {Record<string, string>} [declared] types that are known
   * @param {{ isText?: boolean, uniqueKeys?: string[] }} [options] as in a source's table
   * @throws {ConnectorError} when a declared type is unknown
   */
  constructor(declared = {}, { isText = false, uniqueKeys = [] } = {}) {
    this.#classify = isText ? classifyText : classifyValue;
    this.#isText = isText;
    this.#uniqueKeys = new Set(uniqueKeys);
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
      rows.columns.forEach((name, at) => this.#observeTexts(name, rows, at));
      this.#rowCount += rows.length;
      return;
    }
    for (const row of rows) {
      this.#rowCount += 1;
      for (const name of Object.keys(row)) {
        const column = this.#columnOf(name);
        const value = row[name];
        if (value === null || value === undefined) continue;
        if (column.kind !== 'string') this.#observeValue(name, column, value, this.#rowCount);
        else if (typeof value !== 'string') column.isMixed = true;
      }
    }
  }

  #observeTexts(name, { records, lines }, at) {
    const column = this.#columnOf(name);
    for (let index = 0; index < records.length; index += 1) {
      if (column.kind === 'string') return;
      const text = records[index][at];
      if (text === null || (column.isIndifferent && isSeenAtOnce(column, text))) continue;
      this.#observeValue(name, column, text, lines?.[index] ?? this.#rowCount + index + 1);
    }
  }

  #columnOf(name) {
    let column = this.columns.get(name);
    if (column === undefined) {
      const isKey = this.#uniqueKeys.has(name);
      column = new Column(this.#declared.get(name) ?? null, { isKey, isText: this.#isText });
      this.columns.set(name, column);
    }
    return column;
  }

  #observeValue(name, column, value, row) {
    if (value === '' && column.takesEmpty) {
      column.hasEmpty = true;
      return;
    }
    if (column.isDeclared) {
      if (fits(column.type, value)) {
        const kind = typeof value === 'string' && DATES.has(column.type) ? dateKind(value) : null;
        if (kind !== null) column.addDate(value, kind);
        return;
      }
      throw new ConnectorError(
        `Column "${name}" is declared as ${column.type}, but has the value "${value}": ` +
          'correct the value or the declared type, or name the value as one that means "no value"',
      );
    }
    const found = this.#classify(value);
    const before = column.kind;
    const kind = before === null ? found : joinOf(column, found, value);
    // "integer" and "number" only join while both are exact as doubles.
    if (kind === 'integer') column.hasBigInteger ||= !isExactAsDouble(value);
    column.add(value, found, kind);
    if (kind !== 'string') {
      column.typed += 1;
    } else if (before !== null && column.typed >= MANY) {
      this.oddValues.push({ column: name, type: before, value: String(value), row });
    }
  }
}

/** Most values of a large file are like those before, which is seen without a pattern. */
function isSeenAtOnce(column, text) {
  if (column.kind === 'number') {
    const decimals = plainDecimals(text);
    if (decimals === -1) return false;
    column.addNumber(decimals);
  } else if (!isSurely(column.kind, text)) {
    return false;
  }
  column.typed += 1;
  return true;
}

/** The narrowest type that holds what the column has and a value of type `found`, exactly. */
function joinOf(column, found, value) {
  const { kind: type } = column;
  if (type === found) return type;
  if (DATES.has(type) && DATES.has(found)) {
    // What names no zone is in UTC then.
    return type === 'timestamptz' || found === 'timestamptz' ? 'timestamptz' : 'timestamp';
  }
  if (type === 'integer' && found === 'number' && !column.hasBigInteger) return 'number';
  if (type === 'number' && found === 'integer' && isExactAsDouble(value)) return 'number';
  return 'string';
}

/** The type of a text of unknown origin. */
function classifyText(text) {
  const first = text.charCodeAt(0);
  if (first === MINUS || first === POINT || (first >= 48 && first <= 57)) {
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

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

module.exports = { TypeInference };
