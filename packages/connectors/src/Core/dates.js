'use strict';

const { isSurely } = require('./plainTexts');

const DAY_MS = 24 * 60 * 60 * 1000;
/** What a Date can hold, before and after 1970. */
const LONGEST_MS = 8.64e15;
const CLOCK = /(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?/;
const ZONE = / ?(?:Z|z|UTC|GMT|[+-](?:0\d|1[0-5])(?::?[0-5]\d)?)/;
const ISO = new RegExp(
  `^(\\d{4})([-/])(\\d{2})\\2(\\d{2})(?:[Tt ](${CLOCK.source})(${ZONE.source})?)?$`,
);
/** What each database reads as it is. */
const PLAIN =
  /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:?\d{2})?)?)?$/;
const SLASH = 47;
const DASH = 45;
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * What kind of date a text is, in ISO 8601 or a spelling that means the same without doubt, such as
 * `2015/01/01 01:00:00 UTC`. Anything else, and dates that no calendar has, is `null`: guessing at
 * 03/04/2024 would be silent corruption.
 *
 * @param {string} text
 * @returns {'date' | 'timestamp' | 'timestamptz' | null} `timestamptz` has a zone or offset
 */
function dateKind(text) {
  // The cheap tests first: this runs for every cell of a large file.
  const code = text.charCodeAt(4);
  if (text.length < 10 || (code !== DASH && code !== SLASH)) return null;
  if (isSurely('date', text)) return 'date';
  if (isSurely('timestamptz', text)) return 'timestamptz';
  const match = ISO.exec(text);
  if (match === null) return null;
  const [year, month, day] = [Number(match[1]), Number(match[3]), Number(match[4])];
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > MONTH_DAYS[month - 1]) return null;
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (month === 2 && day === 29 && !isLeap) return null;
  if (match[5] === undefined) return 'date';
  return match[6] === undefined ? 'timestamp' : 'timestamptz';
}

/**
 * Tells of a date whether each database reads it as it is written.
 *
 * @param {string} text that has a `dateKind`
 * @returns {boolean}
 */
function isPlainDate(text) {
  return PLAIN.test(text);
}

/**
 * The day a value lies in: as written, or in UTC where it names a zone.
 *
 * @param {unknown} value ISO text or a Date
 * @returns {string | null} YYYY-MM-DD, or `null` for anything that is no date
 */
function toDay(value) {
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? null : dayOf(value);
  }
  if (typeof value !== 'string') return null;
  if (isSurely('date', value)) return value;
  if (isSurely('timestamptz', value)) return value.slice(0, 10);
  const kind = dateKind(value);
  if (kind === null) return null;
  return kind === 'timestamptz' ? utcDay(value) : dashed(value.slice(0, 10));
}

function dashed(day) {
  return day.charCodeAt(4) === SLASH ? day.replaceAll('/', '-') : day;
}

function utcDay(text) {
  const clock = text.slice(11);
  // Date knows milliseconds only, and an offset with a colon.
  const [time] = /^[\d:]+(?:\.\d{1,3})?/.exec(clock);
  const [, hours, minutes = '00'] = /([+-]\d{2}):?(\d{2})?$/.exec(clock) ?? [];
  const zone = hours === undefined ? 'Z' : `${hours}:${minutes}`;
  return dayOf(new Date(`${dashed(text.slice(0, 10))}T${time}${zone}`));
}

/** Days are compared as text, so those of other than four digits are the last one and the first. */
function dayOf(date) {
  const year = date.getUTCFullYear();
  if (year > 9999) return '9999-12-31';
  return year < 1 ? '0001-01-01' : date.toISOString().slice(0, 10);
}

/**
 * @param {string} day YYYY-MM-DD
 * @param {number} days may be negative
 * @returns {string} YYYY-MM-DD
 */
function addDays(day, days) {
  const time = Date.parse(`${day}T00:00:00Z`) + days * DAY_MS;
  return dayOf(new Date(Math.min(Math.max(time, -LONGEST_MS), LONGEST_MS)));
}

/** @returns {string} today in UTC, YYYY-MM-DD */
function today() {
  return new Date().toISOString().slice(0, 10);
}

module.exports = { addDays, dateKind, isPlainDate, today, toDay };
