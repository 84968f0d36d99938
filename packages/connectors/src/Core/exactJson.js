'use strict';
// JSON in which numbers keep all their digits. An integer would be rounded beyond 2^53, and ids of 64
// bits are common: it becomes a BigInt. Any other number that a double does not hold stays text.

const { ConnectorError } = require('./errors');
const { isExactDecimal } = require('./spelling');

const MARK = '\u0000integer:';
const MARKED = new RegExp(`^${MARK}(-?\\d+)$`);
const MARKED_IN_JSON = new RegExp(`"\\\\u0000integer:(-?\\d+)"`, 'g');
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Without these, every number is one that a double holds. */
const HAS_LONG = /\d(?:[\d.]{15}|[eE][+-]?\d{2})/;

/**
 * As `JSON.parse`, but for numbers that a double does not hold: integers are BigInts, others texts.
 *
 * @param {string} text
 * @returns {unknown}
 * @throws {SyntaxError}
 * @throws {ConnectorError} where it is nested too deep
 */
function parse(text) {
  return withinStack('has JSON that is nested too deep to be read', () => read(text));
}

function read(text) {
  // Most texts have no such number, and this is much faster.
  if (!HAS_LONG.test(text)) return JSON.parse(text);
  const marked = text.replace(TOKEN, (token) => {
    if (token.startsWith('"')) return token;
    if (/^-?\d+$/.test(token)) {
      return Number.isSafeInteger(Number(token)) ? token : JSON.stringify(MARK + token);
    }
    return isExactDecimal(token) ? token : JSON.stringify(token);
  });
  return JSON.parse(marked, (_, value) => {
    const digits = typeof value === 'string' ? MARKED.exec(value)?.[1] : undefined;
    return digits === undefined ? value : BigInt(digits);
  });
}

/**
 * As `JSON.stringify`, but BigInts are written as the integers that they are.
 *
 * @param {unknown} value
 * @returns {string}
 * @throws {ConnectorError} where it is nested too deep
 */
function stringify(value) {
  const problem = 'A value is nested too deep to be written as JSON: leave its field out';
  return withinStack(problem, () => write(value));
}

function write(value) {
  try {
    return JSON.stringify(value); // several times as fast, and few values have a BigInt
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  let hasLong = false;
  const text = JSON.stringify(value, (_, member) => {
    if (typeof member !== 'bigint') return member;
    hasLong = true;
    return `${MARK}${member}`;
  });
  return hasLong ? text.replace(MARKED_IN_JSON, '$1') : text;
}

function withinStack(problem, work) {
  try {
    return work();
  } catch (cause) {
    throw cause instanceof RangeError ? new ConnectorError(problem, { cause }) : cause;
  }
}

module.exports = { parse, stringify };
