'use strict';

const { ConnectorError } = require('./errors');
const { dateKind } = require('./dates');

/** How many decimals of a second an epoch's unit has. */
const EPOCHS = { seconds: 0, milliseconds: 3, microseconds: 6, nanoseconds: 9 };
const EPOCH_ENTRY = /^(?:(.+):\s*)?(seconds|milliseconds|microseconds|nanoseconds)$/s;
const PATTERN_ENTRY = /^(?:([^%]+?):\s*)?([^%]*%.*)$/s;
const MONTHS =
  'january february march april may june july august september october november december';
const MONTH_NAMES = MONTHS.split(' ');
const MONTH = [...MONTH_NAMES, ...MONTH_NAMES.map((name) => name.slice(0, 3)), 'sept'].join('|');
/** The longest time that a date of four digits has, in seconds since 1970. */
const LAST_SECOND = 253_402_300_799n;
const FIRST_SECOND = -62_135_596_800n;

/** What a directive stands for, and the part of a moment that it tells. */
const DIRECTIVES = {
  Y: ['\\d{4}', 'year'],
  y: ['\\d{2}', 'shortYear'],
  m: ['\\d{1,2}', 'month'],
  B: [MONTH, 'monthName'],
  b: [MONTH, 'monthName'],
  d: [' ?\\d{1,2}', 'day'],
  e: [' ?\\d{1,2}', 'day'],
  j: ['\\d{1,3}', 'dayOfYear'],
  H: ['\\d{1,2}', 'hour'],
  I: ['\\d{1,2}', 'hour12'],
  p: ['[ap]\\.?m\\.?', 'half'],
  M: ['\\d{1,2}', 'minute'],
  S: ['\\d{1,2}', 'second'],
  f: ['\\d{1,9}', 'decimals'],
  z: ['Z|UTC|GMT|[+-]\\d{2}:?(?:\\d{2})?', 'zone'],
  Z: ['Z|UTC|GMT', 'zone'],
  A: ['\\p{L}+', null],
  a: ['\\p{L}+\\.?', null],
};
const SHORT = { F: '%Y-%m-%d', T: '%H:%M:%S', R: '%H:%M', D: '%m/%d/%y' };
const TIME = ['hour', 'hour12', 'minute', 'second', 'decimals'];

/**
 * How a column's dates are written where that is not ISO 8601: an epoch's unit, or a pattern with the
 * directives of strftime, such as `%d.%m.%Y %H:%M`.
 */
class DateFormat {
  #format;
  #parts = [];
  #pattern = null;

  /**
   * @param {string} format
   * @throws {ConnectorError} for a pattern that does not name a day
   */
  constructor(format) {
    this.#format = format;
    if (!Object.hasOwn(EPOCHS, format)) this.#pattern = this.#compile(format);
  }

  /**
   * @param {unknown} value text, number or bigint
   * @returns {string | null} ISO 8601: a day, or a moment with `Z` where its zone is known; `null`
   *   where the value is not in this format
   */
  read(value) {
    if (typeof value === 'object' || typeof value === 'boolean') return null;
    const text = String(value).trim();
    const iso = this.#pattern === null ? momentOf(text, EPOCHS[this.#format]) : this.#match(text);
    return iso === null || dateKind(iso) === null ? null : iso;
  }

  toString() {
    return this.#format;
  }

  #compile(format) {
    const whole = format.replace(/%([FTRD])/g, (_, short) => SHORT[short]);
    let pattern = '';
    for (const [token, letter] of whole.matchAll(/%[-_]?(.)|[^%]+|%$/gs)) {
      if (letter === undefined || letter === '%') {
        pattern += escaped(letter ?? token);
        continue;
      }
      const [source, part] =
        DIRECTIVES[letter] ?? this.#refuse(`has the unknown directive ${token}`);
      if (part === null) {
        pattern += `(?:${source})`;
        continue;
      }
      this.#parts.push(part);
      pattern += `(${source})`;
    }
    const has = (...names) => names.some((name) => this.#parts.includes(name));
    const hasDay = has('dayOfYear') || (has('month', 'monthName') && has('day'));
    if (!has('year', 'shortYear') || !hasDay) this.#refuse('names no year, month and day');
    if (has('hour12') !== has('half')) this.#refuse('has one of %I and %p only');
    if (has(...TIME) && !has('hour', 'hour12')) this.#refuse('has minutes without hours');
    if (has('second', 'decimals') && !has('minute')) this.#refuse('has seconds without minutes');
    return new RegExp(`^${pattern}$`, 'iu');
  }

