'use strict';
// When to ask a server again, by its answer: as the standard has it, and as servers write it.

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /(\d+(?:\.\d+)?)\s*([a-z]+)\s*/giy;
const NAMES = {
  ms: /^(?:ms|millis|milliseconds?)$/i,
  s: /^(?:s|secs?|seconds?)$/i,
  m: /^(?:m|mins?|minutes?)$/i,
  h: /^(?:h|hrs?|hours?)$/i,
  d: /^(?:d|days?)$/i,
};
/** A larger number is a moment, in seconds since 1970, from the next one on in milliseconds. */
const FIRST_MOMENT_S = 1e9;
const FIRST_MOMENT_MS = 1e11;
const ZONE = /(?:\b(?:gmt|utc?|[ecmp][sd]t)|z|[+-]\d{2}:?\d{2})\W*$/i;
const REMAINING = ['x-ratelimit-remaining', 'x-rate-limit-remaining', 'ratelimit-remaining'];
const RESET = [
  'x-ratelimit-reset-after',
  'x-ratelimit-reset',
  'x-rate-limit-reset',
  'ratelimit-reset',
];

/**
 * Whether a refusal may pass, and after which time.
 *
 * A 403 is one that may where the server says when to come again, or that a limit is used up: so do
 * some in place of 429.
 *
 * @param {number} status
 * @param {Headers} headers
 * @returns {{ mayPass: boolean, retryAfter: number | undefined }} in milliseconds
 */
function retryOf(status, headers) {
  const asked = millisecondsIn(headers.get('retry-after'));
  const remaining = first(headers, REMAINING);
  const isUsedUp = remaining !== null && Number(remaining) <= 0;
  const isBusy = status === 429 || (status === 403 && (asked !== undefined || isUsedUp));
  // Where requests remain, it is another limit than the one that the headers are about.
  const isAboutLimit = isBusy && (remaining === null || isUsedUp);
  const reset = isAboutLimit ? millisecondsIn(first(headers, RESET)) : undefined;
  return { mayPass: isBusy || status >= 500, retryAfter: asked ?? (reset || undefined) };
}

function first(headers, names) {
  for (const name of names) if (headers.has(name)) return headers.get(name);
  return null;
}

/**
 * The time that a header names: seconds (`120`, `1.5`), a duration (`120s`, `1m30s`, `250 ms`), a
 * moment in seconds or milliseconds since 1970, or a date, in UTC where it names no zone.
 *
 * @param {string | null} header
 * @returns {number | undefined} milliseconds from now; `undefined` for anything else
 */
function millisecondsIn(header) {
  const text = (header ?? '').trim().replace(/^"(.*)"$/, '$1');
  if (/^\d+(?:\.\d+)?$/.test(text)) {
    const number = Number(text);
    if (number >= FIRST_MOMENT_MS) return fromNow(number);
    return number >= FIRST_MOMENT_S ? fromNow(number * 1000) : Math.ceil(number * 1000);
  }
  return durationIn(text) ?? dateIn(text);
}

function durationIn(text) {
  DURATION.lastIndex = 0;
  let sum = 0;
  let end = 0;
  for (let part = DURATION.exec(text); part !== null; part = DURATION.exec(text)) {
    const unit = Object.keys(NAMES).find((each) => NAMES[each].test(part[2]));
    if (unit === undefined) return undefined;
    sum += Number(part[1]) * UNITS_MS[unit];
    end = DURATION.lastIndex;
  }
  return end > 0 && end === text.length ? Math.ceil(sum) : undefined;
}

function dateIn(text) {
  // Date.parse takes much that is no date
  if (!/\d:\d\d/.test(text) || !/\d{2}/.test(text)) return undefined;
  const time = Date.parse(ZONE.test(text) ? text : `${text.replace(/(\d)T(\d)/, '$1 $2')} UTC`);
  return Number.isNaN(time) ? undefined : fromNow(time);
}

function fromNow(time) {
  return Math.max(0, time - Date.now());
}

module.exports = { millisecondsIn, retryOf };
