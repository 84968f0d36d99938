'use strict';
// Contract, sections 6 and 7: making and removing environments.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { Config, ConnectorRunner, ConnectorRunError } = require('@owox/connector-runner');
const { NodeJsEnvironment, RunConfig } = require('@owox/connector-runner');
const { NODE_MANIFEST, configOf, connectorsPackage, variablesOf } = require('./support/connectors');
const { runHost } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { tempFolder, writeFiles } = require('./support/temp');

const sources = { Ok: `run() { console.log('ran'); }`, Fails: `run() { throw new Error('x'); }` };
const package_ = connectorsPackage(
  { after },
  {
    sources,
    files: { 'node_modules/own/index.js': '', 'left-out.txt': 'x', '.npmrc': 'loglevel=silent' },
  },
);

/** An environment with a folder for runs of its own. */
function fresh(t, more = {}) {
  const runsDir = tempFolder(t);
  const options = { connectorsPackage: package_, runsDir, ...more };
  return { environment: new NodeJsEnvironment(options), options, runsDir };
}

test('createEnvironment gives a directory with package.json, main.js and node_modules', async (t) => {
  const { environment, runsDir } = fresh(t);
  const directory = await environment.createEnvironment('my-datamart', 'run-1', []);
  assert.equal(path.dirname(directory), runsDir);
  const manifest = JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8'));
  assert.deepEqual(manifest, {
    name: 'connector-my-datamart',
    private: true,
    dependencies: { '@owox/connectors': `file:${package_}` },
  });
  const installed = require.resolve('@owox/connectors', { paths: [directory] });
  assert.equal(fs.realpathSync(installed).startsWith(package_), false, 'it is a copy');
  assert.equal(fs.statSync(directory).mode & 0o777, 0o700);
  const { stdout, stdio } = capture();
  const result = await environment.executeConnector(directory, variablesOf('Ok'), stdio);
  assert.deepEqual([result.status, stdout], ['success', ['ran\n']]);
  await environment.cleanup('my-datamart', 'run-1');
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

test('the dependencies of a storage are installed and become globals', async (t) => {
  const local = writeFiles(tempFolder(t), {
    'package.json': { name: 'local-thing', version: '1.0.0' },
    'index.js': 'exports.Thing = "a thing";',
  });
  const dependencies = [{ name: 'local-thing', version: `file:${local}`, global: ['Thing'] }];
  const { environment } = fresh(t, {
    allowSpecs: ['file'],
    connectorsPackage: connectorsPackage(t, { sources: { Use: 'run() { console.log(Thing); }' } }),
  });
  const directory = await environment.createEnvironment('dm', 'run', dependencies);
  const { stdout, stdio } = capture();
  await environment.executeConnector(directory, variablesOf('Use'), stdio);
  assert.deepEqual(stdout, ['a thing\n']);
});

test('dependencies of the connectors package itself resolve beside it', async (t) => {
  const dependency = writeFiles(tempFolder(t), {
    'package.json': { name: 'its-own', version: '1.0.0' },
    'index.js': 'module.exports = "its own";',
  });
  const root = connectorsPackage(t, {
    sources: { Use: `run() { console.log(require('its-own')); }` },
    packageJson: { dependencies: { 'its-own': `file:${dependency}` } },
  });
  const { environment } = fresh(t, { connectorsPackage: root, allowSpecs: ['file'] });
  const directory = await environment.createEnvironment('dm', 'run');
  const { stdout, stdio } = capture();
  await environment.executeConnector(directory, variablesOf('Use'), stdio);
  assert.deepEqual(stdout, ['its own\n']);
});

test('install scripts of dependencies do not run', async (t) => {
  const marker = path.join(tempFolder(t), 'ran');
  const script = `node -e "require('fs').writeFileSync('${marker}', '')"`;
  const local = writeFiles(tempFolder(t), {
    'package.json': { name: 'scripted', version: '1.0.0', scripts: { install: script } },
    'index.js': '',
  });
  const { environment } = fresh(t, { allowSpecs: ['file'] });
  const dependencies = [{ name: 'scripted', version: `file:${local}`, global: ['s'] }];
  await environment.createEnvironment('dm', 'run', dependencies);
  assert.equal(fs.existsSync(marker), false);
});

test('hostile dependencies are refused before anything is installed', async (t) => {
  const { environment, runsDir } = fresh(t);
  const dependency = { name: 'ok', version: '1.0.0', global: ['ok'] };
  for (const bad of [
    { name: '../x' },
    { name: '--global' },
    { global: ['a;b'] },
    { version: '' },
  ]) {
    const create = environment.createEnvironment('dm', 'run', [{ ...dependency, ...bad }]);
    assert.equal((await rejection(create)).code, 'INVALID_CONFIG');
  }
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

const LONG = 'x'.repeat(300);
for (const id of [
  '..',
  '.',
  '/',
  '../../etc/passwd',
  'a:b',
  'a b\n',
  'Ünï✓',
  '-rf',
  LONG,
  '2026-01-05T10:00:00.000Z',
]) {
  test(`the id ${JSON.stringify(id.slice(0, 20))} makes a safe directory below the root`, async (t) => {
    const { options, runsDir } = fresh(t);
    class Quick extends NodeJsEnvironment {}
    const environment = new Quick(options);
    environment.dependencyManager.installDependencies = async () => {};
    for (const ids of [
      [id, 'run'],
      ['dm', id],
      [id, id],
    ]) {
      const directory = await environment.createEnvironment(...ids);
      assert.equal(path.dirname(directory), runsDir);
      assert.match(path.basename(directory), /^[\w.-]{1,200}$/);
      await environment.cleanup(...ids);
      assert.deepEqual(fs.readdirSync(runsDir), []);
    }
  });
}

test('ids that are missing or hold NUL are refused', async (t) => {
  const { environment, runsDir, options } = fresh(t);
  for (const ids of [
    ['a\0b', 'run'],
    ['dm', '\0'],
    ['', 'run'],
    ['dm', undefined],
  ]) {
    const calls = [environment.createEnvironment(...ids), environment.cleanup(...ids)];
    for (const promise of calls) assert.equal((await rejection(promise)).code, 'INVALID_ID');
    const config = new Config(configOf('Ok'));
    const run = new ConnectorRunner(options).run(...ids, config, new RunConfig({}), 'pipe');
    assert.equal((await rejection(run)).code, 'INVALID_ID');
  }
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

test('ids of any content run for real, and leave nothing', async (t) => {
  const { options, runsDir } = fresh(t);
  for (const id of ['..', LONG]) {
    const config = new Config(configOf('Ok'));
    const run = new ConnectorRunner(options).run(id, id, config, new RunConfig({}), 'pipe');
    assert.equal((await run).status, 'success');
  }
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

test('equal ids at the same time have directories of their own', async (t) => {
  const where = connectorsPackage(t, {
    sources: { Where: 'run() { console.log(process.cwd()); }' },
  });
  const { options, runsDir } = fresh(t, { connectorsPackage: where });
  const runner = new ConnectorRunner(options);
  const play = async () => {
    const { stdout, stdio } = capture();
    const config = new Config(configOf('Where'));
    await runner.run('dm', 'run', config, new RunConfig({}), stdio);
    return stdout.join('');
  };
  const directories = await Promise.all([play(), play(), play()]);
  assert.equal(new Set(directories).size, 3);
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

test('cleanup(ids) removes what is left of these ids, and spares live runs', async (t) => {
  const { environment, options, runsDir } = fresh(t);
  const quick = new NodeJsEnvironment(options);
  quick.dependencyManager.installDependencies = async () => {};
  const left = await quick.createEnvironment('dm', 'run');
  const other = await quick.createEnvironment('dm', 'other');
  const live = await quick.createEnvironment('dm', 'run');
  fs.writeFileSync(
    path.join(live, 'main.js'),
    `process.on('SIGTERM', () => process.exit(0)); console.log('ready'); setInterval(() => {}, 1000);`,
  );
  let pid;
  const { stdio } = capture({ onSpawn: (given) => (pid = given) });
  let cleaned;
  stdio.logCapture.onStdout = async () => {
    // from another instance too: the lock is the directory's
    cleaned = environment.cleanup('dm', 'run');
    await cleaned;
    assert.equal(fs.existsSync(left), false);
    assert.equal(fs.existsSync(live), true);
    process.kill(pid, 'SIGTERM');
  };
  assert.equal((await quick.executeConnector(live, undefined, stdio)).status, 'success');
  await cleaned;
  await environment.cleanup('dm', 'run');
  // a lock may lie beside the directory it is for
  const names = fs.readdirSync(runsDir);
  assert.ok(names.includes(path.basename(other)));
  assert.ok(
    names.every((name) => name.startsWith(path.basename(other))),
    names.join(),
  );
});

test('cleanup of ids that were never there, or twice, is no failure', async (t) => {
  const { environment } = fresh(t);
  await environment.cleanup('never', 'there');
  await environment.cleanup('never', 'there');
});

for (const [source, outcome] of [
  ['Ok', 'success'],
  ['Fails', 'failure'],
]) {
  test(`nothing is left after ${outcome}`, async (t) => {
    const { options, runsDir } = fresh(t);
    const config = new Config(configOf(source));
    const run = new ConnectorRunner(options).run('dm', 'run', config, new RunConfig({}), 'pipe');
    await (outcome === 'success' ? run : rejection(run));
    assert.deepEqual(fs.readdirSync(runsDir), []);
  });
}

test('OWOX_RUNNER_RUNS_DIR says where, the option wins, and a missing folder is created', async (t) => {
  const base = tempFolder(t);
  const where = connectorsPackage(t, {
    sources: { Where: 'run() { console.log(process.cwd()); }' },
  });
  for (const [runsDir, expected] of [
    [undefined, path.join(base, 'by/variable')],
    [path.join(base, 'by/option'), path.join(base, 'by/option')],
  ]) {
    const { stdout, code } = await runHost(
      t,
      `new runner.ConnectorRunner(${JSON.stringify({ connectorsPackage: where, runsDir })})
        .run('dm', 'run', ${JSON.stringify(configOf('Where'))}, new runner.RunConfig({}));`,
      { env: { ...process.env, OWOX_RUNNER_RUNS_DIR: path.join(base, 'by/variable') } },
    );
    assert.equal(code, 0);
    assert.equal(path.dirname(stdout.trim()), expected);
    assert.deepEqual(fs.readdirSync(expected), []);
  }
});

test('a runsDir that cannot be is INVALID_CONFIG', async (t) => {
  const file = path.join(writeFiles(tempFolder(t), { file: '' }), 'file');
  const { environment } = fresh(t, { runsDir: file });
  const error = await rejection(environment.createEnvironment('dm', 'run'));
  assert.equal(error.code, 'INVALID_CONFIG');
  assert.ok(error.message.includes(file));
});

test('source and storage are checked before anything is installed', async (t) => {
  const { options, runsDir } = fresh(t, {
    connectorsPackage: connectorsPackage(t, { storages: { Null: NODE_MANIFEST } }),
  });
  const runner = new ConnectorRunner({ ...options, runsDir: path.join(runsDir, 'never') });
  for (const config of [configOf('Nope'), configOf('Ok', {}, 'Nope')]) {
    const error = await rejection(runner.run('dm', 'run', config, new RunConfig({}), 'pipe'));
    assert.ok(error instanceof ConnectorRunError);
    assert.match(error.message, /Nope not found/);
  }
  assert.deepEqual(fs.readdirSync(runsDir), []);
});
