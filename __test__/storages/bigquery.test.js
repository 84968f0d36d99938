'use strict';
// CsvFile into GoogleBigQuery through real runs, against the emulator, read back with the client.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { startBigQuery } = require('../emulators/bigquery');
const { available, freePort } = require('../emulators/start');
const { castTo } = require('../../packages/connectors/src/Storages/GoogleBigQuery/sql');
const { tempFolder } = require('../support/temp');

const referencePackage = path.join(__dirname, '..', '..', 'packages', 'connectors');

const { python, reason } = available();
const options = { skip: reason };
let bigQuery;
let client;
const folder = tempFolder({ after });
after(() => bigQuery?.stop());

before(async () => {
  if (reason) return;
  bigQuery = await startBigQuery(python, folder);
  ({ client } = bigQuery);
});

function project(t, dataset, source = {}) {
  const folder = tempFolder(t);
  const file = path.join(folder, 'data.csv');
  const runner = new ConnectorRunner({ connectorsPackage: referencePackage, runsDir: folder });
  return async (csv, type = 'INCREMENTAL', data = [], more = {}) => {
    fs.writeFileSync(file, csv);
    const config = new Config({
      name: 'test',
      source: { name: 'CsvFile', config: { Path: file, UniqueKeys: ['id'], ...source } },
      storage: {
        name: 'GOOGLE_BIGQUERY',
        config: { DestinationDatasetID: `p.${dataset}`, DestinationTableName: 't', ...more },
      },
    });
    const stdio = { logCapture: { onStdout() {}, onStderr() {} } };
    const run = runner.run('id', 'run', config, new RunConfig({ type, data, state: {} }), stdio);
    return run.catch((error) => error);
  };
}

async function rowsOf(dataset) {
  const [rows] = await client.query(`SELECT * FROM \`p.${dataset}.t\` ORDER BY id`);
  return rows.map((row) =>
    Object.values(row).map((value) => (value === null ? null : `${value.value ?? value}`)),
  );
}

async function tablesOf(dataset) {
  const [tables] = await client.dataset(dataset).getTables();
  return tables.map(({ id }) => id);
}

const CSV =
  'id,d,ts,n,text\n' +
  '1,2026-01-01,2026-01-01T03:04:05+02:00,1.5,"Київ, ""✓"""\n' +
  '2,2026-01-02,2026-01-02T00:00:00Z,1e300,東京\n' +
  '9223372036854775807,2026-01-03,,,مرحبا\n';

test('texts that differ stay different rows and values', options, async (t) => {
  const run = project(t, 'spellings');
  const csv = 'id,price,odd,size\n3.1,12.50,1e2,1e3\n3.10,3.00,100,5e-2\n1e2,7.25,7,2\n';
  const first = await run(csv);
  assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
  const rows = [
    ['1e2', '7.25', '7', '2'],
    ['3.1', '12.5', '1e2', '1000'],
    ['3.10', '3', '100', '0.05'],
  ];
  assert.deepEqual(await rowsOf('spellings'), rows);
  const second = await run('id,price,odd,size\n3.10.1,1.00,8,3\n');
  assert.equal(second.status, 'success', second.stderrTail);
  assert.deepEqual(await rowsOf('spellings'), [...rows, ['3.10.1', '1', '8', '3']]);
});

test(
  'timestamps are read in each spelling that is unambiguous, with and without a zone',
  options,
  async (t) => {
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
      ['1', '2026-01-01T01:04:05.123456000Z', '2026-01-01T03:04:05.123456', '2026-01-02'],
      ['2', '2026-01-01T13:18:00.000Z', '2026-01-01T01:00:00', '2026-01-02'],
      ['3', '2026-01-01T03:04:05.000Z', '2026-01-01T03:04:00', '2026-01-02'],
      ['4', '2026-01-01T03:04:05.000Z', '2026-01-01T03:04:05.500000', '2026-01-02'],
      ['5', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00', '2026-01-02'],
      ['6', '2026-01-01T03:04:05.000Z', '2026-01-01T03:04:05', '2026-01-02'],
      ['7', '2026-01-01T04:34:05.000Z', null, null],
    ];
    const run = project(t, 'moments');
    const done = await run(csv);
    assert.equal(done.status, 'success', `${done.message} ${done.stderrTail}`);
    assert.deepEqual(await rowsOf('moments'), expected);
    const second = await run('id,moment\n6,2026-02-03\n');
    assert.equal(second.status, 'success', second.stderrTail);
    assert.equal((await rowsOf('moments'))[5][1], '2026-02-03T00:00:00.000Z');
  },
);

