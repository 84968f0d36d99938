'use strict';
// Any table of texts, as CSV and as JSON, is loaded into DuckDB and read back: each text is there, or
// its exact value. Columns are independent of each other, so that a wide table is many cases.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { startApi } = require('./connectors/support/api');
const { query } = require('./support/duckdb');
const { runnerOf } = require('./support/runs');
const { tempFolder } = require('./support/temp');

const ROWS = 40;
const COLUMNS = 240;

/** A small generator with a seed, so that a failure can be repeated. */
function randomFrom(seed) {
  let state = seed;
  const below = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return { below, of: (list) => list[below(list.length)] };
}

const digits = ({ below }, most) =>
  Array.from({ length: 1 + below(most) }, () => below(10)).join('');
const pad = (number, length = 2) => String(number).padStart(length, '0');
const sign = ({ of }) => of(['', '', '', '-']);
const dayOf = ({ below, of }) =>
  [of([1, 1970, 2024, 9999]), 1 + below(12), 1 + below(28)].map((part, at) =>
    pad(part, at ? 2 : 4),
  );

/** What columns are made of: mostly of one kind, some of several. */
const KINDS = {
  digit: (random) => String(random.below(10)),
  integer: (random) => sign(random) + String(Number(digits(random, 9))),
  long: (random) => sign(random) + BigInt(digits(random, 21)),
  limit: ({ of }) =>
    of(['9223372036854775807', '-9223372036854775808', '9223372036854775808', '9007199254740993']),
  padded: (random) => `0${digits(random, 4)}`,
  price: (random) => `${Number(digits(random, 4))}.${pad(random.below(100))}`,
  decimal: (random) => `${sign(random)}${Number(digits(random, 6))}.${digits(random, 12)}`,
  double: (random) => String((random.below(2 ** 31) / 7) * 10 ** (random.below(60) - 30)),
  exponent: (random) =>
    `${1 + random.below(9)}${random.of(['', '.5', '.50'])}${random.of(['e', 'E'])}${random.of(['', '+', '-'])}${random.below(400)}`,
  version: (random) =>
    random.of(['3.1', '3.10', '3.2', '3.10.1', '1e2', '100', '100.0', '.5', '0.5', '-0', '0']),
  boolean: ({ of }) => of(['true', 'false']),
  shouted: ({ of }) => of(['true', 'TRUE', 'False']),
  date: (random) => dayOf(random).join(random.of(['-', '-', '/'])),
  timestamp: (random) =>
    `${dayOf(random).join('-')}${random.of(['T', ' '])}${pad(random.below(24))}:${pad(random.below(60))}` +
    random.of(['', ':07', ':59.5', ':00.123456', ':59.123456789']),
  moment: (random) =>
    KINDS.timestamp(random).replace(/^\d{4}/, '2024') +
    random.of(['Z', 'z', ' UTC', '+02', '-05:30', '+1400', 'Z']),
  word: ({ of }) =>
    of([
      'a',
      'b',
      'NULL',
      'null',
      'NaN',
      'Infinity',
      '\\N',
      'n/a',
      '-',
      '=1+1',
      '"',
      '""',
      "'",
      ' ',
      ' 1',
      '1 ',
      '\t',
      '{}',
      '[1]',
      '{"a":',
    ]),
  text: ({ below, of }) =>
    Array.from({ length: below(8) }, () =>
      of([
        '"',
        ',',
        ';',
        '\n',
        '\r\n',
        '\r',
        '\\',
        'ж',
        '東',
        '😀',
        'e\u0301',
        '\ufeff',
        '\u2028',
        '\u200b',
        'x',
        '\x01',
      ]),
    ).join(''),
};
const NAMES = Object.keys(KINDS);

/** Columns of texts; `null` and empty texts are among them. */
function tableOf(random) {
  return Array.from({ length: COLUMNS }, (_, at) => {
    const first = NAMES[at % NAMES.length];
    const kinds = random.below(3) === 0 ? [first, random.of(NAMES)] : [first];
    return Array.from({ length: ROWS }, () => {
      const kind = random.below(12) === 0 ? kinds.at(-1) : first;
      return random.below(15) === 0 ? '' : KINDS[kind](random);
    });
  });
}

