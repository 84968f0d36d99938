'use strict';
// The runner's own @kaciras/deasync: case by case what the real one does, without taking a core while
// it waits, and without anything to be compiled. Needs the npm registry; the comparison needs a
// compiler for the real one.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');

const {
  Config,
  ConnectorRunner,
  NodeJsEnvironment,
  NpmDependencyManager,
  RunConfig,
} = require('@owox/connector-runner');
const { configOf, connectorsPackage, variablesOf } = require('./support/connectors');
const { modes } = require('./support/machine');
const { capture } = require('./support/output');
const { tempFolder } = require('./support/temp');
const { names } = require('./support/deasync-cases');

/** Why the real one cannot be had here, or false. */
function missing(...programs) {
  for (const program of programs) {
    if (spawnSync(program, ['--version']).error) return `${program} is not installed`;
  }
  const view = spawnSync('npm', ['view', '@kaciras/deasync@1.1.0', 'version'], {
    encoding: 'utf8',
  });
  return view.status === 0 ? false : `the npm registry does not answer: ${view.stderr}`;
}
const noRegistry = missing();
const noCompiler = missing('make', 'python3', 'c++');

const MODULE = 'node_modules/@kaciras/deasync';

/** A wait, and how often its predicate was asked. */
const WAITS = `run() {
  let done = false;
  let asked = 0;
  setTimeout(() => { done = true; }, 300);
  deasync.loopWhile(() => { asked += 1; return !done; });
  console.log(asked < 100 ? 'slept' : 'was asked ' + asked + ' times');
}`;
const LISTED = WAITS.replace('deasync.loop', `require('@kaciras/deasync').loop`);
const ENDLESS = `run() {
  const fs = require('node:fs');
  const before = fs.readdirSync(__dirname === '' ? '.' : process.cwd()).length;
  // ends when it is noticed, which the real run would not
  deasync.loopWhile(() => fs.readdirSync(process.cwd()).length === before);
  console.log('ended');
}`;
const sources = { Waits: WAITS, Listed: LISTED, Endless: ENDLESS };

