'use strict';
// Variables with relative paths: a connector starts in a folder of its own, and they count from the
// host's all the same.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const connectors = connectorsPackage(
  { after },
  {
    sources: {
      Variables: `run() {
        const { NODE_EXTRA_CA_CERTS, GOOGLE_APPLICATION_CREDENTIALS } = process.env;
        const read = (file) => require('node:fs').readFileSync(file, 'utf8');
        console.log(JSON.stringify({
          required: globalThis.requiredFrom,
          imported: globalThis.importedFrom,
          credentials: read(GOOGLE_APPLICATION_CREDENTIALS),
          ca: NODE_EXTRA_CA_CERTS,
        }));
      }`,
    },
  },
);

/** Runs it in a folder with files that the variables name. */
async function run(t, env, ...args) {
  const folder = writeFiles(fs.realpathSync(tempFolder(t)), {
    'config.json': configOf('Variables'),
    'before it.cjs': 'globalThis.requiredFrom = __dirname;',
    'i.mjs': 'globalThis.importedFrom = import.meta.dirname ?? import.meta.url;',
    'lib/of-host.js': 'globalThis.requiredFrom = __dirname;',
    'key.json': '"key"',
    'ca.pem': fs.readFileSync(path.join(__dirname, 'support', 'tls', 'ca.pem'), 'utf8'),
  });
  const ended = await runScript(
    'src/cli-wrapper.js',
    ['config.json', '--no-state', '--connectors', connectors, ...args],
    { cwd: folder, env: { ...process.env, GOOGLE_APPLICATION_CREDENTIALS: 'key.json', ...env } },
  );
  return { folder, ...ended };
}

for (const isolation of ['none', 'standard']) {
  test(`files that variables name are the host's (${isolation})`, async (t) => {
    const { folder, code, stdout, stderr } = await run(
      t,
      {
        NODE_OPTIONS: '--require "./before it.cjs" --import=./i.mjs',
        NODE_EXTRA_CA_CERTS: './ca.pem',
      },
      ...['--isolation', isolation],
    );
    assert.equal(code, 0, stderr);
    const found = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{"required"')));
    assert.equal(found.required, folder);
    assert.ok(found.imported.includes(folder));
    assert.equal(found.credentials, '"key"');
    assert.equal(found.ca, path.join(folder, 'ca.pem'));
    assert.doesNotMatch(stderr, /Ignoring extra certs/);
  });
}

test('a relative NODE_PATH is where modules are looked for', async (t) => {
  const { folder, code, stdout, stderr } = await run(t, {
    NODE_PATH: 'lib',
    NODE_OPTIONS: '--require of-host',
  });
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes(path.join(folder, 'lib')), stdout);
});
