'use strict';
// Acceptance cases 32 to 35, the quickstart in strict, and what is said of grants.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('../support/connectors');
const { query, referencePackage } = require('../support/duckdb');
const { root, runScript } = require('../support/host');
const { layerOf, play, users, world } = require('../support/isolation');
const { capture, rejection } = require('../support/output');
const { tempFolder, writeFiles } = require('../support/temp');
const { modes, testWith } = require('../support/machine');

const inStrict = testWith();

const QUICKSTART = path.join(root, 'examples', 'quickstart.json');

/** The quickstart with a database in this folder. */
function quickstartIn(folder, database = 'quickstart.duckdb') {
  const config = JSON.parse(fs.readFileSync(QUICKSTART, 'utf8'));
  config.source.config.Path = path.join(root, 'examples', config.source.config.Path);
  config.storage.config.DatabasePath = path.join(folder, database);
  return config;
}

inStrict('the quickstart runs in strict, by the command line', async (t) => {
  const folder = tempFolder(t);
  const config = path.join(
    writeFiles(folder, { 'config.json': quickstartIn(folder) }),
    'config.json',
  );
  const args = [config, '--isolation', 'strict', '--no-state', '--connectors', referencePackage];
  for (const round of ['new', 'known']) {
    const { stderr, code } = await runScript('src/cli-wrapper.js', args);
    assert.equal(code, 0, `${round}: ${stderr}`);
  }
  const [[count]] = await query(
    config.replace('config.json', 'quickstart.duckdb'),
    'SELECT count(*) FROM ecb_rates',
  );
  assert.equal(count, '7126');
});

inStrict('a path that a configuration names grants nothing else', async (t) => {
  const folder = writeFiles(tempFolder(t), { 'data.csv': 'a\n1\n', 'keys/secret.csv': 'a\n2\n' });
  const at = (name) => path.join(folder, name);
  fs.mkdirSync(at('db'));
  fs.symlinkSync(at('keys/secret.csv'), at('link.csv'));
  const runner = new ConnectorRunner({ connectorsPackage: referencePackage, isolation: 'strict' });
  const run = (source, database, options) => {
    const config = new Config({
      datamartId: 'd',
      name: 'n',
      source: { name: 'CsvFile', config: { Path: source } },
      storage: { name: 'DuckDb', config: { DatabasePath: database, DestinationTableName: 't' } },
    });
    const { stdout, stderr, stdio } = capture();
    const result = runner.run('d', `r${Math.random()}`, config, new RunConfig({}), stdio, options);
    return { result, stdout, stderr };
  };
  const good = await run(at('data.csv'), at('db/x.duckdb')).result;
  assert.equal(good.status, 'success');
  assert.doesNotMatch(good.warnings.join(), /grants/);

  const link = await rejection(run(at('link.csv'), at('db/x.duckdb')).result);
  assert.match(link.result.warnings.join(), /Path grants nothing: .*symbolic link/);
  assert.match(link.stderrTail, /isolation does not let it read .*--allow-read/);
  // standard reads freely, and has nothing to say of grants
  const free = await run(at('link.csv'), at('db/x.duckdb'), { isolation: 'standard' }).result;
  assert.equal(free.status, 'success');
  assert.doesNotMatch(free.warnings.join(), /grants/);

  for (const database of ['x.duckdb', '../x.duckdb', '/no/such/folder/x.duckdb']) {
    const error = await rejection(run(at('data.csv'), database).result);
    assert.equal(error.code, 'CONNECTOR_FAILED', database);
  }
  // a folder that holds the runs' directories cannot be granted without granting these
  const runsDir = at('runs');
  const shared = await rejection(run(at('data.csv'), at('x.duckdb'), { runsDir }).result);
  assert.equal(shared.code, 'INVALID_CONFIG');
  assert.match(shared.message, /DatabasePath lies in .*which also holds .*runs/);
  const standard = await run(at('data.csv'), at('x.duckdb'), { runsDir, isolation: 'standard' })
    .result;
  const files = layerOf(standard, 'files');
  assert.deepEqual([standard.status, files.enforced], ['success', 'partial']);
  assert.match(files.reason, /which also holds/);
});

inStrict('what the caller grants is granted, and nothing beside it', async (t) => {
  const user = process.getuid();
  const folder = world(t, user, { 'read/a': 'a', 'write/b': 'b', 'neither/c': 'c' });
  const at = (name) => JSON.stringify(path.join(folder, name));
  const acts = `
    act('read', () => fs.readFileSync(${at('read/a')}, 'utf8'));
    act('write into read', () => fs.writeFileSync(${at('read/a')}, 'x'));
    act('write', () => fs.writeFileSync(${at('write/new')}, 'x'));
    act('read back', () => fs.readFileSync(${at('write/new')}, 'utf8'));
    act('chmod', () => fs.chmodSync(${at('write/new')}, 0o600));
    act('neither', () => fs.readFileSync(${at('neither/c')}, 'utf8'));
    act('mask', () => (fs.statSync(${at('write/new')}).mode & 0o777).toString(8));
    show();`;
  const isolation = {
    mode: 'strict',
    read: [path.join(folder, 'read')],
    write: [path.join(folder, 'write')],
  };
  const { outcomes } = await play(t, acts, { isolation });
  assert.deepEqual(outcomes, {
    read: 'a',
    'write into read': 'EACCES',
    write: 'ok',
    'read back': 'x',
    chmod: 'ok',
    neither: 'EACCES',
    mask: '600',
  });
});

