'use strict';
// CsvFile into DuckDb through real runs, read back with DuckDB itself.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { randomOf } = require('./support/daily');
const { execute, occupy, query, referencePackage } = require('./support/duckdb');
const { tempFolder } = require('./support/temp');

/** A folder with a CSV file and a database, and a function that runs the connector on them. */
function project(t, csv, source = {}, name = 'data') {
  const folder = tempFolder(t);
  const file = path.join(folder, 'data.csv');
  const database = path.join(folder, `${name}.duckdb`);
  const runner = new ConnectorRunner({ connectorsPackage: referencePackage, runsDir: folder });
  const write = (text) => fs.writeFileSync(file, text);
  write(csv);
  const run = async ({ type, data, state, parameters, storage, onSpawn } = {}) => {
    const messages = [];
    const config = new Config({
      name: 'test',
      source: { name: 'CsvFile', config: { Path: file, ...source, ...parameters } },
      storage: {
        name: 'DuckDb',
        config: { DatabasePath: database, DestinationTableName: 't', ...storage },
      },
    });
    const onStdout = (text) =>
      messages.push(
        ...text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
      );
    const stdio = { logCapture: { onStdout }, onSpawn };
    const runConfig = new RunConfig({ type, data, state });
    const result = await runner.run('id', 'run', config, runConfig, stdio);
    return { ...result, summary: messages.findLast(({ summary }) => summary)?.summary };
  };
  return { database, folder, run, write, rows: (sql) => query(database, sql) };
}

const DAYS = 'day,id,name\n2026-01-01,1,a\n2026-01-02,2,b\n2026-01-03,3,c\n2026-01-04,4,d\n';
const BY_DAY = { DateColumn: 'day', UniqueKeys: ['id'] };

test('types and values are kept, in several scripts, and nothing is bent', async (t) => {
  const csv = [
    'i,n,b,d,ts,zip,big,text,none',
    '1,1.5,true,2026-01-02,2026-01-02T03:04:05,007,9007199254740993,"Київ, ""✓""\nline",',
    '-9223372036854775808,-0.25,false,1999-12-31,1999-12-31T23:59:59,00,9223372036854775807,東京,',
    '9223372036854775807,1e300,true,2000-02-29,2000-02-29T00:00:00,1,1,مرحبا,',
    '',
  ].join('\n');
  const { run, rows } = project(t, csv);
  const { summary, warnings } = await run({ type: 'FULL_REFRESH' });
  assert.deepEqual([summary.rows, summary.total, summary.table], [3, 3, 't']);
  assert.deepEqual(warnings, []);
  const types = await rows(
    `SELECT column_name, data_type FROM information_schema.columns ORDER BY ordinal_position`,
  );
  assert.deepEqual(Object.fromEntries(types), {
    i: 'BIGINT',
    n: 'DOUBLE',
    b: 'BOOLEAN',
    d: 'DATE',
    ts: 'TIMESTAMP',
    zip: 'VARCHAR',
    big: 'BIGINT',
    text: 'VARCHAR',
    none: 'VARCHAR',
  });
  const stored = await rows('SELECT i, n, b, d::VARCHAR, zip, big, text, none FROM t ORDER BY i');
  assert.deepEqual(stored, [
    [
      '-9223372036854775808',
      '-0.25',
      'false',
      '1999-12-31',
      '00',
      '9223372036854775807',
      '東京',
      null,
    ],
    ['1', '1.5', 'true', '2026-01-02', '007', '9007199254740993', 'Київ, "✓"\nline', null],
    ['9223372036854775807', '1e+300', 'true', '2000-02-29', '1', '1', 'مرحبا', null],
  ]);
});

