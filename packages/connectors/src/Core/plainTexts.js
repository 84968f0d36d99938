'use strict';

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
const COLON = 58;

/**
 * Tells of a text that it leaves a column of this type as it is, without a pattern: most values of a
 * large file are of this kind. "No" only means that the text has to be looked at closely.
 *
 * @param {import('./TypeInference').ColumnType | null} type
 * @param {string} text
 * @returns {boolean}
 */
function isSurely(type, text) {
  switch (type) {
    case 'integer':
      return plainDecimals(text) === 0;
    case 'date':
      return text.length === 10 && hasPlainDay(text);
    case 'timestamptz':
      return text.length === 20 && hasPlainDay(text) && hasPlainTime(text);
    default:
      return false;
  }
}

/**
 * How many decimals a number has that a double gives back as it is written, of at most 15 characters
 * and without an exponent.
 *
 * @param {string} text
 * @returns {number} -1 for every other text
 */
function plainDecimals(text) {
  const { length } = text;
  if (length > 15) return -1;
  let at = text.charCodeAt(0) === MINUS ? 1 : 0;
  if (text.charCodeAt(at) === ZERO) {
    const isNegative = at === 1; // "-0" is no number like others
    if (isNegative || (at + 1 < length && text.charCodeAt(at + 1) !== POINT)) return -1;
    if (length > 8) return -1; // 0.0000001 comes back as 1e-7
  }
  let digits = 0;
  let point = -1;
  for (; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code >= ZERO && code <= NINE) digits += 1;
    else if (code === POINT && point === -1 && digits > 0) point = at;
    else return -1;
  }
  if (digits === 0) return -1;
  if (point === -1) return 0;
  return text.charCodeAt(length - 1) === ZERO ? -1 : length - 1 - point || -1;
}

/** A day from 01 to 28 of a year from 1000 on. */
function hasPlainDay(text) {
  if (text.charCodeAt(4) !== MINUS || text.charCodeAt(7) !== MINUS) return false;
  if (text.charCodeAt(0) === ZERO) return false;
  if (!areDigits(text, 0, 4)) return false;
  if (!areDigits(text, 5, 7) || !areDigits(text, 8, 10)) return false;
  const month = 10 * digitAt(text, 5) + digitAt(text, 6);
  const day = 10 * digitAt(text, 8) + digitAt(text, 9);
  return month >= 1 && month <= 12 && day >= 1 && day <= 28;
}

/** "T13:18:00Z" */
function hasPlainTime(text) {
  if (text[10] !== 'T' || text[19] !== 'Z') return false;
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return false;
  if (!areDigits(text, 11, 13) || !areDigits(text, 14, 16)) return false;
  if (!areDigits(text, 17, 19)) return false;
  const hour = 10 * digitAt(text, 11) + digitAt(text, 12);
  return hour < 24 && digitAt(text, 14) < 6 && digitAt(text, 17) < 6;
}

function areDigits(text, from, to) {
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at);
    if (code < ZERO || code > NINE) return false;
  }
  return true;
}

function digitAt(text, at) {
  return text.charCodeAt(at) - ZERO;
}

module.exports = { isSurely, plainDecimals };
