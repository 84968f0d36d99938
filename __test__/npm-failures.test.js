'use strict';
// Contract, sections 6 and 7: npm that is missing or fails.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { spawn } = require('node:child_process');
const { createServer } = require('node:http');
const path = require('node:path');
const { after, test } = require('node:test');

const { Config, ConnectorRunError, ConnectorRunner } = require('@owox/connector-runner');
const { NpmDependencyManager, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { ended, root } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { tempFolder, writeFiles } = require('./support/temp');

const dependencies = [
  { name: 'cannot-exist', version: 'file:/missing/package', global: ['x'], global_is: true },
];
const storages = {
  Null: { environment: { node: { enabled: true, dependencies: [] } } },
  Impossible: { environment: { node: { enabled: true, dependencies } } },
};
const package_ = connectorsPackage({ after }, { storages });

test('npm that fails rejects with its code, and its output is the hint only', async (t) => {
  const runsDir = tempFolder(t);
  const { stdout, stderr, pids, stdio } = capture();
  const runner = new ConnectorRunner({
    allowSpecs: ['file'],
    connectorsPackage: package_,
    runsDir,
  });
  const config = new Config(configOf('Ok', {}, 'Impossible'));
  const error = await rejection(runner.run('dm', 'run', config, new RunConfig({}), stdio));
  assert.match(error.message, /^npm install failed: [1-9]\d*$/);
  assert.ok(error instanceof ConnectorRunError);
  assert.equal(error.code, 'INSTALL_FAILED');
  assert.match(error.hint, /missing\/package/);
  assert.deepEqual({ stdout, stderr, pids }, { stdout: [], stderr: [], pids: [] });
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

test('a version that a storage pins and the registry lacks is named', async (t) => {
  const packument = (name) => ({
    name,
    'dist-tags': { latest: '1.0.0' },
    versions: {
      '1.0.0': { name, version: '1.0.0', dist: { tarball: 'http://127.0.0.1:1/x.tgz' } },
    },
  });
  const server = createServer((request, response) => {
    const name = decodeURIComponent(request.url.slice(1));
    if (name !== '@test/pinned') return response.writeHead(404).end('{}');
    return response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify(packument(name)));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const pinned = [{ name: '@test/pinned', version: '99.0.0', global: ['x'], global_is: true }];
  const folder = connectorsPackage(t, {
    storages: { Pins: { environment: { node: { enabled: true, dependencies: pinned } } } },
  });
  const config = writeFiles(tempFolder(t), { 'config.json': configOf('Ok', {}, 'Pins') });
  const args = ['src/cli-wrapper.js', path.join(config, 'config.json'), '--no-state'];
  const { code, stderr } = await ended(
    spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        OWOX_CONNECTORS_PACKAGE: folder,
        OWOX_RUNNER_STORE: path.join(config, 'store'),
        npm_config_cache: path.join(config, 'cache'),
        npm_config_registry: `http://127.0.0.1:${server.address().port}/`,
      },
    }),
  );
  assert.equal(code, 1);
  assert.match(
    stderr,
    /The registry has no @test\/pinned 99\.0\.0, which the storage's\s+manifest/,
  );
});

test('installDependencies rejects in the same words', async (t) => {
  const folder = writeFiles(tempFolder(t), {
    'package.json': { name: 'x', dependencies: { 'cannot-exist': 'file:/missing/package' } },
  });
  const error = await rejection(new NpmDependencyManager().installDependencies(folder));
  assert.match(error.message, /^npm install failed: [1-9]\d*$/);
  assert.equal(error.code, 'INSTALL_FAILED');
});

test('installDependencies of a folder that is missing is a clear failure', async () => {
  const error = await rejection(new NpmDependencyManager().installDependencies('/does/not/exist'));
  assert.equal(error.code, 'INSTALL_FAILED');
  assert.match(error.message, /\/does\/not\/exist/);
});

test('a host without npm gets INSTALL_FAILED, and no crash', async (t) => {
  const folder = writeFiles(tempFolder(t), {
    'host.js': `
      const runner = require(${JSON.stringify(root)});
      const options = ${JSON.stringify({ connectorsPackage: package_, runsDir: tempFolder(t) })};
      const config = new runner.Config(${JSON.stringify(configOf('Ok'))});
      new runner.ConnectorRunner(options).run('dm', 'run', config, new runner.RunConfig({}))
        .catch(({ name, code, message }) => console.log(JSON.stringify({ name, code, message })));`,
  });
  const node = path.join(folder, 'node');
  fs.copyFileSync(process.execPath, node);
  fs.chmodSync(node, 0o755);
  const { spawn } = require('node:child_process');
  const { stdout, stderr, code } = await ended(
    spawn(node, ['host.js'], { cwd: folder, env: { PATH: '/nowhere' } }),
  );
  assert.deepEqual({ stderr, code }, { stderr: '', code: 0 });
  const error = JSON.parse(stdout);
  assert.equal(error.name, 'ConnectorRunError');
  assert.equal(error.code, 'INSTALL_FAILED');
  assert.match(error.message, /npm was not found/);
});

/** A folder with an npm of ours that records how it was called. */
function fakeNpm(t, script) {
  const bin = writeFiles(tempFolder(t), { npm: `#!/bin/sh\n${script}\n` });
  fs.chmodSync(path.join(bin, 'npm'), 0o755);
  return bin;
}

/** Runs `installDependencies` with a PATH that starts with this folder. */
async function installWith(t, bin, more = {}) {
  const saved = process.env;
  process.env = { ...saved, PATH: `${bin}:${saved.PATH}`, ...more };
  t.after(() => {
    process.env = saved;
  });
  const folder = writeFiles(tempFolder(t), { 'package.json': { name: 'x' } });
  const error = await new NpmDependencyManager().installDependencies(folder).catch((e) => e);
  process.env = saved;
  return { folder, error };
}

test('npm runs in the folder, without scripts, with the host’s variables and none of a run', async (t) => {
  const bin = fakeNpm(t, 'echo "$@" > args; env > variables; pwd > where');
  const more = {
    npm_config_registry: 'http://registry.test/',
    OW_CONFIG: 'secret',
    HTTPS_PROXY: 'p',
  };
  const { folder, error } = await installWith(t, bin, more);
  assert.equal(error, undefined);
  const read = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
  assert.match(read('args'), /^install .*--ignore-scripts/);
  assert.match(read('args'), /--install-links/);
  assert.equal(read('where').trim(), folder);
  assert.match(read('variables'), /^npm_config_registry=http:\/\/registry\.test\/$/m);
  assert.match(read('variables'), /^HTTPS_PROXY=p$/m);
  assert.doesNotMatch(read('variables'), /OW_CONFIG|secret/);
});

test('an npm that is killed is named by its signal', async (t) => {
  const { error } = await installWith(t, fakeNpm(t, 'kill -KILL $$'));
  assert.equal(error.code, 'INSTALL_FAILED');
  assert.match(error.message, /^npm install failed: /);
});

test('npm that prints much without end of line does no harm, and its end is the hint', async (t) => {
  const { error } = await installWith(
    t,
    fakeNpm(t, `head -c 5000000 /dev/zero; echo the end; exit 7`),
  );
  assert.equal(error.message, 'npm install failed: 7');
  assert.match(error.hint, /the end/);
  assert.ok(error.hint.length < 100_000);
});
