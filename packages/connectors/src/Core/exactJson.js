'use strict';
// JSON in which an integer keeps all its digits: as a number it would be rounded beyond 2^53, and
// ids of 64 bits are common. It becomes a BigInt.

const { ConnectorError } = require('./errors');

const MARK = '\u0000integer:';
const MARKED = new RegExp(`^${MARK}(-?\\d+)$`);
const MARKED_IN_JSON = new RegExp(`"\\\\u0000integer:(-?\\d+)"`, 'g');
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * As `JSON.parse`, but for integers beyond 2^53.
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
  // Most texts have no number that long, and this is much faster.
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const isLong = (token) => /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token));
  const marked = text.replace(TOKEN, (token) =>
    isLong(token) ? JSON.stringify(MARK + token) : token,
  );
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
