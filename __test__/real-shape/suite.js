'use strict';
// A package in the shape of a published @owox/connectors, as it is: whole runs into each storage,
// the commands, every place to find it in, every mode of isolation.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { FURTHER, STORAGES } = require('./build');
const { NAME, npmInstall, places } = require('./places');
const { SECRET, sourceConfig, storageConfig } = require('./configs');
const { startRegistry } = require('./registry');
const { rows, startServices } = require('./services');
const { root, runScript } = require('../support/host');
const { modes } = require('../support/machine');
const { capture } = require('../support/output');
const { tempFolder, writeFiles } = require('../support/temp');

const SOURCES = {
  '0.11.0': ['BankOfCanada', 'BingAds', 'FacebookMarketing', 'GoogleAds'],
  '0.31.0': ['BankOfCanada', 'BingAds', 'FacebookMarketing', 'TikTokAds'],
};
const DAYS = ['2026-01-01', '2026-01-02', '2026-01-03'];

/** Why 0.11 cannot run here, or false: it gets packages of the npm registry, one to be compiled. */
function lacksFor(version) {
  if (version !== '0.11.0') return false;
  const view = spawnSync('npm', ['view', '@kaciras/deasync@1.1.0', 'version']);
  return view.status !== 0 && 'the npm registry does not answer';
}

