'use strict';
// Hosts as OWOX's backends are: of the time of 0.11 with a synchronous package, and of today with
// one of promises. Both packages are installed from their archives into the host's project.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');

const { pack, writePackage } = require('./real-shape/build');
const { npmInstall } = require('./real-shape/places');
const { startRegistry } = require('./real-shape/registry');
const { rows, startServices } = require('./real-shape/services');
const { SECRET, lacksFor, sourceConfig, storageConfig } = require('./real-shape/suite');
const { root } = require('./support/host');
const { isAlive } = require('./support/processes');
const { tempFolder, writeFiles } = require('./support/temp');

const DAYS = ['2026-01-01', '2026-01-02', '2026-01-03'];

for (const [style, version, source, count] of [
  ['0.11', '0.11.0', 'GoogleAds', 11],
  ['today', '0.31.0', 'TikTokAds', 15],
]) {
  describe(`a backend in the style of ${style}`, { skip: lacksFor(version) }, () => {
    // what a hook makes outlives the hook
    const made = [];
    const t = { after: (remove) => made.unshift(remove) };
    let services;
    let project;
    let env;

    before(async () => {
      services = await startServices(t);
      const registry = await startRegistry(t, { without: style === '0.11' ? ['adm-zip'] : [] });
      const places = { OWOX_RUNNER_STORE: tempFolder(t), OWOX_RUNNER_RUNS_DIR: tempFolder(t) };
      env = { ...process.env, ...registry, ...services.variables, ...places };
      delete env.OWOX_CONNECTORS_PACKAGE;
      const old = process.env;
      process.env = env;
      project = writeFiles(tempFolder(t), { 'package.json': { name: 'backend', private: true } });
      const folder = tempFolder(t);
      await npmInstall(project, pack(writePackage(path.join(folder, 'built'), version), folder));
      process.env = old;
      // the addon is not packed here; package.test.js installs its archive
      fs.symlinkSync(root, path.join(project, 'node_modules/@owox/connector-runner'));
      fs.copyFileSync(path.join(__dirname, 'host/backend.js'), path.join(project, 'backend.js'));
    });
    after(() => made.forEach((remove) => remove()));

    async function play(name, more = {}) {
      services.forget();
      const definition = {
        source: { name, config: sourceConfig(services.url)[name] },
        storage: { config: storageConfig(services.url).GoogleBigQuery },
      };
      const settings = JSON.stringify({ style, definition, state: {}, ...more });
      const host = fork(path.join(project, 'backend.js'), [settings], {
        cwd: project,
        env,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      const printed = { stdout: '', stderr: '' };
      for (const stream of ['stdout', 'stderr']) {
        host[stream].setEncoding('utf8').on('data', (text) => {
          printed[stream] += text;
        });
      }
      let report;
      host.on('message', (message) => {
        report = message;
      });
      const [code] = await once(host, 'close');
      assert.equal(code, 0, printed.stderr);
      return { ...report, printed };
    }

    it('lists the package, runs, and is told of everything', async () => {
      const report = await play(source);
      assert.equal(report.catalog.sources.length, count);
      assert.equal(report.catalog.title, source);
      assert.ok(report.catalog.parameters.includes('AuthType'), report.catalog.parameters.join());
      assert.deepEqual([report.errors, report.text, report.isFailed], [[], [], false]);
      const skipped = style === 'today' ? ['an account was skipped'] : [];
      assert.deepEqual(report.outcome.warnings, skipped);
      assert.deepEqual(services.rows(), DAYS.flatMap(rows));
      const statuses = report.messages.flatMap(({ status }) => (Number(status) ? [status] : []));
      assert.deepEqual(statuses, [1, 3]);
      const dates = report.messages.filter(({ type }) => type === 'updateLastRequstedDate');
      assert.deepEqual(
        dates.map(({ date }) => date.slice(0, 10)),
        DAYS,
      );
      assert.equal(report.outcome.state.date.slice(0, 10), DAYS.at(-1));
      const renewed = report.credentials.map(({ RefreshToken }) => RefreshToken);
      assert.deepEqual(renewed, style === 'today' ? ['renewed-refresh-token'] : []);
      assert.equal(report.printed.stderr, '');
      // what is passed through is all of it
      const lines = report.printed.stdout.trim().split('\n').length;
      assert.equal(lines, style === '0.11' ? report.messages.length : 1);
    });

    it('fails a run that fails, and has no secret of it', async () => {
      const report = await play('FacebookMarketing');
      assert.equal(report.outcome.code, 'CONNECTOR_FAILED');
      assert.equal(report.isFailed, true);
      assert.match(report.errors.join(''), /Facebook refused/);
      assert.doesNotMatch(JSON.stringify(report), new RegExp(SECRET));
    });

    it('ends a run by its process group', async () => {
      services.hold = true;
      const report = await play('BankOfCanada', { stop: true });
      services.hold = false;
      assert.deepEqual(
        [report.outcome.code, report.outcome.signal, report.isFailed],
        ['CONNECTOR_FAILED', 'SIGTERM', true],
      );
      assert.equal(report.pids.length, 1);
      assert.deepEqual(report.pids.filter(isAlive), []);
    });
  });
}