/** A decimal as its significant digits and the power of ten of the last one; `null` for no number. */
function decimalOf(text) {
  const [, minus, whole, decimals = '', exponent = '0'] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  if (whole === undefined || whole + decimals === '') return null;
  const all = (whole + decimals).replace(/^0+/, '');
  const significant = all.replace(/0+$/, '');
  if (significant === '') return '0';
  const power = Number(exponent) - decimals.length + all.length - significant.length;
  return `${minus === '-' ? '-' : ''}${significant}e${power}`;
}

/** Whether a double is what a text says, to all the digits that the text has. */
function isValueOf(text, number) {
  const written = decimalOf(text);
  if (written === null || !Number.isFinite(number)) return false;
  if (written === '0') return number === 0;
  const { length } = written.split('e')[0].replace('-', '');
  return length <= 17 && decimalOf(number.toPrecision(length)) === written;
}

/** Microseconds since 1970, of a text without a zone in UTC; what is beyond them is cut off. */
function microsecondsOf(text) {
  const [, year, month, day, hour = 0, minute = 0, second = 0, decimals = '', zone = ''] =
    /^(\d{4})[-/](\d\d)[-/](\d\d)(?:[tT ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?\s*(z|UTC|[+-].*)?$/i.exec(
      text,
    );
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const [, offset, hours = 0, minutes = 0] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  const shift = BigInt(hours) * 60n + BigInt(minutes);
  const micros = BigInt(date.getTime()) * 1000n + BigInt(decimals.padEnd(6, '0').slice(0, 6));
  return micros - (offset === '-' ? -shift : shift) * 60_000_000n;
}

/** How the values of a type are read, and whether one is what a text says. */
const TYPES = {
  // DuckDB's client leaves a byte order mark out that a text begins with
  VARCHAR: {
    read: (name) => `'x' || ${name}`,
    isSame: (value, text) => value === `x${text}`,
  },
  BIGINT: { read: (name) => name, isSame: (value, text) => value === text },
  DOUBLE: { read: (name) => name, isSame: (value, text) => isValueOf(text, Number(value)) },
  BOOLEAN: { read: (name) => name, isSame: (value, text) => value === text.toLowerCase() },
};
for (const type of ['DATE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE']) {
  TYPES[type] = {
    read: (name) => `epoch_us(${name}::TIMESTAMPTZ)`,
    isSame: (value, text) => BigInt(value) === microsecondsOf(text),
  };
}

/** Loads a table and gives for each column its type and values. */
async function loaded(t, source, columns) {
  const database = path.join(tempFolder(t), 'data.duckdb');
  const storage = { name: 'DuckDb', config: { DatabasePath: database, DestinationTableName: 't' } };
  const result = await runnerOf(t, source, storage)();
  assert.equal(result.status, 'success', result.stderrTail);
  const described = new Map(
    (await query(database, 'DESCRIBE t')).map(([name, type]) => [name, type]),
  );
  const names = columns.map((_, at) => `c${at}`);
  const read = names.map((name) => {
    const type = described.get(name);
    return type === undefined ? 'NULL' : (TYPES[type]?.read(name) ?? `${name}::VARCHAR`);
  });
  await query(database, "SET TimeZone = 'UTC'");
  const rows = await query(database, `SELECT ${read.join(', ')} FROM t ORDER BY id`);
  assert.equal(rows.length, ROWS);
  return names.map((name, at) => ({
    type: described.get(name),
    values: rows.map((row) => row[at]),
  }));
}

/** Whatever is told apart in the source is told apart in the table; -0 is 0. */
function areApart(written, values) {
  const texts = written.map((text) => text.replace(/^-(?=0*\.?0*$)/, ''));
  return (
    new Set(texts).size === new Set(texts.map((text, at) => `${text === ''} ${values[at]}`)).size
  );
}

for (const [seed, delimiter, end] of [
  [1, ',', '\n'],
  [2, ';', '\r\n'],
]) {
  test(`each text of a CSV file is there, or its exact value; seed ${seed}`, async (t) => {
    const random = randomFrom(seed);
    const columns = tableOf(random);
    const field = (text) => {
      const needsQuotes = /["\r\n]|^$/.test(text) || text.includes(delimiter);
      const isQuoted = needsQuotes || random.below(4) === 0;
      return isQuoted ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const header = ['id', ...columns.map((_, at) => `c${at}`)].join(delimiter);
    const lines = Array.from({ length: ROWS }, (_, at) =>
      [at, ...columns.map((column) => field(column[at]))].join(delimiter),
    );
    const file = path.join(tempFolder(t), 'table.csv');
    fs.writeFileSync(file, `${[header, ...lines].join(end)}${end}`);
    const parameters = { Path: file, Delimiter: delimiter, UniqueKeys: ['id'] };
    const found = await loaded(t, { name: 'CsvFile', parameters }, columns);
    const seen = new Set();
    for (const [at, { type, values }] of found.entries()) {
      seen.add(type);
      for (const [row, text] of columns[at].entries()) {
        const value = values[row];
        const isSame = text === '' ? value === null : TYPES[type].isSame(value, text);
        assert.ok(isSame, `c${at}, row ${row}: ${JSON.stringify(text)} is ${type} ${value}`);
      }
      if (['DOUBLE', 'BOOLEAN', 'BIGINT'].includes(type)) {
        assert.ok(areApart(columns[at], values), `c${at}: ${columns[at].join(' ')}`);
      }
    }
    for (const type of Object.keys(TYPES)) assert.ok(seen.has(type), type);
  });
}

/** A text of a table as JSON: a number or a word where it is one, else a text; some are nested. */
function jsonOf(text, random) {
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text) && random.below(8) > 0) return text;
  if (/^(?:true|false)$/.test(text)) return text;
  return JSON.stringify(text);
}

/** Whether a value is what JSON says: a text itself, a number its exact value. */
function isJson(type, value, json) {
  if (json === 'null') return value === null;
  if (json === '""') return value === (type === 'VARCHAR' ? 'x' : null);
  if (json.startsWith('"')) return TYPES[type].isSame(value, JSON.parse(json));
  const text = type === 'VARCHAR' ? value.slice(1) : value;
  if (type === 'JSON' || json.startsWith('{')) return decimals(text) === decimals(json);
  if (/^[tf]/.test(json)) return text === json;
  return type === 'DOUBLE' ? isValueOf(json, Number(text)) : decimals(text) === decimals(json);
}

/** JSON with its numbers in one spelling each: that of the double where one is meant. */
function decimals(json) {
  return json.replace(/-?\d[\d.]*(?:e[+-]?\d+)?/gi, (number) => {
    const isInteger = /^-?\d+$/.test(number);
    const isDouble = !isInteger && isValueOf(number, Number(number));
    return decimalOf(isDouble ? String(Number(number)) : number);
  });
}

for (const seed of [3, 4]) {
  test(`each text and number of JSON is there, or its exact value; seed ${seed}`, async (t) => {
    const random = randomFrom(seed);
    const columns = tableOf(random).map((column, at) => {
      const isNested = at % 9 === 0;
      return column.map((text) => {
        const json = text === '' && random.below(2) === 0 ? 'null' : jsonOf(text, random);
        // what no double holds would be a text within
        const isKept =
          !isNested ||
          json.startsWith('"') ||
          isValueOf(json, Number(json)) ||
          /^-?\d+$/.test(json);
        return isNested && isKept ? `{"a":[${json},{}]}` : json;
      });
    });
    const lines = Array.from(
      { length: ROWS },
      (_, row) =>
        `{"id":${row},${columns.map((column, at) => `"c${at}":${column[row]}`).join(',')}}`,
    );
    const api = await startApi(t, () => ({ body: lines.join('\n') }));
    const parameters = { Url: api.origin, Format: 'ndjson', UniqueKeys: ['id'] };
    const found = await loaded(t, { name: 'HttpJson', parameters }, columns);
    for (const [at, { type, values }] of found.entries()) {
      for (const [row, json] of columns[at].entries()) {
        const isSame = isJson(type, values[row], json);
        assert.ok(isSame, `c${at}, row ${row}: ${json} is ${type} ${values[row]}`);
      }
    }
  });
}