/** Runs a program to its end: exit code and output. */
async function outcomeOf(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

describe('as the real one', { skip: noCompiler, timeout: 300_000 }, () => {
  const folder = { ours: undefined, real: undefined };
  const options = {
    connectorsPackage: connectorsPackage({ after }, { sources, packageJson: {} }),
    runsDir: tempFolder({ after }),
  };

  before(async () => {
    const environment = new NodeJsEnvironment(options);
    folder.ours = path.join(await environment.createEnvironment('ours', 'run'), MODULE);
    process.env.OWOX_RUNNER_ORIGINALS = '@kaciras/deasync';
    try {
      folder.real = path.join(await environment.createEnvironment('real', 'run'), MODULE);
    } finally {
      delete process.env.OWOX_RUNNER_ORIGINALS;
    }
  });

  test('they are two', () => {
    assert.ok(fs.existsSync(path.join(folder.ours, 'event-loop.node')));
    assert.ok(fs.existsSync(path.join(folder.real, 'build/Release/binding.node')));
    for (const of of Object.values(folder)) {
      assert.equal(require(path.join(of, 'package.json')).version, '1.1.0');
    }
  });

  const script = path.join(__dirname, 'support', 'deasync-cases.js');
  for (const name of names) {
    test(name, async () => {
      const ours = await outcomeOf(process.execPath, [script, folder.ours, name]);
      if (name === 'endedWorker') {
        // with the real one the worker does not end, most of the time
        assert.deepEqual(ours, { code: 0, stdout: '["waits"]\n["ended",1]\n', stderr: '' });
        return;
      }
      const real = await outcomeOf(process.execPath, [script, folder.real, name]);
      assert.notEqual(ours.stdout, '');
      assert.deepEqual([ours.code, ours.stdout], [real.code, real.stdout], ours.stderr);
      if (ours.code === 0) assert.deepEqual([ours.stderr, real.stderr], ['', '']);
    });
  }
});

/** A PATH on which there is no compiler, make or Python. */
function pathWithoutCompiler(t) {
  const bin = tempFolder(t);
  for (const program of ['node', 'npm', 'sh']) {
    const folder = process.env.PATH.split(path.delimiter).find((entry) =>
      fs.existsSync(path.join(entry, program)),
    );
    fs.symlinkSync(path.join(folder, program), path.join(bin, program));
  }
  return bin;
}

async function runOf(t, packageJson, source, options = {}) {
  const runner = new ConnectorRunner({
    connectorsPackage: connectorsPackage(t, { sources, packageJson }),
    runsDir: tempFolder(t),
    ...options,
  });
  const { stdout, stderr, stdio } = capture();
  const config = new Config(configOf(source));
  const result = await runner.run('dm', 'run', config, new RunConfig({}), stdio).catch((error) => {
    throw new Error(`${error.message}\n${error.hint ?? stderr.join('')}`);
  });
  return { result, stdout: stdout.join(''), stderr: stderr.join('') };
}

const deasync = { '@kaciras/deasync': '1.1.0' };
const shapes = [
  ['0.11', 'Waits', {}],
  ['a package that depends on it', 'Listed', { dependencies: deasync }],
  [
    'a package that asks for it',
    'Waits',
    {
      owox: {
        runnerDependencies: [
          { name: '@kaciras/deasync', version: '1.1.0', global: ['deasync'], global_is: true },
        ],
      },
    },
  ],
];

for (const [name, source, packageJson] of shapes) {
  for (const options of [{ store: 'shared' }, { store: 'off' }]) {
    test(`without a compiler, store ${options.store}: ${name}`, { skip: noRegistry }, async (t) => {
      const searchPath = process.env.PATH;
      t.after(() => {
        process.env.PATH = searchPath;
      });
      process.env.PATH = pathWithoutCompiler(t);
      const storeDir = tempFolder(t);
      const ran = await runOf(t, packageJson, source, { ...options, storeDir });
      assert.deepEqual([ran.stdout, ran.stderr], ['slept\n', '']);
      assert.deepEqual(ran.result.warnings, []);
    });
  }
}

for (const isolation of ['none', ...modes]) {
  test(`a wait in isolation ${isolation}`, { skip: noRegistry }, async (t) => {
    const ran = await runOf(t, {}, 'Waits', { isolation });
    assert.deepEqual([ran.stdout, ran.stderr], ['slept\n', '']);
  });
}

test(
  'a wait that nothing can end is a warning, and nothing on stderr',
  { skip: noRegistry },
  async (t) => {
    const ran = await runOf(t, {}, 'Endless');
    assert.deepEqual([ran.stdout, ran.stderr], ['ended\n', '']);
    assert.equal(ran.result.warnings.length, 1);
    assert.match(ran.result.warnings[0], /waited with deasync for something that cannot happen/);
  },
);

test(
  'without the addon of this platform the real one is built, and a warning says so',
  {
    skip: noCompiler,
  },
  async (t) => {
    // the addon is looked for beside the supervisor
    const platform = path.join(__dirname, '..', 'npm');
    const folder = fs
      .readdirSync(platform)
      .find((name) => fs.existsSync(path.join(platform, name, 'event-loop.node')));
    const root = tempFolder(t);
    for (const name of ['index.js', 'js', 'src', 'package.json', 'packages']) {
      fs.cpSync(path.join(__dirname, '..', name), path.join(root, name), { recursive: true });
    }
    fs.cpSync(path.join(platform, folder), path.join(root, 'npm', folder), { recursive: true });
    fs.rmSync(path.join(root, 'npm', folder, 'event-loop.node'));
    const script = path.join(root, 'host.js');
    fs.writeFileSync(
      script,
      `const { ConnectorRunner, Config, RunConfig } = require(${JSON.stringify(root)});
     const [options, config] = process.argv.slice(2).map((text) => JSON.parse(text));
     new ConnectorRunner(options)
       .run('dm', 'run', new Config(config), new RunConfig({}), 'ignore')
       .then((result) => console.log(JSON.stringify(result.warnings)));`,
    );
    const options = {
      connectorsPackage: connectorsPackage(t, { sources, packageJson: {} }),
      runsDir: tempFolder(t),
    };
    const args = [options, configOf('Waits')].map((value) => JSON.stringify(value));
    const { stdout, stderr } = await outcomeOf(process.execPath, [script, ...args]);
    assert.equal(stderr, '');
    assert.match(JSON.parse(stdout)[0], /event-loop\.node is missing/);
  },
);

test(
  'a dependency manager that was replaced gets the real one',
  { skip: noCompiler },
  async (t) => {
    class Manager extends NpmDependencyManager {
      generatePackageJson(...given) {
        return super.generatePackageJson(...given);
      }
    }
    const options = {
      connectorsPackage: connectorsPackage(t, { sources, packageJson: {} }),
      runsDir: tempFolder(t),
    };
    const environment = new NodeJsEnvironment(options);
    environment.dependencyManager = new Manager(options);
    const directory = await environment.createEnvironment('replaced', 'run');
    t.after(() => environment.cleanup('replaced', 'run'));
    assert.ok(fs.existsSync(path.join(directory, MODULE, 'build/Release/binding.node')));
    assert.ok(fs.existsSync(path.join(directory, 'node_modules/sync-request/lib/index.js')));
    assert.ok(!fs.existsSync(path.join(directory, 'node_modules/sync-request/lib/original.js')));
    const { stdout, stdio } = capture();
    await environment.executeConnector(directory, variablesOf('Waits'), stdio);
    assert.match(stdout.join(''), /^was asked \d+ times\n$/);
  },
);
