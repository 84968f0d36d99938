'use strict';
// The two documented configurations, as the files are: they end at the placeholders that their reader
// has yet to replace, by name, before anything starts. With the placeholders filled in they get as far
// as the credentials, and say so.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');

const { root } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const referencePackage = path.join(root, 'packages', 'connectors');

/** A server on loopback that every client is pointed to. It knows no key, and tells who asked. */
async function bait(t) {
  const caught = [];
  const server = http.createServer((request, response) => {
    caught.push(`${request.method} ${request.url.split('?')[0]}`);
    response.writeHead(403, { 'content-type': 'application/xml' });
    response.end(
      '<?xml version="1.0" encoding="UTF-8"?><Error><Code>InvalidAccessKeyId</Code><Message>The AWS ' +
        'Access Key Id you provided does not exist in our records.</Message><RequestId>1</RequestId></Error>',
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { caught, origin: `http://127.0.0.1:${server.address().port}` };
}

/** Names are looked up by npm alone: an address that is not the bait's is never asked. */
const GUARD = `
if (!/npm/.test(process.argv[1])) {
  require('node:dns').lookup = (host, ...more) => {
    process.nextTick(more.at(-1), new Error('looked up: ' + host));
  };
}`;

async function run(t, config) {
  const { caught, origin } = await bait(t);
  const home = tempFolder(t);
  const runsDir = tempFolder(t);
  const guard = path.join(writeFiles(tempFolder(t), { 'guard.js': GUARD }), 'guard.js');
  const cli = path.join(root, 'src', 'cli', 'connector-runner-cli.js');
  const given = { ...process.env };
  for (const name of Object.keys(given)) {
    if (/^(AWS|GOOGLE|GCLOUD|GCE|BIGQUERY)_/.test(name)) delete given[name];
  }
  const outcome = await new Promise((resolve) => {
    const options = {
      cwd: tempFolder(t),
      env: {
        ...given,
        OWOX_CONNECTORS_PACKAGE: referencePackage,
        OWOX_RUNNER_RUNS_DIR: runsDir,
        CLOUDSDK_CONFIG: home,
        METADATA_SERVER_DETECTION: 'none',
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_ENDPOINT_URL: origin,
        NODE_OPTIONS: `--require ${guard}`,
      },
    };
    execFile(process.execPath, [cli, config], options, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr });
    });
  });
  assert.doesNotMatch(outcome.stderr, /looked up/);
  return { ...outcome, caught };
}

const EXAMPLES = {
  'tiktok-ads-to-google-bigquery.json': {
    asks: [],
    message: /no usable credentials.*set ServiceAccountJson.*GOOGLE_APPLICATION_CREDENTIALS/,
  },
  'tiktok-ads-to-aws-athena.json': {
    asks: ['GET /your-own-bucket-name/'],
    message: /check AWSAccessKeyId and AWSSecretAccessKey/,
  },
};

for (const [example, { asks, message }] of Object.entries(EXAMPLES)) {
  const file = path.join(root, 'examples', example);
  const text = fs.readFileSync(file, 'utf8');

  test(`${example} ends at its placeholders before anything starts`, async (t) => {
    const { caught, code, stdout, stderr } = await run(t, file);
    assert.deepEqual([code, stdout, caught], [1, '', []]);
    const placeholders = [...text.matchAll(/YOUR_[A-Z_]+/g)].map(([name]) => name);
    const named = [...stderr.matchAll(/still has the example's (YOUR_[A-Z_]+)/g)];
    assert.deepEqual(
      named.map(([, name]) => name),
      placeholders,
    );
    assert.match(stderr, /source\.config\.AccessToken\.value: still has/);
    assert.match(stderr, /INVALID_CONFIG/);
    assert.doesNotMatch(stderr, /Preparing/);
  });

  test(`${example} with its placeholders filled in ends at the storage's credentials`, async (t) => {
    const filled = text.replace(/YOUR_([A-Z_]+)/g, (_, name) =>
      `your-own-${name}`.replaceAll('_', '-').toLowerCase(),
    );
    const { caught, code, stdout, stderr } = await run(
      t,
      path.join(writeFiles(tempFolder(t), { 'config.json': filled }), 'config.json'),
    );
    assert.equal(code, 1);
    assert.match(stdout + stderr, message);
    assert.match(stdout + stderr, /CONNECTOR_FAILED/);
    assert.deepEqual([...new Set(caught)], asks);
  });
}
