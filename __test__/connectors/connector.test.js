'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { test } = require('node:test');
const { memoryRun } = require('./support/memory');

const data = (values) =>
  Object.entries(values).map(([configField, value]) => ({ configField, value }));

test('a run prints its statuses, a summary after each commit, and then its state', async () => {
  const { connector, config, storage } = memoryRun({ DestinationTableName: 'w' });
  await connector.run();
  assert.deepEqual(storage.calls, ['open', 'begin w', 'write 2', 'commit', 'close']);
  assert.deepEqual(
    config.messages.map(({ type }) => type),
    [
      'updateCurrentStatus',
      'log',
      'isInProgress',
      'log',
      'updateLastRequstedDate',
      'updateLastImportDate',
      'updateCurrentStatus',
    ],
  );
  assert.deepEqual(config.of('log')[0].tables, ['w']);
  assert.deepEqual(config.of('isInProgress')[0].progress, { table: 'w', phase: 'saving', rows: 2 });
  assert.deepEqual(
    config.of('updateCurrentStatus').map(({ status }) => status),
    [1, 3],
  );
  assert.equal(config.of('updateLastRequstedDate')[0].date, '2024-01-05T00:00:00.000Z');
  assert.deepEqual(config.of('log').at(-1), {
    type: 'log',
    message: 'Loaded 2 rows into table "w" of memory (2024-01-01 to 2024-01-05)',
    summary: {
      rows: 2,
      total: 2,
      table: 'w',
      location: 'memory',
      firstDate: '2024-01-01',
      lastDate: '2024-01-05',
      look: 'look',
    },
  });
});

test('the range of days by run type', async () => {
  const configured = { StartDate: '2023-06-01', EndDate: '2024-06-30' };
  const state = { date: '2024-01-10T12:00:00.000Z' };
  const cases = [
    // parameters, run config, start, end
    [{}, undefined, null, null],
    [{}, { type: 'INCREMENTAL' }, null, null],
    [configured, {}, '2023-06-01', '2024-06-30'],
    [{}, { state }, '2024-01-10', null],
    [{ ReimportLookbackWindow: 3 }, { state }, '2024-01-07', null],
    [{ ReimportLookbackWindow: '3' }, { state: { date: '2024-03-01' } }, '2024-02-27', null],
    [{ ...configured, ReimportLookbackWindow: 900 }, { state }, '2023-06-01', '2024-06-30'],
    [{ LastRequestedDate: '2024-02-01' }, {}, '2024-02-01', null],
    [{ LastRequestedDate: '2024-02-01' }, { state }, '2024-02-01', null],
    [{ LastRequestedDate: '2023-12-01' }, { state }, '2023-12-01', null],
    [
      { ...configured, LastRequestedDate: '2024-02-01' },
      {
        type: 'MANUAL_BACKFILL',
        data: data({ StartDate: '2020-01-01', EndDate: '2020-12-31' }),
        state,
      },
      '2020-01-01',
      '2020-12-31',
    ],
    [
      configured,
      { type: 'MANUAL_BACKFILL', data: data({ StartDate: '2020-01-01' }) },
      '2020-01-01',
      null,
    ],
    [{ LastRequestedDate: '2024-02-01' }, { type: 'FULL_REFRESH', state }, null, null],
    [configured, { type: 'FULL_REFRESH', state }, '2023-06-01', '2024-06-30'],
    [
      { ...configured, LastRequestedDate: '2024-02-01' },
      { type: 'CUSTOM', data: data({ StartDate: '2024-03-03' }), state },
      '2024-03-03',
      '2024-06-30',
    ],
  ];
  for (const [parameters, runConfig, start, end] of cases) {
    const { connector, source } = memoryRun(parameters, runConfig);
    await connector.run();
    const [request] = source.requests;
    const label = JSON.stringify([parameters, runConfig]);
    assert.deepEqual([request.start, request.end], [start, end], label);
  }
});

test('only a full refresh replaces the table', async () => {
  for (const type of ['INCREMENTAL', 'MANUAL_BACKFILL', 'FULL_REFRESH', 'CUSTOM']) {
    const run = { type, data: type === 'MANUAL_BACKFILL' ? data({ StartDate: '2024-01-01' }) : [] };
    const { connector, storage } = memoryRun({}, run);
    await connector.run();
    const expected = type === 'FULL_REFRESH' ? 'begin weather to replace' : 'begin weather';
    assert.equal(storage.calls[1], expected, type);
  }
});

