'use strict';

const DAY_MS = 24 * 60 * 60 * 1000;
/** What a Date can hold, before and after 1970. */
const LONGEST_MS = 8.64e15;
// A zone needs seconds before it: without them databases do not take it.
const TIME = /([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?(Z|[+-](?:0\d|1[0-5]):?[0-5]\d)?)?/;
const ISO = new RegExp(`^(\\d{4})-(\\d{2})-(\\d{2})(?:[T ]${TIME.source})?$`);
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * What kind of ISO 8601 date a text is. Anything else, and dates that no calendar has, is `null`:
 * guessing at 03/04/2024 would be silent corruption.
 *
 * @param {string} text
 * @returns {'date' | 'timestamp' | 'timestamptz' | null} `timestamptz` has a zone or offset
 */
function dateKind(text) {
  // The cheap test first: this runs for every cell of a large file.
  if (text.length < 10 || text.charCodeAt(4) !== 45) return null;
  const match = ISO.exec(text);
  if (match === null) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > MONTH_DAYS[month - 1]) return null;
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (month === 2 && day === 29 && !isLeap) return null;
  if (match[4] === undefined) return 'date';
  return match[5] === undefined ? 'timestamp' : 'timestamptz';
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
  const kind = dateKind(value);
  if (kind === null) return null;
  return kind === 'timestamptz' ? utcDay(value) : value.slice(0, 10);
}

function utcDay(text) {
  // Date wants "T" and an offset with a colon, and knows milliseconds only.
  const iso = text.replace(' ', 'T').replace(/([+-]\d{2})(\d{2})$/, '$1:$2');
  return dayOf(new Date(iso.replace(/(\.\d{3})\d+/, '$1')));
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

module.exports = { addDays, dateKind, today, toDay };
