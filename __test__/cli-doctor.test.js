'use strict';
// `doctor`: what a run needs, what isolation there is, and what to do.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { tempFolder } = require('./support/temp');

const doctor = (args, options) => runScript('src/cli-wrapper.js', ['doctor', ...args], options);

async function findings(args = [], options = {}) {
  const { stdout, stderr, code } = await doctor(['--json', ...args], options);
  assert.equal(stderr, '');
  return { ...JSON.parse(stdout), code };
}

const check = ({ checks }, name) => checks.find((one) => one.name === name);

test('a machine that can run connectors is told so, with what it has', async (t) => {
  const store = path.join(tempFolder(t), 'store');
  const runsDir = tempFolder(t);
  const args = ['--store', store, '--runs-dir', runsDir, '--connectors', connectorsPackage(t)];
  const found = await findings(args);
  assert.deepEqual([found.code, found.canRun], [0, true]);
  assert.ok(
    found.checks.every(({ status }) => status === 'ok'),
    JSON.stringify(found.checks),
  );
  assert.equal(check(found, 'Node.js').detail, `${process.version} at ${process.execPath}`);
  assert.match(check(found, 'npm').detail, /^\d+\.\d+\.\d+ at \//);
  assert.ok(check(found, 'runs folder').detail.startsWith(`${runsDir} can be written`));
  assert.match(check(found, 'connectors').detail, /^@test\/connectors 1\.2\.3 at /);
  assert.match(found.kernel, /^\d+\.\d+/);
  assert.deepEqual(
    found.layers.map(({ name }) => name),
    ['processes', 'privileges', 'files', 'signals', 'unixSockets', 'tcpPorts', 'systemCalls'],
  );
  for (const layer of found.layers) {
    assert.match(layer.enforced, /^(full|partial|none)$/);
    assert.equal(layer.remedy === null, layer.enforced === 'full', JSON.stringify(layer));
    if (layer.enforced !== 'full') assert.ok(layer.reason, `${layer.name} has no reason`);
  }
  const lacking = found.layers.filter(
    ({ name, enforced }) => name !== 'tcpPorts' && enforced !== 'full',
  );
  assert.equal(found.canBeStrict, lacking.length === 0);
  assert.deepEqual(fs.readdirSync(runsDir), [], 'it leaves nothing');
});

test('what is missing is an error with a remedy, and exit code 1', async (t) => {
  const file = path.join(tempFolder(t), 'file');
  fs.writeFileSync(file, '');
  for (const [args, name] of [
    [['--runs-dir', path.join(file, 'below')], 'runs folder'],
    [['--store', file], 'store'],
    [['--connectors', '/does/not/exist'], 'connectors'],
  ]) {
    const found = await findings(args);
    assert.deepEqual([found.code, found.canRun], [1, false]);
    const { status, remedy } = check(found, name);
    assert.equal(status, 'error', name);
    assert.ok(remedy);
  }
  const bin = tempFolder(t);
  fs.writeFileSync(path.join(bin, 'node'), '#!/bin/sh\necho v18.20.0\n', { mode: 0o755 });
  const old = await findings([], { env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } });
  assert.equal(old.code, 1);
  assert.match(check(old, 'Node.js').detail, /^v18\.20\.0 at .* is too old$/);
});

test('variables that look secret are named, and never shown', async () => {
  const env = { ...process.env, MY_API_TOKEN: 'shown-to-nobody', HARMLESS: 'x' };
  const found = await findings([], { env });
  assert.ok(found.inheritedSecrets.includes('MY_API_TOKEN'));
  assert.ok(!found.inheritedSecrets.includes('HARMLESS'));
  const { stdout } = await doctor([], { env });
  assert.match(stdout, /every connector gets [^→]*MY_API_TOKEN/s);
  assert.match(stdout, /env: 'minimal'/);
  assert.ok(!JSON.stringify([found, stdout]).includes('shown-to-nobody'));
});

test('a person reads lines that fit, and colours only on a terminal', async () => {
  const { stdout, stderr } = await doctor([]);
  assert.equal(stderr, '');
  assert.match(stdout, /^connector-runner \d/);
  assert.match(stdout, /\n {2}(full|partial|none) +files /);
  assert.match(stdout, /Connectors can run here\.\n/);
  assert.ok(!stdout.includes('\u001b'));
  const long = stdout
    .split('\n')
    .filter((line) => line.length > 100 && line.trim().includes(' ', 60));
  assert.deepEqual(long, []);
});

test('--strict asks for all of strict', async () => {
  const { canBeStrict, canRun, code } = await findings(['--strict']);
  assert.equal(code, canRun && canBeStrict ? 0 : 1);
});