test('the state moves forward in incremental runs and full refreshes only', async () => {
  const printed = async (parameters, runConfig, rows) => {
    const { connector, config, source } = memoryRun(parameters, runConfig);
    if (rows !== undefined) source.rows = rows;
    await connector.run();
    return config.of('updateLastRequstedDate').map(({ date }) => date.slice(0, 10));
  };
  const state = { date: '2024-01-03' };
  const backfill = { type: 'MANUAL_BACKFILL', data: data({ StartDate: '2024-01-01' }), state };
  assert.deepEqual(await printed({}, { state }), ['2024-01-05']);
  assert.deepEqual(await printed({}, { state }, []), ['2024-01-03']);
  assert.deepEqual(await printed({}, { state: { date: '2024-02-01' } }), ['2024-02-01']);
  assert.deepEqual(await printed({}, {}, []), []);
  assert.deepEqual(await printed({}, { type: 'FULL_REFRESH', state }), ['2024-01-05']);
  assert.deepEqual(await printed({}, backfill), []);
  assert.deepEqual(await printed({}, { type: 'CUSTOM', state }), []);
  const now = new Date().toISOString().slice(0, 10);
  assert.deepEqual(await printed({}, {}, [{ day: '9999-12-31' }]), [now]);
});

test("CUSTOM puts the run's values in place of the configured ones", async () => {
  const run = { type: 'CUSTOM', data: data({ City: 'Kyiv' }) };
  const { connector, source } = memoryRun({ City: 'Lviv' }, run);
  await connector.run();
  assert.equal(source.requests[0].city, 'Kyiv');
});

test('data in other runs is ignored with a warning, and so are unknown parameters', async () => {
  const { connector, config, source } = memoryRun(
    { City: 'Lviv', Citty: 1 },
    { data: data({ City: 'Kyiv' }) },
  );
  await connector.run();
  assert.equal(source.requests[0].city, 'Lviv');
  const warnings = config.of('addWarningToCurrentStatus').map(({ warning }) => warning);
  assert.match(warnings[0], /data is ignored in INCREMENTAL runs/);
  assert.match(warnings[1], /"Citty" is unknown and ignored/);
});