test('values are kept, a second run merges, columns are added', options, async (t) => {
  const run = project(t, 'merge', { DateColumn: 'd' });
  const first = await run(CSV);
  assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
  const [[{ timePartitioning }]] = [await client.dataset('merge').table('t').getMetadata()];
  assert.equal(timePartitioning?.field, 'd');
  const ids = 'SELECT CAST(id AS STRING) AS id, d, ts, n, text FROM `p.merge.t` ORDER BY d';
  const read = async () => {
    const [rows] = await client.query(ids);
    return rows.map((row) => Object.values(row).map((value) => value?.value ?? value));
  };
  const expected = [
    ['1', '2026-01-01', '2026-01-01T01:04:05.000Z', 1.5, 'Київ, "✓"'],
    ['2', '2026-01-02', '2026-01-02T00:00:00.000Z', 1e300, '東京'],
    ['9223372036854775807', '2026-01-03', null, null, 'مرحبا'],
  ];
  assert.deepEqual(await read(), expected);
  const second = await run(CSV);
  assert.equal(second.status, 'success', second.stderrTail);
  assert.deepEqual(await read(), expected);
  const third = await run('id,d,extra\n1,2026-01-01,x\n');
  assert.equal(third.status, 'success', third.stderrTail);
  const [[row]] = await client.query('SELECT text, extra FROM `p.merge.t` WHERE id = 1');
  assert.deepEqual([row.text, row.extra], ['Київ, "✓"', 'x']);
  assert.deepEqual(await tablesOf('merge'), ['t']);
});

test('empty texts are no value, and texts become JSON', options, async () => {
  const cast = (type, staged, column) => castTo(type, staged, { hasEmpty: true, ...column });
  const values = [
    `TO_JSON_STRING(${cast('JSON', 'word', { jsonForm: 'text' })}) AS a`,
    `TO_JSON_STRING(${cast('JSON', 'list', { jsonForm: 'value' })}) AS b`,
    `${cast('JSON', 'empty', { jsonForm: 'text' })} IS NULL AS c`,
    `${cast('INT64', 'empty')} IS NULL AS d`,
    `${cast('TIMESTAMP', 'empty', { isPartlyZoned: true })} IS NULL AS e`,
    `${cast('DATE', 'empty', { hasOddDates: true })} IS NULL AS f`,
    `${cast('STRING', 'empty')} AS g`,
  ];
  const [[row]] = await client.query(
    `SELECT ${values.join(', ')} FROM (SELECT 'a "b"' AS word, '[1]' AS list, '' AS empty)`,
  );
  const expected = { a: '"a \\"b\\""', b: '[1]', c: true, d: true, e: true, f: true, g: '' };
  assert.deepEqual({ ...row }, expected);
});

test('FULL_REFRESH replaces; a backfill without keys replaces its days', options, async (t) => {
  const run = project(t, 'days', { UniqueKeys: [], DateColumn: 'd' });
  await run('id,d\n1,2026-01-01\n2,2026-01-02\n', 'FULL_REFRESH');
  const days = [{ configField: 'StartDate', value: '2026-01-02' }];
  const backfill = await run('id,d\n1,2026-01-01\n5,2026-01-02\n', 'MANUAL_BACKFILL', days);
  assert.equal(backfill.status, 'success', backfill.stderrTail);
  assert.deepEqual(await rowsOf('days'), [
    ['1', '2026-01-01'],
    ['5', '2026-01-02'],
  ]);
  for (let again = 0; again < 2; again += 1) {
    const undated = await run('id,d\n6,\n9,2026-01-02\n');
    assert.equal(undated.status, 'success', undated.stderrTail);
  }
  assert.deepEqual(await rowsOf('days'), [
    ['1', '2026-01-01'],
    ['6', null],
    ['9', '2026-01-02'],
  ]);
  await run('id,d\n7,2026-01-07\n', 'FULL_REFRESH');
  assert.deepEqual(await rowsOf('days'), [['7', '2026-01-07']]);
});

test('failures say what to do and leave the table as it was', options, async (t) => {
  const run = project(t, 'failures');
  await run('id,n\n1,2.5\n');
  const other = await run('id,n\n1,word\n');
  assert.match(other.stderrTail, /"n".*FLOAT64.*"word".*FULL_REFRESH/);
  const key = await run('id,n\n1,3\n', 'INCREMENTAL', [], { ServiceAccountJson: '{"client' });
  assert.match(key.stderrTail, /ServiceAccountJson is no JSON/);
  assert.deepEqual(await rowsOf('failures'), [['1', '2.5']]);
  assert.deepEqual(await tablesOf('failures'), ['t']);
});

test('a server that cannot be reached is given up soon', options, async (t) => {
  const before = process.env.BIGQUERY_EMULATOR_HOST;
  t.after(() => (process.env.BIGQUERY_EMULATOR_HOST = before));
  process.env.BIGQUERY_EMULATOR_HOST = `http://127.0.0.1:${await freePort()}/bigquery/v2`;
  const failed = await project(t, 'unreachable')('id\n1\n');
  assert.match(failed.stderrTail, /ECONNREFUSED.*check the network/);
});