  #refuse(why) {
    throw new ConnectorError(
      `DateFormat "${this.#format}" ${why}: write it like %d.%m.%Y %H:%M, or as seconds or milliseconds`,
    );
  }

  #match(text) {
    const found = this.#pattern.exec(text);
    if (found === null) return null;
    const parts = Object.fromEntries(this.#parts.map((part, at) => [part, found[at + 1]]));
    const day = dayOf(parts);
    if (day === null || !TIME.some((part) => parts[part] !== undefined)) return day;
    const hour = hourOf(parts);
    const { minute = '0', second = '0', decimals, zone } = parts;
    const clock = [hour, Number(minute), Number(second)].map(twoDigits).join(':');
    const fraction = decimals === undefined ? '' : `.${decimals}`;
    return `${day}T${clock}${fraction}${zone === undefined ? '' : isoZone(zone)}`;
  }
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&').replace(/\s+/g, '\\s+');
}

function twoDigits(number) {
  return String(number).padStart(2, '0');
}

function dayOf({ year, shortYear, month, monthName, day, dayOfYear }) {
  // as POSIX has it: 69 is 1969, and 68 is 2068
  const full = Number(year ?? (shortYear < 69 ? `20${shortYear}` : `19${shortYear}`));
  const text = String(full).padStart(4, '0');
  if (dayOfYear === undefined) {
    const number = monthName === undefined ? Number(month) : numberOf(monthName);
    return `${text}-${twoDigits(number)}-${twoDigits(Number(day))}`;
  }
  const date = new Date(Date.UTC(2000, 0, Number(dayOfYear)));
  date.setUTCFullYear(full, 0, Number(dayOfYear));
  return date.getUTCFullYear() === full ? date.toISOString().slice(0, 10) : null;
}

function numberOf(monthName) {
  return MONTH_NAMES.findIndex((name) => name.startsWith(monthName.toLowerCase().slice(0, 3))) + 1;
}

function hourOf({ hour, hour12, half }) {
  if (hour12 === undefined) return Number(hour);
  if (hour12 < 1 || hour12 > 12) return 99;
  return (Number(hour12) % 12) + (/^p/i.test(half) ? 12 : 0);
}

function isoZone(zone) {
  if (/^[a-z]/i.test(zone)) return 'Z';
  const [, hours, minutes] = /^([+-]\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  return `${hours}:${minutes ?? '00'}`;
}

/** Without a double between, which would not hold a microsecond. */
function momentOf(text, decimals) {
  const [, sign, whole, rest = ''] = /^([+-]?)(\d{1,20})(?:\.(\d{1,12}))?$/.exec(text) ?? [];
  if (whole === undefined) return null;
  const digits = `${whole}${rest}`;
  const scale = 10n ** BigInt(decimals + rest.length);
  const amount = sign === '-' ? -BigInt(digits) : BigInt(digits);
  let seconds = amount / scale;
  let fraction = amount % scale;
  if (fraction < 0n) {
    fraction += scale;
    seconds -= 1n;
  }
  if (seconds > LAST_SECOND || seconds < FIRST_SECOND) return null;
  const iso = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  const shown = fraction
    .toString()
    .padStart(decimals + rest.length, '0')
    .slice(0, 9);
  return fraction === 0n ? `${iso}Z` : `${iso}.${shown.replace(/0+$/, '') || '0'}Z`;
}

/**
 * The formats of a configuration by column: `["created: seconds", "%d.%m.%Y"]`. One without a column
 * is that of the date column.
 *
 * @param {import('./AbstractConfig').AbstractConfig} config
 * @returns {Map<string, DateFormat>}
 * @throws {ConnectorError}
 */
function dateFormats(config) {
  const formats = new Map();
  for (const entry of config.getValue('DateFormat')) {
    const [, column, format] = EPOCH_ENTRY.exec(entry) ?? PATTERN_ENTRY.exec(entry) ?? [];
    if (format === undefined) {
      throw new ConnectorError(
        `DateFormat has the entry "${entry}": write it like "created: seconds" or "day: %d.%m.%Y"`,
      );
    }
    const name = column?.trim() ?? config.getValue('DateColumn');
    if (name === null) {
      throw new ConnectorError(
        `DateFormat "${entry}" names no column, and there is no DateColumn: write it like "day: ${format}"`,
      );
    }
    formats.set(name, new DateFormat(format));
  }
  return formats;
}

module.exports = { DateFormat, dateFormats };