/** The tests of one version. */
function suite(version) {
  const skip = lacksFor(version);
  describe(`@owox/connectors in the shape of ${version}`, { skip }, () => {
    // what a hook makes outlives the hook
    const made = [];
    const t = { after: (remove) => made.unshift(remove) };
    const storeDir = tempFolder(t);
    let services;
    let where;
    const old = { ...process.env };

    before(async () => {
      services = await startServices(t);
      // of 0.11's only what is large has a stand-in
      const without = version === '0.11.0' ? ['adm-zip'] : [];
      Object.assign(process.env, await startRegistry(t, { without }), services.variables);
      delete process.env.OWOX_CONNECTORS_PACKAGE;
      where = await places(t, version);
    });
    after(() => {
      process.env = old;
      for (const remove of made) remove();
    });

    const configOf = (source, storage) => ({
      datamartId: 'datamart',
      name: 'Shape',
      source: { name: source, config: sourceConfig(services.url)[source] },
      storage: { name: storage, config: storageConfig(services.url)[storage] },
    });

    /** Runs as a library, from the package's folder. */
    async function run(test, source, storage, { state = {}, ...options } = {}) {
      services.forget();
      const connectorsPackage = path.resolve(where.folder.cwd, where.folder.connectors);
      const runner = new ConnectorRunner({
        connectorsPackage,
        storeDir,
        runsDir: tempFolder(test),
      });
      const { stdout, stderr, stdio } = capture();
      const runConfig = new RunConfig({ type: 'INCREMENTAL', data: [], state });
      const config = new Config(configOf(source, storage));
      const outcome = await runner.run('datamart', 'run', config, runConfig, stdio, options).then(
        (result) => ({ result }),
        (error) => ({ error }),
      );
      const failure = `${outcome.error?.message}\n${outcome.error?.hint ?? stderr.join('')}`;
      return { ...outcome, failure, stdout: stdout.join(''), stderr: stderr.join('') };
    }

    /** Starts the command at one of the places. */
    function command(place, ...args) {
      const { cwd, connectors, env } = where[place];
      const named = connectors ? ['--connectors', connectors] : [];
      return runScript('src/cli-wrapper.js', [...args, ...named], {
        cwd,
        env: { ...process.env, ...env },
      });
    }

    function configFile(test, source, storage) {
      const folder = writeFiles(tempFolder(test), { 'config.json': configOf(source, storage) });
      return path.join(folder, 'config.json');
    }

    for (const storage of Object.keys(STORAGES[version])) {
      it(`runs into ${storage}`, async (test) => {
        const { error, result, failure, stdout, stderr } = await run(test, 'BankOfCanada', storage);
        assert.equal(error, undefined, failure);
        assert.equal(stderr, '');
        assert.deepEqual(services.rows(), DAYS.flatMap(rows));
        assert.deepEqual([result.status, result.lastStatus], ['success', 3]);
        assert.equal(result.state.date.slice(0, 10), '2026-01-03');
        const types = stdout.match(/(?<="type":")\w+/g);
        assert.deepEqual([types[0], types.at(-1)], ['isInProgress', 'updateCurrentStatus']);
        assert.equal(services.staged.length, storage === 'AwsAthena' ? 3 : 0);
      });
    }

    for (const source of SOURCES[version].filter((name) => !/Bank|Facebook/.test(name))) {
      it(`runs from ${source}`, async (test) => {
        const { error, failure, stderr } = await run(test, source, 'GoogleBigQuery');
        assert.equal(error, undefined, failure);
        assert.equal(stderr, '');
        assert.deepEqual(services.rows(), DAYS.flatMap(rows));
        const renewed = services.headers.filter(
          ({ authorization }) => authorization === 'Bearer renewed-access-token',
        );
        assert.equal(renewed.length, source === 'BingAds' ? 0 : DAYS.length);
      });
    }

    it('fails as it should, and shows no secret', async (test) => {
      const { error, stdout, stderr } = await run(test, 'FacebookMarketing', 'GoogleBigQuery');
      assert.equal(error.code, 'CONNECTOR_FAILED');
      assert.equal(error.result.lastStatus, 5);
      assert.match(stderr, /Facebook refused .*access_token=\*\*\*: 403/);
      assert.doesNotMatch(`${stdout}${stderr}${error.stderrTail}`, new RegExp(SECRET));
    });

    for (const isolation of ['none', ...modes]) {
      it(`runs from every place under ${isolation}`, async (test) => {
        const file = configFile(test, 'BankOfCanada', 'GoogleBigQuery');
        for (const place of Object.keys(where).filter((name) => name !== 'archive')) {
          services.forget();
          const args = ['run', file, '--no-state', '--store', storeDir, '--isolation', isolation];
          const { stderr, code } = await command(place, ...args);
          assert.equal(code, 0, `${place}: ${stderr}`);
          // npm has left out files there, or made the command executable: installed once more
          const isAnother = isolation === 'none' && ['workspace', 'tarball'].includes(place);
          if (!isAnother) assert.doesNotMatch(stderr, /Preparing/, place);
          assert.deepEqual(services.rows(), DAYS.flatMap(rows), place);
        }
      });
    }

    it('spec lists it, at every place', async () => {
      for (const place of Object.keys(where).filter((name) => name !== 'archive')) {
        const { stdout, stderr, code } = await command(place, 'spec', '--json');
        assert.equal(code, 0, `${place}: ${stderr}`);
        const { sources, storages } = JSON.parse(stdout);
        const names = (list) => list.map(({ name }) => name).sort();
        assert.deepEqual(names(sources), [...SOURCES[version], ...FURTHER[version]].sort(), place);
        assert.deepEqual(names(storages), Object.keys(STORAGES[version]).sort(), place);
      }
      const { stdout } = await command('tarball', 'spec', 'FacebookMarketing');
      assert.match(stdout, /AccessToken/);
      assert.doesNotMatch(stdout, /base64/);
    });

    it('check finds what is missing, and nothing else', async (test) => {
      const good = await command('tarball', 'check', configFile(test, 'BingAds', 'GoogleBigQuery'));
      assert.equal(good.code, 0, `${good.stdout}${good.stderr}`);
      const config = configOf('BingAds', 'GoogleBigQuery');
      delete config.source.config.DeveloperToken;
      const folder = writeFiles(tempFolder(test), { 'config.json': config });
      const bad = await command('tarball', 'check', path.join(folder, 'config.json'));
      assert.equal(bad.code, 1);
      assert.match(`${bad.stdout}${bad.stderr}`, /DeveloperToken/);
    });

    it('the store is filled before, locked, verified and listed', async (test) => {
      const store = ['--store', tempFolder(test)];
      const file = configFile(test, 'BankOfCanada', 'GoogleBigQuery');
      for (const args of [
        ['store', 'lock', file, ...store],
        ['store', 'warm', file, ...store],
      ]) {
        const { stderr, code } = await command('tarball', ...args);
        assert.equal(code, 0, `${args}: ${stderr}`);
      }
      const lockfile = JSON.parse(fs.readFileSync(file.replace('.json', '.lock.json'), 'utf8'));
      assert.ok(lockfile.packages['node_modules/@google-cloud/bigquery']);
      for (const what of ['verify', 'list']) {
        const { stdout, stderr, code } = await runScript('src/cli-wrapper.js', [
          'store',
          what,
          ...store,
        ]);
        assert.equal(code, 0, stderr);
        assert.match(stdout, what === 'verify' ? /intact/ : new RegExp(`connectors ${version}`));
      }
      services.forget();
      const ran = await command('tarball', file, '--no-state', ...store);
      assert.equal(ran.code, 0, ran.stderr);
      assert.doesNotMatch(ran.stderr, /Preparing/);
      assert.deepEqual(services.rows(), DAYS.flatMap(rows));
    });

    it("runs as an installation of its own with store: 'off'", async (test) => {
      const options = { store: 'off' };
      const { error, failure } = await run(test, 'BankOfCanada', 'GoogleBigQuery', options);
      assert.equal(error, undefined, failure);
      assert.deepEqual(services.rows(), DAYS.flatMap(rows));
    });

    it('the quickstart runs beside it, in whichever order the two are installed', async (test) => {
      for (const order of ['runner first', 'connectors first']) {
        const folder = writeFiles(tempFolder(test), {
          'package.json': { name: 'h', private: true },
        });
        const link = () => npmInstall(folder, '--install-links=false', root);
        if (order === 'runner first') await link();
        await npmInstall(folder, where.archive);
        if (order !== 'runner first') await link();
        assert.ok(fs.existsSync(path.join(folder, 'node_modules', NAME, 'dist/index.cjs')), order);
        services.forget();
        fs.copyFileSync(
          configFile(test, 'BankOfCanada', 'GoogleBigQuery'),
          path.join(folder, 'config.json'),
        );
        const args = ['--no-install', 'connector-runner', 'config.json', '--no-state'];
        const { status, stderr } = await npx(folder, [...args, '--store', storeDir]);
        assert.equal(status, 0, `${order}: ${stderr}`);
        assert.doesNotMatch(stderr, /reference package/);
        assert.deepEqual(services.rows(), DAYS.flatMap(rows), order);
      }
    });
  });
}

/** Runs npx to its end; this process has to serve meanwhile. */
function npx(cwd, args) {
  const child = spawn('npx', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stdout.resume();
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stderr })));
}

module.exports = { SECRET, lacksFor, sourceConfig, storageConfig, suite };