test('what cannot run fails with status 5, before the storage is opened', async () => {
  const cases = [
    [{}, { type: 'SOMETIMES' }, /Run type "SOMETIMES" is unknown: use one of INCREMENTAL/],
    [{}, { type: 'MANUAL_BACKFILL' }, /needs a StartDate in the run's data/],
    [{ StartDate: 'soon' }, {}, /"StartDate" must be a date/],
    [{ StartDate: '2024-02-01', EndDate: '2024-01-01' }, {}, /is after EndDate 2024-01-01/],
    [
      {},
      { type: 'CUSTOM', data: data({ Town: 'Kyiv' }) },
      /no parameter "Town": use one of StartDate/,
    ],
    [{}, { state: { date: 'yesterday' } }, /state's date "yesterday" is no date/],
  ];
  for (const [parameters, runConfig, message] of cases) {
    const { connector, config, storage } = memoryRun(parameters, runConfig);
    await assert.rejects(connector.run(), { name: 'ConnectorError', message });
    assert.deepEqual(
      config.of('updateCurrentStatus').map(({ status }) => status),
      [1, 5],
    );
    assert.ok(!storage.calls.includes('open'));
  }
});

test('a failing source commits nothing, prints no state, closes the storage', async () => {
  const { connector, config, source, storage } = memoryRun();
  const failure = new Error('connection lost');
  source.fetch = async function* fetch() {
    yield [{ day: '2024-01-01' }];
    throw failure;
  };
  await assert.rejects(connector.run(), (error) => error === failure);
  assert.deepEqual(storage.calls, ['open', 'begin weather', 'write 1', 'close']);
  assert.deepEqual(config.of('updateLastRequstedDate'), []);
  assert.equal(config.of('updateCurrentStatus').at(-1).status, 5);
});

test('a failing commit prints no state', async () => {
  const { connector, config, storage } = memoryRun();
  storage.commit = () => Promise.reject(new Error('disk full'));
  await assert.rejects(connector.run(), /disk full/);
  assert.deepEqual(config.of('updateLastRequstedDate'), []);
});

test('a source with several tables fills one each, and reads the state off all of them', async () => {
  const { connector, config, source, storage } = memoryRun({ DestinationTableName: 'x' });
  source.tables = () => [
    { name: 'a', uniqueKeys: ['day'], dateColumn: 'day' },
    { name: 'b', uniqueKeys: ['id'] },
  ];
  await connector.run();
  const begun = storage.calls.filter((call) => call.startsWith('begin'));
  assert.deepEqual(begun, ['begin x_a', 'begin x_b']);
  assert.equal(config.of('updateLastRequstedDate').length, 1);
  assert.deepEqual(
    config.of('log').map(({ tables, summary }) => tables ?? summary.table),
    [['x_a', 'x_b'], 'x_a', 'x_b'],
  );
});

test('what was committed is told at once, though a later table fails', async () => {
  const { connector, config, source } = memoryRun();
  source.tables = () => [
    { name: 'a', uniqueKeys: ['day'] },
    { name: 'b', uniqueKeys: ['day'] },
  ];
  source.fetch = async function* fetch({ name }) {
    yield [{ day: '2024-01-01' }];
    if (name === 'b') throw new Error('gone');
  };
  await assert.rejects(connector.run(), /gone/);
  const summaries = config.of('log').filter(({ summary }) => summary);
  assert.deepEqual(
    summaries.map(({ summary }) => [summary.table, summary.rows]),
    [['a', 1]],
  );
});

test('what a table is called: by DestinationTableName, or else as the source would have it', () => {
  const cases = [
    [null, true, 'my_ads'],
    [null, false, 'my_ads'],
    ['x', true, 'x'],
    ['x', false, 'x_ads'],
    // As in the documented configuration of TikTokAds for Athena: a prefix, also of one table.
    ['x_', true, 'x_ads'],
    ['x_', false, 'x_ads'],
    ['x_', true, 'other', 'other'],
    ['x_', true, 'other', 'campaigns c, ads other'],
    [null, false, 'other', 'ads other,campaigns c'],
    ['x_', false, 'x_ads', 'campaigns c'],
  ];
  const table = { name: 'ads', destinationName: 'my_ads' };
  for (const [DestinationTableName, isOnly, name, DestinationTableNameOverride] of cases) {
    const { storage } = memoryRun({ DestinationTableName, DestinationTableNameOverride });
    assert.equal(storage.tableNameFor(table, { isOnly }), name);
  }
  const { storage } = memoryRun({ DestinationTableNameOverride: 'one' });
  assert.throws(() => storage.tableNameFor(table, { isOnly: false }), /source has several/);
});

test('a source that changes is loaded anew, and not for ever', async () => {
  const { Core } = require('../../packages/connectors');
  const run = (times) => {
    const made = memoryRun();
    let left = times;
    made.source.fetch = async function* () {
      yield [{ day: '2024-01-01' }];
      left -= 1;
      if (left >= 0) throw new Core.SourceChangedError('x changed: run again');
      yield [{ day: '2024-01-02' }];
    };
    return { ...made, ended: made.connector.run() };
  };
  const twice = run(2);
  await twice.ended;
  assert.equal(twice.storage.rows.length, 2);
  assert.equal(twice.config.of('addWarningToCurrentStatus').length, 2);
  const always = run(3);
  await assert.rejects(always.ended, /x changed: run again/);
  assert.ok(!always.storage.calls.includes('commit'));
});

test('a table with neither keys nor dates is loaded with a warning', async () => {
  const { connector, config, source } = memoryRun();
  source.tables = () => [{ name: 'a' }];
  await connector.run();
  assert.match(
    config.of('addWarningToCurrentStatus')[0].warning,
    /added to table "a" again with each/,
  );
});

test('storage classes are found by name, in the package or as a global', async () => {
  const { Core } = require('../../packages/connectors');
  const { MemorySource, MemoryStorage, RecordingConfig } = require('./support/memory');
  const config = new RecordingConfig({});
  const make = (name) =>
    new Core.AbstractConnector(
      config,
      new MemorySource(config),
      name,
      new Core.AbstractRunConfig(),
    );
  assert.equal(make('DuckDbStorage').storage.constructor.name, 'DuckDbStorage');
  globalThis.MemoryStorage = MemoryStorage;
  assert.ok(make('MemoryStorage').storage instanceof MemoryStorage);
  delete globalThis.MemoryStorage;
  assert.throws(
    () => make('MemoryStorage'),
    /no storage class MemoryStorage: use one of AwsAthena, DuckDb, GoogleBigQuery/,
  );
});

test('Core loads nothing of the package that lies above it, also for a storage by its name', () => {
  const core = require.resolve('../../packages/connectors/src/Core');
  const script = `
    const { AbstractConnector } = require(${JSON.stringify(core)});
    try {
      new AbstractConnector({}, {}, 'DuckDbStorage', {});
    } catch (error) {
      console.log(error.message);
    }
    console.log(Object.keys(require.cache).filter((file) => !/[\\/]Core[\\/]/.test(file)).join());
  `;
  const said = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.match(said, /^There is no storage class DuckDbStorage: .*\n\n$/);
});
