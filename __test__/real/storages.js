'use strict';
// BigQuery and Athena themselves, with an account of yours: never run in CI, and not by
// `npm run test:storages`. Costs less than a cent. Each test makes a table of its own and drops it.
//   npm run test:real
//
// BigQuery: OWOX_TEST_BIGQUERY_KEY (path of a service account's key file) and
//   OWOX_TEST_BIGQUERY_DATASET (project.dataset, which exists); OWOX_TEST_BIGQUERY_LOCATION (US).
// Athena: OWOX_TEST_ATHENA_REGION, _KEY_ID, _SECRET, _BUCKET, _DATABASE (which exists) and _OUTPUT
//   (s3://…); _TOKEN for temporary credentials.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { randomUUID } = require('node:crypto');
const { test } = require('node:test');

const { installed } = require('../emulators/start');
const { Athena } = require('../../packages/connectors/src/Storages/AwsAthena/Athena');
const athenaManifest = require('../../packages/connectors/src/Storages/AwsAthena/manifest.json');
const bigQueryManifest = require('../../packages/connectors/src/Storages/GoogleBigQuery/manifest.json');
const { KINDS, expectedOf, rowsOf, toCsv } = require('../storages/support/dataset');
const { assertTables } = require('../storages/support/matrix');
const { athenaTarget, bigQueryTarget } = require('../storages/support/targets');
const { runnerOf } = require('../support/runs');
const { tempFolder } = require('../support/temp');

/** Variables below a prefix, and a reason to skip where one is missing. */
function variables(prefix, needed, optional = []) {
  const value = (name) => process.env[`${prefix}_${name}`];
  const missing = needed.filter((name) => !value(name)).map((name) => `${prefix}_${name}`);
  const given = Object.fromEntries([...needed, ...optional].map((name) => [name, value(name)]));
  return { given, options: { skip: missing.length > 0 && `set ${missing.join(', ')}` } };
}

/** Loads, merges, grows, replaces; the table is gone after it. */
async function roundTrip(t, target, place, drop) {
  const table = `owox_test_${randomUUID().slice(0, 8)}`;
  t.after(() => drop(table));
  const file = path.join(tempFolder(t), 'data.csv');
  const parameters = { Path: file, UniqueKeys: ['id'], DateColumn: 'day', Types: ['tags: json'] };
  const storage = target.storage(place, { DestinationTableName: table, MaxBufferSize: 30 });
  const run = runnerOf(t, { name: 'CsvFile', parameters }, storage);
  const load = async (rows, more) => {
    fs.writeFileSync(file, toCsv(rows));
    const result = await run(more);
    assert.equal(result.status, 'success', result.stderrTail);
  };
  const holds = (rows) =>
    assertTables(target, place, { [table]: { kinds: KINDS, rows: expectedOf(rows) } });

  await load(rowsOf(0, 60));
  await holds(rowsOf(0, 60));
  await load(rowsOf(30, 100));
  await holds(rowsOf(0, 100));
  await load(rowsOf(50, 75), { source: { UniqueKeys: [] } }); // that day, as it was
  await holds(rowsOf(0, 100));
  await load(rowsOf(0, 40), { type: 'FULL_REFRESH' });
  await holds(rowsOf(0, 40));
}

const google = variables('OWOX_TEST_BIGQUERY', ['KEY', 'DATASET'], ['LOCATION']);

test('BigQuery', google.options, async (t) => {
  const { KEY, DATASET, LOCATION = 'US' } = google.given;
  const [project, place] = DATASET.split('.');
  const { BigQuery } = installed(tempFolder(t), bigQueryManifest)('@google-cloud/bigquery');
  const client = new BigQuery({ projectId: project, keyFilename: KEY, location: LOCATION });
  const access = {
    ServiceAccountJson: fs.readFileSync(KEY, 'utf8'),
    DestinationLocation: LOCATION,
  };
  const target = bigQueryTarget({ client, project, access });
  await roundTrip(t, target, place, (table) =>
    client.dataset(place).table(table).delete({ ignoreNotFound: true }),
  );
});

const NEEDED = ['REGION', 'KEY_ID', 'SECRET', 'BUCKET', 'DATABASE', 'OUTPUT'];
const amazon = variables('OWOX_TEST_ATHENA', NEEDED, ['TOKEN']);

test('Athena', amazon.options, async (t) => {
  const { REGION, KEY_ID, SECRET, TOKEN, BUCKET, DATABASE, OUTPUT } = amazon.given;
  const load = installed(tempFolder(t), athenaManifest);
  const commands = load('@aws-sdk/client-athena');
  const { ListObjectsV2Command, S3Client } = load('@aws-sdk/client-s3');
  const credentials = { accessKeyId: KEY_ID, secretAccessKey: SECRET, sessionToken: TOKEN };
  const options = { region: REGION, credentials };
  const athena = new Athena(new commands.AthenaClient(options), commands, {
    outputLocation: OUTPUT,
  });
  const s3 = new S3Client(options);
  const access = {
    AWSRegion: REGION,
    AWSAccessKeyId: KEY_ID,
    AWSSecretAccessKey: SECRET,
    AWSSessionToken: TOKEN,
    S3BucketName: BUCKET,
    AthenaOutputLocation: OUTPUT,
  };
  const files = async (Prefix) => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix }));
    return Contents.map(({ Key }) => Key);
  };
  const target = athenaTarget({ athena, files, access });
  await roundTrip(t, target, DATABASE, (table) =>
    athena.run(`DROP TABLE IF EXISTS \`${DATABASE}\`.\`${table}\``),
  );
  assert.deepEqual(await target.leftFiles(DATABASE), []);
});