test('lines that are staged as they stand say what their fields do', async (t) => {
  const random = randomOf(7);
  const one = (list) => list[Math.floor(random() * list.length)];
  const parts = [
    ' ',
    '\\',
    "'",
    '#',
    '\0',
    'é',
    '🙂',
    '\u2028',
    '\u00a0',

    'NULL',
    '\\N',
    'x',
    '--',
  ];
  for (const delimiter of [',', ';', '\\t', '|', ':']) {
    const separator = delimiter === '\\t' ? '\t' : delimiter;
    const all = [...parts, ',', ';', '\t', '|', ':', '"', '\n', '\r'];
    const records = Array.from({ length: 600 }, (_, n) => {
      const values = Array.from({ length: 3 }, () =>
        Array.from({ length: Math.floor(random() * 4) }, () =>
          one(random() < 0.5 ? parts : all),
        ).join(''),
      );
      return [`k${n}`, ...values];
    });
    const field = (text) => {
      const isBound =
        text.startsWith('"') || [separator, '\n', '\r'].some((part) => text.includes(part));
      return isBound || random() < 0.2 ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = records.map((record) => record.map(field).join(separator));
    const csv = `${['k', 'a', 'b', 'c'].join(separator)}\n${lines.join('\r\n')}`;
    const Types = ['k', 'a', 'b', 'c'].map((name) => `${name}: string`);
    const { run, rows } = project(t, csv, { Delimiter: delimiter, UniqueKeys: ['k'], Types });
    await run();
    const stored = await rows('SELECT k, a, b, c FROM t ORDER BY CAST(substr(k, 2) AS INTEGER)');
    const expected = records.map((record) => record.map((text) => (text === '' ? null : text)));
    assert.deepEqual(stored, expected, delimiter);
  }
});

test('a second run merges by unique keys, adds columns, and keeps what it lacks', async (t) => {
  const { run, rows, write } = project(t, 'id,name\n1,a\n2,b\n', { UniqueKeys: ['id'] });
  await run();
  write('id,score\n2,7.5\n3,8\n');
  const { summary } = await run();
  assert.deepEqual([summary.rows, summary.total], [2, 3]);
  assert.deepEqual(await rows('SELECT id, name, score FROM t ORDER BY id'), [
    ['1', 'a', null],
    ['2', 'b', '7.5'],
    ['3', null, '8'],
  ]);
});

test('timestamps are read in each spelling that is unambiguous, with and without a zone', async (t) => {
  const csv = [
    'id,moment,local,day',
    '1,2026-01-01T03:04:05.1234567+02,2026-01-01T03:04:05.123456789,2026/01/02',
    '2,2026-01-01T13:18Z,2026/01/01 01:00:00,2026-01-02',
    '3,2026-01-01 03:04:05 UTC,2026-01-01 03:04,2026-01-02',
    '4,2026-01-01t03:04:05z,2026-01-01t03:04:05.5,2026-01-02',
    '5,2026-01-01,2026-01-01,2026-01-02',
    '6,2026-01-01 03:04:05,2026-01-01 03:04:05,2026-01-02',
    '7,2026-01-01 03:04:05 -0130,,',
    '',
  ].join('\n');
  const expected = [
    ['1', '2026-01-01 01:04:05.123456', '2026-01-01 03:04:05.123456', '2026-01-02'],
    ['2', '2026-01-01 13:18:00', '2026-01-01 01:00:00', '2026-01-02'],
    ['3', '2026-01-01 03:04:05', '2026-01-01 03:04:00', '2026-01-02'],
    ['4', '2026-01-01 03:04:05', '2026-01-01 03:04:05.5', '2026-01-02'],
    ['5', '2026-01-01 00:00:00', '2026-01-01 00:00:00', '2026-01-02'],
    ['6', '2026-01-01 03:04:05', '2026-01-01 03:04:05', '2026-01-02'],
    ['7', '2026-01-01 04:34:05', null, null],
  ];
  const { run, rows, write } = project(t, csv, { UniqueKeys: ['id'] });
  await run();
  const stored = () =>
    rows(
      "SELECT id, CAST(moment AT TIME ZONE 'UTC' AS VARCHAR), CAST(local AS VARCHAR), CAST(day AS VARCHAR) FROM t ORDER BY id",
    );
  assert.deepEqual(await stored(), expected);
  // a later run that has days only
  write('id,moment\n6,2026-02-03\n');
  await run();
  assert.equal((await stored())[5][1], '2026-02-03 00:00:00');
});

test('INCREMENTAL goes on from the state, or from LastRequestedDate, with a lookback', async (t) => {
  const { run, rows, write } = project(t, DAYS, BY_DAY);
  const first = await run({ type: 'INCREMENTAL' });
  const stateOf = (date) => ({ date, tables: { t: { date } } });
  assert.deepEqual(first.state, stateOf('2026-01-04T00:00:00.000Z'));
  write(DAYS.replaceAll(/,(\w)\n/g, ',$1$1\n') + '2026-01-05,5,e\n');
  const second = await run({
    state: first.state,
    parameters: { ReimportLookbackWindow: 1 },
  });
  assert.equal(second.summary.rows, 3);
  assert.deepEqual(second.state, stateOf('2026-01-05T00:00:00.000Z'));
  const names = async () => (await rows('SELECT name FROM t ORDER BY id')).flat().join();
  assert.equal(await names(), 'a,b,cc,dd,e');
  await run({ parameters: { ReimportLookbackWindow: 0, LastRequestedDate: '2026-01-02' } });
  assert.equal(await names(), 'a,bb,cc,dd,e');
});

test('a database, a table or its rows that are gone are loaded from the beginning, with a warning', async (t) => {
  const { database, run, rows } = project(t, DAYS, BY_DAY);
  const { state } = await run();
  const change = (sql) => execute(database, sql);
  for (const lose of [
    () => fs.rmSync(database),
    () => change('DROP TABLE t'),
    () => change('DELETE FROM t'),
    () => change('DROP TABLE t; CREATE TABLE "T" (day DATE, id BIGINT, name VARCHAR)'),
  ]) {
    await lose();
    const again = await run({ state });
    assert.equal(again.summary.total, 4, String(lose));
    assert.match(again.warnings[0], /^Table "t" is missing or empty, though it was loaded up to /);
    assert.deepEqual((await rows('SELECT id FROM t ORDER BY id')).flat(), ['1', '2', '3', '4']);
    assert.deepEqual(again.state, state);
  }
  assert.deepEqual((await run({ state })).warnings, [], 'what is there is not loaded again');
});

test('MANUAL_BACKFILL loads its range and leaves the state alone; CUSTOM overrides', async (t) => {
  const { run, rows } = project(t, DAYS, BY_DAY);
  const backfill = await run({
    type: 'MANUAL_BACKFILL',
    data: [
      { configField: 'StartDate', value: '2026-01-02' },
      { configField: 'EndDate', value: '2026-01-03' },
    ],
  });
  assert.equal(backfill.state, null);
  assert.deepEqual((await rows('SELECT id FROM t ORDER BY id')).flat(), ['2', '3']);
  await run({ type: 'CUSTOM', data: [{ configField: 'StartDate', value: '2026-01-04' }] });
  assert.deepEqual((await rows('SELECT id FROM t ORDER BY id')).flat(), ['2', '3', '4']);
});

test('FULL_REFRESH removes what the source has no more', async (t) => {
  const { run, rows, write } = project(t, DAYS, BY_DAY);
  await run();
  write(DAYS.split('\n').slice(0, 3).join('\n') + '\n');
  const { summary } = await run({ type: 'FULL_REFRESH' });
  assert.equal(summary.total, 2);
  assert.deepEqual((await rows('SELECT id FROM t ORDER BY id')).flat(), ['1', '2']);
});

test('days come again as a whole, rows without a day as well', async (t) => {
  const { run, rows } = project(t, 'day,v\n2026-01-01,1\n,2\n', { DateColumn: 'day' });
  await run();
  await run();
  assert.deepEqual(await rows('SELECT v FROM t ORDER BY v'), [['1'], ['2']]);
});

test('names that DuckDB does not take are said', async (t) => {
  const { run } = project(t, 'a\n1\n', { HasHeader: false, Columns: ['a\0'] });
  const { stderrTail } = await run().catch((error) => error);
  assert.match(stderrTail, /no table or column of the name "a\\u0000": rename it/);
});

test('hostile names are only names', async (t) => {
  const header = '"a""b; DROP TABLE t","select","ж ✓"';
  const { run, rows } = project(t, `${header}\n1,2,3\n`);
  await run({ type: 'FULL_REFRESH' });
  assert.deepEqual(await rows('SELECT "a""b; DROP TABLE t", "select", "ж ✓" FROM t'), [
    ['1', '2', '3'],
  ]);
});

test('rows of many parts are the same as of one, beside a database of any name', async (t) => {
  const name = `c0=1[a-c]*?'"{t}`;
  const { database, folder, run, rows, write } = project(t, '', { UniqueKeys: ['id'] }, name);
  const text = (id) => `${id} "" , \r\n Ключ 😀 ${'\0\\\t'.repeat(20)}`;
  const line = (id, version) => `${id},"${version}","${text(id)}"\n`;
  const ids = Array.from({ length: 40_000 }, (_, id) => id);
  // each key in the first parts, and every tenth again in the last one
  const again = ids.filter((id) => id % 10 === 0);
  write(
    `id,version,text\n${ids.map((id) => line(id, 'first')).join('')}` +
      again.map((id) => line(id, 'last')).join(''),
  );
  const storage = { MemoryLimitMb: 64 };
  for (const total of [40_000, 40_000]) {
    const { summary, warnings } = await run({ storage });
    assert.deepEqual([summary.rows, summary.total], [40_000, total]);
    assert.match(warnings[0], /4,000 rows .* were left out/);
    const sql =
      "SELECT count(*), count(*) FILTER (version = 'last' AND id % 10 = 0), " +
      "count(*) FILTER (text = id || ' \" , ' || chr(13) || chr(10) || ' Ключ 😀 ' || " +
      "repeat(chr(0) || '\\' || chr(9), 20)) FROM t";
    assert.deepEqual(await rows(sql), [['40000', '4000', '40000']]);
  }
  const left = fs.readdirSync(folder).filter((file) => file.startsWith(path.basename(database)));
  assert.deepEqual(left, [path.basename(database)]);
});

test('rows that are inserted while others come are the same, whatever comes then', async (t) => {
  const COUNT = 60_000; // ten files of staged rows
  const note = 'n'.repeat(260);
  const csv = (...last) => {
    const lines = Array.from({ length: COUNT }, (_, n) => `${n},${n % 7},${note}`);
    return ['id,number,note', ...lines, ...last].join('\n');
  };
  const { run, write, rows } = project(t, '', { UniqueKeys: ['id'] });
  const load = async (text, type) => {
    write(text);
    return run({ type, storage: { MemoryLimitMb: 64 } });
  };
  const found = () =>
    rows('SELECT typeof(any_value(number)), count(*), sum(number::INT), max(id) FROM t');
  const sum = (6 * 7 * Math.floor(COUNT / 7)) / 2 + ((COUNT % 7) * ((COUNT % 7) - 1)) / 2;

  const { summary } = await load(csv());
  assert.deepEqual([summary.rows, summary.total], [COUNT, COUNT]);
  assert.deepEqual(await found(), [['BIGINT', `${COUNT}`, `${sum}`, `${COUNT - 1}`]]);

  await load(csv(`${COUNT},,x`, `${COUNT + 1},001,x`), 'FULL_REFRESH');
  assert.deepEqual(await found(), [['VARCHAR', `${COUNT + 2}`, `${sum + 1}`, `${COUNT + 1}`]]);

  const twice = await load(csv('5,100,x'), 'FULL_REFRESH');
  assert.deepEqual([twice.summary.rows, twice.summary.total], [COUNT, COUNT]);
  assert.match(twice.warnings[0], /^1 rows .* later row has the same id$/);
  assert.deepEqual(await rows('SELECT number, note FROM t WHERE id = 5'), [['100', 'x']]);

  const error = await load(csv(',1,x'), 'FULL_REFRESH').catch((thrown) => thrown);
  assert.match(error.stderrTail, /unique key "id" has no value in 1 rows/);
  const broken = await load(csv('1,2'), 'FULL_REFRESH').catch((thrown) => thrown);
  assert.match(broken.stderrTail, /has 2 fields instead of 3/);
  assert.deepEqual(await rows('SELECT count(*), sum(number) FROM t'), [
    [`${COUNT}`, `${sum + 95}`],
  ]);
});

test('a run that is killed leaves the table as it was, and its repetition heals all', async (t) => {
  const large = (rows) =>
    'id,name\n' +
    Array.from({ length: rows }, (_, i) => `${i},name ${i} ${'x'.repeat(50)}\n`).join('');
  const { run, rows, write, folder } = project(t, 'id,name\n1,old\n', { UniqueKeys: ['id'] });
  await run();
  write(large(400_000));
  const staging = path.join(folder, 'data.duckdb.owox-staging');
  const failure = await run({
    onSpawn: (pid) => {
      const timer = setInterval(() => {
        if (!fs.existsSync(path.join(staging, '1.csv'))) return;
        clearInterval(timer);
        process.kill(-pid, 'SIGKILL');
      }, 5).unref();
    },
  }).catch((error) => error);
  assert.equal(failure.message, 'Connector execution failed with exit code: null (SIGKILL)');
  assert.ok(fs.existsSync(staging));
  assert.deepEqual(await rows('SELECT * FROM t'), [['1', 'old']]);
  const { summary } = await run();
  assert.ok(!fs.existsSync(staging));
  assert.deepEqual([summary.rows, summary.total], [400_000, 400_000]);
  const [[count, ids, sum]] = await rows('SELECT count(*), count(DISTINCT id), sum(id) FROM t');
  assert.deepEqual([count, ids, sum], ['400000', '400000', `${(400_000 * 399_999) / 2}`]);
});

test('what goes wrong is said, with what to do', async (t) => {
  const { run, database, write } = project(t, 'id,name\n1,a\n');
  const tail = async (options) => {
    const error = await run(options).then(
      () => assert.fail('succeeded'),
      (reason) => reason,
    );
    assert.equal(error.code, 'CONNECTOR_FAILED');
    assert.equal(error.result.lastStatus, 5);
    return error.stderrTail;
  };
  assert.match(await tail({ parameters: { Path: '/no/such/file.csv' } }), /no\/such\/file\.csv/);
  assert.match(await tail({ parameters: { Path: 'relative.csv' } }), /absolute/);
  assert.match(await tail({ parameters: { UniqueKeys: ['nope'] } }), /nope/);
  assert.match(await tail({ type: 'FULL' }), /FULL_REFRESH/);
  write('id,name\n1,a\n2\n');
  assert.match(await tail(), /line 3/i);
  write('id,name\n1,a\n');
  const release = await occupy(database);
  assert.match(await tail(), /is in use by (another process|the process [1-9]\d*); close it/);
  release();
  assert.equal((await run()).summary.rows, 1);
});

test('a file at an http address is streamed; a status other than 200 is an error', async (t) => {
  const server = http.createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/data.csv' }).end();
    else if (request.url === '/data.csv') response.end(DAYS);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const base = `http://127.0.0.1:${server.address().port}`;
  const { run } = project(t, '', BY_DAY);
  assert.equal((await run({ parameters: { Path: `${base}/moved` } })).summary.rows, 4);
  const failure = await run({ parameters: { Path: `${base}/gone` } }).catch((error) => error);
  assert.match(failure.stderrTail, /404/);
});

test('texts that differ stay different rows, as a unique key and as a column', async (t) => {
  const csv =
    'version,flag,price,odd,size\n3.1,true,12.50,1e2,1e3\n3.10,TRUE,3.00,100,5e-2\n1e2,false,7.25,7,2\n';
  const { run, rows, write } = project(t, csv, { UniqueKeys: ['version'] });
  assert.equal((await run()).summary.total, 3);
  const typesNow = async () =>
    Object.fromEntries(
      await rows(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 't'",
      ),
    );
  const types = {
    version: 'VARCHAR',
    flag: 'VARCHAR',
    price: 'DOUBLE',
    odd: 'VARCHAR',
    size: 'DOUBLE',
  };
  assert.deepEqual(await typesNow(), types);
  assert.deepEqual(await rows('SELECT version, odd, size FROM t ORDER BY version'), [
    ['1e2', '7', '2'],
    ['3.1', '1e2', '1000'],
    ['3.10', '100', '0.05'],
  ]);
  // what is no number at all comes later, and the table takes it
  write('version,flag,price,odd,size\n3.10.1,true,1.00,8,3\n3.1,true,2.00,9,4\n');
  assert.equal((await run()).summary.total, 4);
  assert.deepEqual(await typesNow(), types);
});

test('a table that has a number where a unique key would stay text keeps it', async (t) => {
  const { run, rows, write } = project(t, 'id,n\n1,2\n2,3\n', { UniqueKeys: ['id'] });
  await run({ parameters: { Types: ['id: number'] } });
  write('id,n\n2.5,4\n1,9\n');
  assert.equal((await run()).summary.total, 3);
  assert.deepEqual(await rows('SELECT id, n FROM t ORDER BY id'), [
    ['1', '9'],
    ['2', '3'],
    ['2.5', '4'],
  ]);
});

test('one odd value among many is told', async (t) => {
  const lines = Array.from({ length: 40 }, (_, index) => `${index},${index / 2}`);
  const { run } = project(t, `id,n\n${lines.join('\n')}\n41,n/a\n`, { UniqueKeys: ['id'] });
  const { warnings } = await run();
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /^Column "n" is text, since line 42 has the value "n\/a" .* Types/);
});
