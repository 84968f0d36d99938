'use strict';

const assert = require('node:assert/strict');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const { Connectors } = require('../../packages/connectors');
const { DateFormat } = require('../../packages/connectors/src/Core/DateFormat');
const { readApi, startApi } = require('./support/api');
const { RecordingConfig } = require('./support/memory');

test('dates are read as their format says, or not at all', () => {
  const cases = [
    ['seconds', 0, '1970-01-01T00:00:00Z'],
    ['seconds', '1700000000', '2023-11-14T22:13:20Z'],
    ['seconds', '1700000000.123456', '2023-11-14T22:13:20.123456Z'],
    ['seconds', -1, '1969-12-31T23:59:59Z'],
    ['seconds', '-0.5', '1969-12-31T23:59:59.5Z'],
    ['seconds', 1700000000000, null], // the year 55841
    ['seconds', '1.7e9', null],
    ['seconds', '2023-11-14', null],
    ['seconds', true, null],
    ['milliseconds', 1700000000123, '2023-11-14T22:13:20.123Z'],
    ['milliseconds', ' 1700000000123 ', '2023-11-14T22:13:20.123Z'],
    ['microseconds', 1700000000123456n, '2023-11-14T22:13:20.123456Z'],
    ['nanoseconds', '1700000000123456789', '2023-11-14T22:13:20.123456789Z'],
    ['%d.%m.%Y', '31.12.2024', '2024-12-31'],
    ['%d.%m.%Y', '1.2.2024', '2024-02-01'],
    ['%d.%m.%Y', '31.02.2024', null],
    ['%d.%m.%Y', '31.12.24', null],
    ['%d.%m.%Y', '31x12x2024', null],
    ['%d.%m.%Y', '31.12.2024 10:00', null],
    ['%m/%d/%y', '02/29/24', '2024-02-29'],
    ['%D', '02/29/69', null], // 1969 was no leap year
    ['%d-%b-%y', '05-Sep-99', '1999-09-05'],
    ['%B %d, %Y', 'sept 5, 2024', '2024-09-05'],
    ['%B %d, %Y', 'Septembre 5, 2024', null],
    ['%Y%m%d', '20240229', '2024-02-29'],
    ['%Y-%j', '2024-366', '2024-12-31'],
    ['%Y-%j', '2023-366', null],
    ['%Y-%j', '2023-000', null],
    ['%F %T', '2024-01-02 03:04:05', '2024-01-02T03:04:05'],
    ['%d.%m.%Y %H:%M', '31.12.2024  7:05', '2024-12-31T07:05:00'],
    ['%d.%m.%Y %H:%M', '31.12.2024 24:00', null],
    ['%m/%d/%Y %I:%M:%S %p', '1/2/2024 12:00:01 AM', '2024-01-02T00:00:01'],
    ['%m/%d/%Y %I:%M %p', '1/2/2024 12:30 p.m.', '2024-01-02T12:30:00'],
    ['%m/%d/%Y %I:%M %p', '1/2/2024 13:30 PM', null],
    ['%Y%m%dT%H%M%S.%f%z', '20240102T030405.25+0530', '2024-01-02T03:04:05.25+05:30'],
    ['%a, %d %b %Y %H:%M:%S %Z', 'Tue, 02 Jan 2024 03:04:05 GMT', '2024-01-02T03:04:05Z'],
    ['%a %b %e %H:%M:%S %Y', 'Tue Jan  2 03:04:05 2024', '2024-01-02T03:04:05'],
    ['%d.%m.%Y 100%%', '31.12.2024 100%', '2024-12-31'],
    ['%d(%m)[%Y]', '31(12)[2024]', '2024-12-31'],
  ];
  for (const [format, value, expected] of cases) {
    assert.equal(new DateFormat(format).read(value), expected, `${value} as ${format}`);
  }
  for (const format of [
    '%d.%m',
    '%Y %M',
    '%Q.%m.%Y',
    '%d.%m.%Y %I',
    '%d.%m.%Y %M',
    '%Y-%m-%d %H %S',
    '%',
  ]) {
    assert.throws(() => new DateFormat(format), /DateFormat ".*" (names|has)/, format);
  }
});

test('HttpJson reads dates of its columns by their formats, within records too', async (t) => {
  let body = [
    { id: 1, a: { day: '31.01.2026' }, at: 1767225600 },
    { id: 2, a: null, at: null },
  ];
  const api = await startApi(t, () => ({ body }));
  const parameters = {
    Url: api.origin,
    UniqueKeys: ['id'],
    DateColumn: 'at',
    DateFormat: ['a.day: %d.%m.%Y', 'seconds'],
  };
  const { rows } = await readApi(parameters);
  assert.deepEqual(rows, [
    { id: 1, a: { day: '31.01.2026' }, at: '2026-01-01T00:00:00Z', 'a.day': '2026-01-31' },
    { id: 2, a: null, at: null, 'a.day': null },
  ]);
  const range = { start: '2026-01-01', end: '2026-01-01' };
  assert.equal((await readApi(parameters, range)).rows.length, 1);
  const byPath = {
    ...parameters,
    DateColumn: 'a.day',
    DateFormat: '%d.%m.%Y',
    UniqueKeys: ['a.day'],
  };
  assert.equal(
    (await readApi(byPath, { start: '2026-01-31', end: null })).rows[0]['a.day'],
    '2026-01-31',
  );
  body = [{ at: 1767225600000 }];
  await assert.rejects(
    readApi(parameters),
    /has the at 1767225600000, which is not in the format seconds/,
  );
  const without = { ...parameters, DateFormat: [] };
  await assert.rejects(readApi(without), /no ISO date .*set DateFormat/);
  await assert.rejects(
    readApi({ ...parameters, DateColumn: null }),
    /names no column, and there is no DateColumn/,
  );
  await assert.rejects(
    readApi({ ...parameters, DateFormat: 'at: DD.MM' }),
    /has the entry "at: DD\.MM"/,
  );
});

test('CsvFile reads dates of its columns by their formats, and names the line of one that is not', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'date-format-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const Path = path.join(folder, 'a.csv');
  const read = async (text, parameters, range = { start: null, end: null }) => {
    writeFileSync(Path, text);
    const config = new RecordingConfig({ Path, ...parameters });
    const source = new Connectors.CsvFile.CsvFileSource(config);
    const rows = [];
    for await (const batch of source.fetch(source.tables()[0], range)) rows.push(...batch);
    return rows.map((row) => ({ ...row }));
  };
  const text = 'id,day,at\n1,31.01.2026,1767225600000\n2,n/a,\n';
  const parameters = {
    DateColumn: 'day',
    NullValues: ['n/a'],
    DateFormat: ['%d.%m.%Y', 'at: milliseconds'],
  };
  assert.deepEqual(await read(text, parameters), [
    { id: '1', day: '2026-01-31', at: '2026-01-01T00:00:00Z' },
    { id: '2', day: null, at: null },
  ]);
  assert.equal((await read(text, parameters, { start: '2026-02-01', end: null })).length, 0);
  await assert.rejects(
    read(text, { ...parameters, NullValues: [] }),
    /Line 3 has the day "n\/a", which is not in the format %d\.%m\.%Y/,
  );
  await assert.rejects(read(text, { DateFormat: 'no: seconds' }), /no column "no"/);
});
