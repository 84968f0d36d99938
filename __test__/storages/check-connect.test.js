'use strict';
// `check --connect` against the emulators: what stands is proved without a row, and nothing is left;
// what a real service refuses is said with its remedy.

const assert = require('node:assert/strict');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { referencePackage } = require('../support/duckdb');
const { root, runScript } = require('../support/host');
const { tempFolder, writeFiles } = require('../support/temp');
const { faultProxy } = require('./support/proxy');
const { target: targetOf } = require('./support/targets');

const rates = path.join(root, 'examples', 'data', 'eurofxref-hist.csv');
const source = { name: 'CsvFile', config: { Path: rates, UniqueKeys: ['Date'] } };

/** What the storage says, and the command's exit code. */
async function connect(t, storage) {
  const config = { name: 'C', source, storage };
  const cwd = writeFiles(tempFolder(t), { 'config.json': config });
  const args = ['--connectors', referencePackage, '--runs-dir', tempFolder(t)];
  const all = ['check', 'config.json', '--connect', '--json', ...args];
  const { stdout, stderr, code } = await runScript('src/cli-wrapper.js', all, { cwd });
  const { ok, connections } = JSON.parse(stdout || stderr);
  assert.equal(code, ok ? 0 : 1);
  const said = connections.find(({ kind }) => kind === 'storage');
  assert.equal(said.message.includes('\n'), false);
  return said;
}

/** A run, which makes the place. */
async function load(t, storage) {
  const cwd = writeFiles(tempFolder(t), { 'config.json': { name: 'C', source, storage } });
  const args = ['config.json', '--no-state', '--connectors', referencePackage];
  const all = [...args, '--runs-dir', tempFolder(t)];
  const { code, stderr } = await runScript('src/cli-wrapper.js', all, { cwd });
  assert.equal(code, 0, stderr);
}

const bigQueryError = (status, reason, message) => (response) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  const error = { code: status, message, errors: [{ reason, message }] };
  response.end(JSON.stringify({ error }));
};
const s3Error = (status, code, message) => (response) => {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  );
};
const athenaError = (type, message) => (response) => {
  response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify({ __type: type, message }));
};
const asks = (method, part) => (request) => request.method === method && request.url.includes(part);
const athenaAsks = (part) => (request, body) => body.includes('QueryString') && body.includes(part);

const CASES = {
  GoogleBigQuery: {
    notThere:
      /dataset p\.\w+ is not there yet, and the first run makes it in US, where the account may/,
    fine: /^dataset p\.\w+ can be written$/,
    failures: {
      'no right to see the dataset': [
        {
          when: asks('GET', '/datasets/'),
          answer: bigQueryError(403, 'accessDenied', 'Access Denied: Dataset p.x'),
        },
        /Access Denied.*roles BigQuery Job User.*BigQuery Data Editor/,
      ],
      'no right to run jobs': [
        {
          when: asks('POST', '/jobs'),
          answer: bigQueryError(
            403,
            'accessDenied',
            'Access Denied: User does not have bigquery.jobs.create',
          ),
        },
        /bigquery\.jobs\.create.*BigQuery Job User/,
      ],
      'no right to write': [
        {
          when: asks('POST', '/tables'),
          answer: bigQueryError(403, 'accessDenied', 'Permission bigquery.tables.create denied'),
        },
        /tables\.create denied; .*BigQuery Data Editor on the dataset/,
      ],
      'credentials that are not accepted': [
        { when: () => true, answer: bigQueryError(401, 'authError', 'Invalid Credentials') },
        /Invalid Credentials; check ServiceAccountJson/,
      ],
    },
  },
  AwsAthena: {
    notThere:
      /^bucket "bucket" can be written; database "\w+" is not there yet, and the first run makes it/,
    fine: /^database "\w+" and bucket "bucket" can be written$/,
    failures: {
      'a key that is not accepted': [
        {
          when: asks('GET', '/bucket'),
          answer: s3Error(403, 'InvalidAccessKeyId', 'The key does not exist'),
        },
        /^S3: .*check AWSAccessKeyId and AWSSecretAccessKey/,
      ],
      'a bucket that is not there': [
        {
          when: asks('GET', '/bucket'),
          answer: s3Error(404, 'NoSuchBucket', 'The specified bucket does not exist'),
        },
        /^S3: .*check S3BucketName: there is no bucket "bucket"/,
      ],
      'no right to write to the bucket': [
        { when: asks('PUT', '/bucket'), answer: s3Error(403, 'AccessDenied', 'Access Denied') },
        /^S3: Access Denied; allow the key .*s3:PutObject/,
      ],
      'no right to ask Athena': [
        {
          when: athenaAsks('information_schema'),
          answer: athenaError(
            'AccessDeniedException',
            'not authorized to perform: athena:StartQueryExecution',
          ),
        },
        /^Athena: not authorized.*athena:StartQueryExecution, athena:GetQueryExecution/,
      ],
      'no right to make tables': [
        {
          when: athenaAsks('CREATE EXTERNAL'),
          answer: athenaError(
            'AccessDeniedException',
            'not authorized to perform: glue:CreateTable',
          ),
        },
        /glue:CreateTable; allow the key .*Glue's actions/,
      ],
    },
  },
};

for (const [name, { notThere, fine, failures }] of Object.entries(CASES)) {
  const { options, target } = targetOf(name, { before, after });

  test(`${name}: a place that is not there is not made`, options, async (t) => {
    const { status, message } = await connect(t, target.storage('absent'));
    assert.equal(status, 'ok', message);
    assert.match(message, notThere);
    assert.deepEqual(await target.tables('absent'), []);
    assert.deepEqual(await target.leftFiles('absent'), []);
  });

  test(`${name}: a place that is there is proved, and stays as it is`, options, async (t) => {
    await load(t, target.storage('there', { DestinationTableName: 't' }));
    const rows = await target.count('there', 't');
    const { status, message } = await connect(t, target.storage('there'));
    assert.equal(status, 'ok', message);
    assert.match(message, fine);
    assert.deepEqual(await target.tables('there'), ['t']);
    assert.equal(await target.count('there', 't'), rows);
    assert.deepEqual(await target.leftFiles('there'), []);
  });

  for (const [title, [rule, expected]] of Object.entries(failures)) {
    test(`${name}: ${title}`, options, async (t) => {
      await faultProxy(t, target, [rule]);
      const { status, message } = await connect(t, target.storage('there'));
      assert.equal(status, 'failed');
      assert.match(message, expected);
    });
  }

  test(`${name}: an address where nothing listens`, options, async (t) => {
    target.pointTo('http://127.0.0.1:1');
    t.after(() => target.pointTo(target.origin));
    const { status, message } = await connect(t, target.storage('there'));
    assert.equal(status, 'failed');
    assert.match(message, /ECONNREFUSED.*; check the network/);
  });
}
