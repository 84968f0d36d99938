'use strict';
// CsvFile into AwsAthena through real runs, against moto and DuckDB, read back with the clients.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { ACCESS, startAthena } = require('../emulators/athena');
const { available } = require('../emulators/start');
const { tempFolder } = require('../support/temp');
const { faultProxy } = require('./support/proxy');

const referencePackage = path.join(__dirname, '..', '..', 'packages', 'connectors');

const { python, reason } = available();
const options = { skip: reason };
const folder = tempFolder({ after });
let athena;
let emulator;

before(async () => {
  if (reason) return;
  emulator = await startAthena(python, folder);
  ({ athena } = emulator);
});
after(() => emulator?.stop());

function project(t, database, source = {}) {
  const folder = tempFolder(t);
  const file = path.join(folder, 'data.csv');
  const runner = new ConnectorRunner({ connectorsPackage: referencePackage, runsDir: folder });
  return (csv, { type = 'INCREMENTAL', data = [], env, ...storage } = {}) => {
    fs.writeFileSync(file, csv);
    const config = new Config({
      name: 'test',
      source: { name: 'CsvFile', config: { Path: file, UniqueKeys: ['id'], ...source } },
      storage: {
        name: 'AWS_ATHENA',
        config: {
          ...ACCESS,
          S3Prefix: database,
          AthenaDatabaseName: database,
          DestinationTableName: 't',
          ...storage,
        },
      },
    });
    const stdio = { logCapture: { onStdout() {}, onStderr() {} } };
    const run = runner.run('id', 'run', config, new RunConfig({ type, data, state: {} }), stdio);
    return run.catch((error) => error);
  };
}

function rowsOf(database, columns = '*') {
  return athena.rows(`SELECT ${columns} FROM "${database}"."t" ORDER BY 1`);
}

