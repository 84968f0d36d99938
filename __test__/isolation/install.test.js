'use strict';
// What confines npm: what a result says of it is what an install script finds.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { ConnectorRunner } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('../support/connectors');
const { runScript } = require('../support/host');
const { capture } = require('../support/output');
const { tempFolder, writeFiles } = require('../support/temp');
const { missing } = require('../support/machine');

/** Options of runs that need a package whose install script tries what it must not. */
function setUp(t) {
  const outside = tempFolder(t);
  const script = `
    const fs = require('node:fs');
    const found = {};
    const act = (name, work) => {
      try { work(); found[name] = 'ok'; } catch (error) { found[name] = error.code; }
    };
    act('files', () => fs.writeFileSync(${JSON.stringify(path.join(outside, 'written'))}, ''));
    act('signals', () => process.kill(${process.pid}, 0));
    act('processes', () => fs.statSync('/proc/${process.pid}'));
    fs.writeFileSync('found.json', JSON.stringify(found));`;
  const needed = writeFiles(path.join(tempFolder(t), 'needed'), {
    'package.json': { name: 'needed', version: '1.0.0', scripts: { install: 'node try.js' } },
    'try.js': script,
    'index.js': `module.exports = require('./found.json');`,
  });
  const dependency = { name: 'needed', version: `file:${needed}`, global: ['needed'] };
  const sources = { Found: `run() { console.log(JSON.stringify(require('needed'))); }` };
  const storages = {
    Null: { environment: { node: { enabled: true, dependencies: [dependency] } } },
  };
  const options = {
    allowScripts: [`needed@file:${needed}`],
    allowSpecs: ['file'],
    connectorsPackage: connectorsPackage(t, { sources, storages }),
    storeDir: path.join(tempFolder(t), 'store'),
    runsDir: tempFolder(t),
  };
  return { options, outside };
}

async function run(options) {
  const { stdout, stdio } = capture();
  const runner = new ConnectorRunner(options);
  const { environment, isolation } = await runner.run('mart', 'run', configOf('Found'), {}, stdio);
  const install = isolation.install && new Map(isolation.install.map((one) => [one.name, one]));
  return { environment, install, found: JSON.parse(stdout.join('')) };
}

for (const store of ['shared', 'off']) {
  for (const isolation of ['standard', 'none']) {
    test(`isolation ${isolation}, store ${store}: what confined npm`, async (t) => {
      const { options, outside } = setUp(t);
      const { environment, install, found } = await run({ ...options, isolation, store });
      assert.equal(environment.cached, false);
      const wanted = isolation === 'none' ? 'off' : 'preferred';
      const requested = Object.fromEntries(
        [...install].map(([name, one]) => [name, one.requested]),
      );
      assert.deepEqual(requested, {
        processes: 'preferred',
        privileges: wanted,
        files: wanted,
        signals: wanted,
        unixSockets: 'off',
        tcpPorts: 'off',
        systemCalls: wanted,
      });
      const is = (name) => install.get(name).enforced;
      const byLandlock = install.get('files').mechanism.includes('Landlock');
      if (!missing && isolation === 'standard') assert.equal(is('files'), 'full');
      if (isolation === 'none') assert.equal(is('files'), 'none');
      assert.equal(found.files, byLandlock ? 'EACCES' : 'ok');
      assert.deepEqual(fs.readdirSync(outside), byLandlock ? [] : ['written']);
      const isHidden = is('processes') === 'full';
      assert.equal(found.processes, isHidden ? 'ENOENT' : 'ok');
      const isSilent = is('signals') === 'full';
      assert.equal(found.signals, isHidden ? 'ESRCH' : isSilent ? 'EPERM' : 'ok');
    });
  }
}

test('a run that has not installed says nothing of npm', async (t) => {
  const { options } = setUp(t);
  assert.ok((await run(options)).install);
  const { environment, install } = await run(options);
  assert.deepEqual([environment.cached, install], [true, undefined]);
});

test('doctor says what confines npm and the reader of packages', async () => {
  const { stdout } = await runScript('src/cli-wrapper.js', ['doctor', '--json']);
  const { helpers, layers } = JSON.parse(stdout);
  const here = new Map(layers.map(({ name, enforced }) => [name, enforced]));
  assert.deepEqual(
    helpers.map(({ name }) => name),
    ['npm', 'package reader'],
  );
  for (const { name, layers: ofHelper } of helpers) {
    for (const layer of ofHelper) {
      const isOff = name === 'npm' && ['unixSockets', 'tcpPorts'].includes(layer.name);
      assert.equal(layer.requested, isOff ? 'off' : 'preferred', `${name}: ${layer.name}`);
      // Node's permission model is for connectors only
      const enforced = missing && layer.name === 'files' ? layer.enforced : here.get(layer.name);
      assert.equal(layer.enforced, isOff ? 'none' : enforced, `${name}: ${layer.name}`);
    }
  }
  const text = (await runScript('src/cli-wrapper.js', ['doctor'])).stdout;
  assert.match(text, /\n {2}(full|partial) +npm +may /);
  assert.match(text, /\n {2}(full|partial) +package reader +may /);
});