for (const user of users) {
  test(`strict passes on no variable that loads code, standard does (user ${user})`, async (t) => {
    const folder = world(t, user, { 'loaded.js': 'globalThis.loaded = true;' });
    const env = {
      NODE_OPTIONS: `--require=${path.join(folder, 'loaded.js')}`,
      LD_PRELOAD: '/no/such/library.so', // the loader says so, and goes on
      A_SECRET: 'secret',
    };
    const acts = `
      Object.assign(outcomes, {
        loaded: globalThis.loaded === true, options: process.env.NODE_OPTIONS !== undefined,
        preload: process.env.LD_PRELOAD !== undefined, secret: process.env.A_SECRET !== undefined,
        home: process.env.HOME !== undefined,
      });
      show();`;
    const all = { loaded: true, options: true, preload: true, secret: true, home: true };
    const none = { loaded: false, options: false, preload: false, secret: false, home: false };
    const of = async (isolation, options = {}) =>
      (await play(t, acts, { user, env, isolation, options })).outcomes;
    assert.deepEqual(await of('none'), all);
    assert.deepEqual(await of('standard'), all);
    if (!modes.includes('strict')) return;
    assert.deepEqual(await of('strict'), none);
    assert.deepEqual(await of('strict', { env: 'inherit' }), { ...none, secret: true, home: true });
    // whoever names them means them
    const named = { mode: 'strict', read: [folder] };
    assert.deepEqual(await of(named, { env: ['NODE_OPTIONS'] }), {
      ...none,
      loaded: true,
      options: true,
    });
  });

  test(`node may be a symbolic link (user ${user})`, async (t) => {
    const folder = world(t, user);
    fs.symlinkSync(process.execPath, path.join(folder, 'node'));
    const acts = `outcomes.path = process.execPath; outcomes.argv0 = process.argv0; show();`;
    const env = { PATH: `${folder}:${process.env.PATH}` };
    for (const isolation of modes) {
      const { outcomes, result } = await play(t, acts, { user, isolation, env });
      assert.equal(result?.status, 'success', isolation);
      assert.deepEqual(outcomes, {
        path: fs.realpathSync(process.execPath),
        argv0: path.join(folder, 'node'),
      });
    }
  });

  testWith('processes')(`processes without end come to an end (user ${user})`, async (t) => {
    const acts = `
      // as many as there can be; each goes on by itself
      const { stdout } = spawnSync('/bin/sh', ['-c', 'while sleep 1000 >/dev/null 2>&1 & do count=$((count + 1)); echo $count; done'], { encoding: 'utf8' });
      outcomes.count = Number(stdout.trim().split('\\n').pop());
      show();`;
    const { outcomes, result } = await play(t, acts, { user, options: { timeoutMs: 120_000 } });
    assert.equal(result?.status, 'success');
    assert.ok(outcomes.count > 500 && outcomes.count < 2048, `${outcomes.count}`);
    assert.equal(layerOf(result, 'processes').reason, null);
  });
}

const withOthers = testWith('files', 'signals', 'unixSockets', 'systemCalls');

withOthers(
  'a layer is missing: strict starts nothing and says what to do, standard says so',
  async (t) => {
    process.env.OWOX_RUNNER_SUPERVISION = 'portable'; // without a namespace
    t.after(() => delete process.env.OWOX_RUNNER_SUPERVISION);
    const options = { connectorsPackage: connectorsPackage(t), runsDir: tempFolder(t) };
    const runner = new ConnectorRunner(options);
    const run = (isolation) =>
      runner.run('d', 'r', new Config(configOf('Ok')), new RunConfig({}), 'ignore', { isolation });
    const error = await rejection(run('strict'));
    assert.equal(error.code, 'ISOLATION_UNAVAILABLE');
    assert.match(
      error.message,
      /the layer processes .*Nothing was started.*layers: \{ processes: 'preferred' \}/,
    );
    assert.equal(error.result, undefined);
    assert.deepEqual(fs.readdirSync(options.runsDir), []);
    const relaxed = await run({ mode: 'strict', layers: { processes: 'preferred' } });
    assert.equal(layerOf(relaxed, 'processes').enforced, 'partial');
    assert.equal(layerOf(await run('standard'), 'processes').enforced, 'partial');
  },
);
