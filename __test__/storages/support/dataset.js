'use strict';
// Rows with what storages tend to bend: texts in many scripts, NULLs, numbers and dates at the
// edges, moments in zones. Each value comes as it is given to a source, and as it must come back.

/** The columns, and what kind of values they have. */
const KINDS = {
  id: 'integer',
  day: 'date',
  born: 'date',
  moment: 'timestamptz',
  local: 'timestamp',
  amount: 'number',
  big: 'integer',
  text: 'string',
  code: 'string',
  flag: 'boolean',
  rare: 'string',
  tags: 'json',
};

const PER_DAY = 25;
const FIRST_DAY = Date.UTC(2026, 0, 1);
const DAY_MS = 24 * 60 * 60 * 1000;
const MOST = 2n ** 63n - 1n;
const LEAST = -(2n ** 63n);

const TEXTS = [
  'Київ, "їжак"',
  '東京タワー\nと富士山',
  'مرحبا بالعالم',
  'שלום עולם',
  'हिन्दी',
  'ไทย',
  '한국어',
  'Ελληνικά',
  'e\u0301 is not é',
  '👩‍👩‍👧‍👦 🇺🇦',
  "O'Hara \\n back\\slash `tick`",
  'tab\there',
  ' spaces around ',
  '"quoted"',
  "'); DROP TABLE t; --",
  'NULL',
  '\\N',
  'a,b;c|d',
  '\u2028line separator\u2029',
  '{"json": [1, "}{"]}',
  '${HOME} %s {{x}} @p ?',
  'x'.repeat(5000),
];
const NUMBERS = [
  0.1, 0, -1.5, 1e300, -1e300, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308,
  0.30000000000000004, 123456.789, 9007199254740991, 1e21,
];
const INTEGERS = [MOST, LEAST, 0n, -1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 31n];
const DATES = ['0001-01-01', '9999-12-31', '1970-01-01', '1969-12-31', '2000-02-29', '1582-10-15'];
/** Minutes from UTC, and how they are written. */
const ZONES = [
  [0, 'Z'],
  [120, '+02:00'],
  [-210, '-0330'],
  [345, '+0545'],
  [-720, '-12:00'],
  [840, '+14:00'],
];
/** In microseconds from 1970. */
const MOMENTS = [0n, -1n, -62135596800000000n, 253402300799999999n, 951782400000000n];

const at = (list, index) => list[((index % list.length) + list.length) % list.length];

/** "2026-01-02T03:04:05.000006" for microseconds from 1970. */
function timeOf(micros) {
  const part = ((micros % 1000000n) + 1000000n) % 1000000n;
  const seconds = Number((micros - part) / 1000000n);
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${text}.${String(part).padStart(6, '0')}`;
}

/** As a person would write it: without zeros at the end. */
const short = (time) => time.replace(/\.?0+$/, '');

function dayOf(index) {
  return new Date(FIRST_DAY + Math.floor(index / PER_DAY) * DAY_MS).toISOString().slice(0, 10);
}

function momentOf(index) {
  if (index % 11 === 0) {
    const micros = at(MOMENTS, index / 11);
    return { given: `${timeOf(micros)}Z`, expected: `${timeOf(micros)}Z` };
  }
  const micros =
    BigInt(FIRST_DAY + index * 3_599_123) * 1000n + BigInt(index % 2 ? 0 : index % 1000);
  const [minutes, zone] = at(ZONES, index);
  const written = timeOf(micros + BigInt(minutes) * 60_000_000n);
  return { given: `${short(written)}${zone}`, expected: `${timeOf(micros)}Z` };
}

function localOf(index) {
  const time = timeOf(BigInt(FIRST_DAY + index * 61_000) * 1000n + BigInt(index % 3 ? 0 : 120_000));
  return { given: index % 2 ? short(time) : time.replace('T', ' '), expected: time };
}

/** @returns {Record<string, { given: unknown, expected: unknown }>} integers are BigInts */
function rowAt(index) {
  const same = (value) => ({ given: value, expected: value });
  const integer = (value) => ({ given: value, expected: value === null ? null : String(value) });
  const edge = { 0: LEAST, 1: MOST }[index];
  return {
    id: integer(edge ?? BigInt(index)),
    day: same(dayOf(index)),
    born: same(index % 5 ? at(DATES, index) : null),
    moment: index % 7 === 3 ? same(null) : momentOf(index),
    local: index % 9 === 4 ? same(null) : localOf(index),
    amount: same(index % 13 === 5 ? null : index % 3 ? at(NUMBERS, index) : index / 8),
    big: integer(index % 6 === 1 ? null : at(INTEGERS, index)),
    text: same(index % 4 === 2 ? `${at(TEXTS, index)} ${index}` : at(TEXTS, index)),
    code: same(String(Math.abs(index)).padStart(5, '0')),
    flag: same([true, false, null][Math.abs(index % 3)]),
    rare: same(index % 97 === 0 ? `only ${index}` : null),
    tags: same(index % 2 ? { index, names: [at(TEXTS, index)], none: null } : null),
  };
}

/** The rows from one number to another, that one left out; 25 of them lie in a day. */
function rowsOf(from, to) {
  return Array.from({ length: to - from }, (_, offset) => rowAt(from + offset));
}

const pick = (row, side) =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value[side]]));

/** As a source gives them. */
const givenOf = (rows) => rows.map((row) => pick(row, 'given'));

/** As a storage must give them back, whatever it is. */
const expectedOf = (rows) => rows.map((row) => pick(row, 'expected'));

function toCsv(rows) {
  const names = Object.keys(KINDS);
  const field = (value) => {
    if (value === null) return '';
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = givenOf(rows).map((row) => names.map((name) => field(row[name])).join(','));
  return `${[names.join(','), ...lines].join('\n')}\n`;
}

/** A list of records; integers are written with all their digits. */
function toJson(rows) {
  const records = givenOf(rows).map((row) => {
    const members = Object.entries(row).map(
      ([name, value]) =>
        `${JSON.stringify(name)}:${typeof value === 'bigint' ? value : JSON.stringify(value)}`,
    );
    return `{${members.join(',')}}`;
  });
  return `[${records.join(',')}]`;
}

module.exports = { KINDS, dayOf, expectedOf, rowsOf, timeOf, toCsv, toJson };
