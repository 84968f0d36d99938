'use strict';
// The two documented configurations, as the files are: they must get as far as the credentials that
// their reader has yet to put in, and say so, without asking any server.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const net = require('node:net');
const path = require('node:path');
const { test } = require('node:test');

const { root } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const referencePackage = path.join(root, 'packages', 'connectors');

/** A server on loopback that every client is pointed to: whoever connects is told of. */
async function bait(t) {
  const caught = [];
  const server = net.createServer((socket) => {
    caught.push(socket.remotePort);
    socket.destroy();
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

async function run(t, example) {
  const { caught, origin } = await bait(t);
  const home = tempFolder(t);
  const guard = path.join(writeFiles(tempFolder(t), { 'guard.js': GUARD }), 'guard.js');
  const cli = path.join(root, 'src', 'cli', 'connector-runner-cli.js');
  const args = [cli, path.join(root, 'examples', example)];
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
        OWOX_RUNNER_RUNS_DIR: tempFolder(t),
        CLOUDSDK_CONFIG: home,
        METADATA_SERVER_DETECTION: 'none',
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_ENDPOINT_URL: origin,
        NODE_OPTIONS: `--require ${guard}`,
      },
    };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr });
    });
  });
  assert.deepEqual(caught, []);
  assert.doesNotMatch(outcome.stderr, /looked up/);
  return outcome;
}

const EXAMPLES = {
  'tiktok-ads-to-google-bigquery.json':
    /no usable credentials.*set ServiceAccountJson.*GOOGLE_APPLICATION_CREDENTIALS/,
  'tiktok-ads-to-aws-athena.json':
    /The example's values are still in AWSAccessKeyId, AWSSecretAccessKey, S3BucketName, AthenaDatabaseName, AthenaOutputLocation: put your own there/,
};

for (const [example, message] of Object.entries(EXAMPLES)) {
  test(`${example} ends at the storage's credentials`, async (t) => {
    const { code, stdout, stderr } = await run(t, example);
    assert.equal(code, 1);
    assert.match(stdout + stderr, message);
    assert.match(stdout + stderr, /CONNECTOR_FAILED/);
  });
}