/** What staging left: files in S3 and external tables. */
async function leftIn(database) {
  const files = await emulator.files(database);
  const tables = await athena.rows(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = '${database}' AND table_name <> 't'`,
  );
  return [...files, ...tables.flat()];
}

const CSV =
  'id,d,ts,n,text\n' +
  '1,2026-01-01,2026-01-01T03:04:05+0200,1.5,"Київ, ""✓"""\n' +
  '2,2026-01-02,2026-01-02T00:00:00Z,1e300,"東京\n2"\n' +
  '9223372036854775807,2026-01-03,2026-01-03 00:00:00.123456-01:30,,مرحبا\n' +
  '-1,2026-01-04,,,\n';

test('texts that differ stay different rows and values', options, async (t) => {
  const run = project(t, 'spellings');
  const csv = 'id,price,odd,size\n3.1,12.50,1e2,1e3\n3.10,3.00,100,5e-2\n1e2,7.25,7,2\n';
  const first = await run(csv);
  assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
  const rows = [
    ['1e2', '7.25', '7', '2.0'],
    ['3.1', '12.5', '1e2', '1000.0'],
    ['3.10', '3.0', '100', '0.05'],
  ];
  assert.deepEqual(await rowsOf('spellings'), rows);
  const second = await run('id,price,odd,size\n3.10.1,1.00,8,3\n');
  assert.equal(second.status, 'success', second.stderrTail);
  assert.deepEqual(await rowsOf('spellings'), [...rows, ['3.10.1', '1.0', '8', '3.0']]);
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
      ['1', '2026-01-01 01:04:05.123456', '2026-01-01 03:04:05.123456', '2026-01-02'],
      ['2', '2026-01-01 13:18:00', '2026-01-01 01:00:00', '2026-01-02'],
      ['3', '2026-01-01 03:04:05', '2026-01-01 03:04:00', '2026-01-02'],
      ['4', '2026-01-01 03:04:05', '2026-01-01 03:04:05.500000', '2026-01-02'],
      ['5', '2026-01-01 00:00:00', '2026-01-01 00:00:00', '2026-01-02'],
      ['6', '2026-01-01 03:04:05', '2026-01-01 03:04:05', '2026-01-02'],
      ['7', '2026-01-01 04:34:05', null, null],
    ];
    const run = project(t, 'moments');
    const done = await run(csv);
    assert.equal(done.status, 'success', `${done.message} ${done.stderrTail}`);
    assert.deepEqual(await rowsOf('moments', 'id, moment, local, day'), expected);
    const second = await run('id,moment\n6,2026-02-03\n');
    assert.equal(second.status, 'success', second.stderrTail);
    assert.deepEqual((await rowsOf('moments', 'id, moment'))[5], ['6', '2026-02-03 00:00:00']);
  },
);

test('values are kept, a second run merges, columns are added', options, async (t) => {
  const run = project(t, 'merge', { DateColumn: 'd' });
  const first = await run(CSV, { MaxBufferSize: 2 });
  assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
  const expected = [
    ['-1', '2026-01-04', null, null, null],
    ['1', '2026-01-01', '2026-01-01 01:04:05', '1.5', 'Київ, "✓"'],
    ['2', '2026-01-02', '2026-01-02 00:00:00', '1e+300', '東京\n2'],
    ['9223372036854775807', '2026-01-03', '2026-01-03 01:30:00.123456', null, 'مرحبا'],
  ];
  assert.deepEqual(await rowsOf('merge'), expected);
  const second = await run(CSV);
  assert.equal(second.status, 'success', second.stderrTail);
  assert.deepEqual(await rowsOf('merge'), expected);
  const third = await run('id,d,Extra\n1,2026-01-01,x\n1,2026-01-01,y\n5,2026-01-05,z\n');
  assert.equal(third.status, 'success', third.stderrTail);
  assert.deepEqual(await rowsOf('merge', 'id, text, extra'), [
    ['-1', null, null],
    ['1', 'Київ, "✓"', 'y'],
    ['2', '東京\n2', null],
    ['5', null, 'z'],
    ['9223372036854775807', 'مرحبا', null],
  ]);
  assert.deepEqual(await leftIn('merge'), []);
});

test('FULL_REFRESH replaces; a backfill without keys replaces its days', options, async (t) => {
  const run = project(t, 'days', { UniqueKeys: [], DateColumn: 'd' });
  await run('id,d\n1,2026-01-01\n2,2026-01-02\n3,2026-01-02\n', { type: 'FULL_REFRESH' });
  const backfill = await run('id,d\n1,2026-01-01\n5,2026-01-02\n', {
    type: 'MANUAL_BACKFILL',
    data: [{ configField: 'StartDate', value: '2026-01-02' }],
  });
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
  const refresh = await run('id,d\n7,2026-01-07\n8,2026-01-07\n', { type: 'FULL_REFRESH' });
  assert.equal(refresh.status, 'success', refresh.stderrTail);
  assert.deepEqual(await rowsOf('days'), [
    ['7', '2026-01-07'],
    ['8', '2026-01-07'],
  ]);
  const other = await run('id,d\nword,2026-01-07\n', { type: 'FULL_REFRESH' });
  assert.equal(other.status, 'success', other.stderrTail);
  assert.deepEqual(await rowsOf('days'), [['word', '2026-01-07']]);
  assert.deepEqual(await leftIn('days'), []);
});

test('failures say what to do and leave the table as it was', options, async (t) => {
  const run = project(t, 'failures');
  await run('id,n\n1,2.5\n');
  const failures = [
    ['id,n\n1,word\n', {}, /"n".*double.*"word".*FULL_REFRESH/],
    ['id,n\n1,3\n,4\n', {}, /unique key "id" has no value in 1 rows/],
    // The source fails when rows are staged already.
    [`id,n\n${'1,3\n'.repeat(3)}1\n`, { MaxBufferSize: 1 }, /line 5/i],
    ['id,n\n1,3\n', { S3BucketName: 'other' }, /check S3BucketName: there is no bucket "other"/],
    ['id,n\n1,3\n', { AthenaOutputLocation: null }, /set AthenaOutputLocation/],
    ['id,n\n1,3\n', { AthenaOutputLocation: 'results' }, /AthenaOutputLocation is "results"/],
    ['id,n\n1,3\n', { AWSSecretAccessKey: 'YOUR_KEY' }, /example's values.*AWSSecretAccessKey/],
  ];
  for (const [csv, more, message] of failures) {
    const failed = await run(csv, more);
    assert.equal(failed.code, 'CONNECTOR_FAILED');
    assert.match(failed.stderrTail, message);
    assert.deepEqual(await rowsOf('failures'), [['1', '2.5']]);
    assert.deepEqual(await leftIn('failures'), []);
  }
});

test('what a killed run left is removed, but not what may be in use', options, async (t) => {
  const run = project(t, 'left');
  await run('id\n1\n');
  const Key = 'left/owox_staging_x/000001.json';
  await emulator.put(Key, '{"n":1}\n');
  await athena.run(
    'CREATE EXTERNAL TABLE `left`.`owox_staging_x` (n bigint) ' +
      "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://bucket/left/owox_staging_x/'",
  );
  await run('id\n1\n');
  assert.deepEqual(await leftIn('left'), [Key, 'owox_staging_x']);
  await faultProxy(t, emulator, [
    { when: () => true, change: (text) => text.replace(/(?<=<LastModified>)\d{4}/g, '2020') },
  ]);
  const later = await run('id\n1\n');
  assert.equal(later.status, 'success', later.stderrTail);
  assert.deepEqual(await leftIn('left'), []);
});
