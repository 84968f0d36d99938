'use strict';
// The store with real npm: installs are of folders on this machine, so no registry is needed.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');
const { setTimeout: pause } = require('node:timers/promises');

const { ConnectorRunner, NodeJsEnvironment } = require('@owox/connector-runner');
const { BUNDLE, configOf, connectorsPackage, variablesOf } = require('./support/connectors');
const { ended, root, runHost, runScript } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { until } = require('./support/processes');
const { tempFolder, writeFiles } = require('./support/temp');

/** A connectors package whose storage needs a package in a folder, and options to run it. */
function setUp(t, sources = { Ok: 'run() { console.log(require("needed")); }' }) {
  const needed = writeFiles(path.join(tempFolder(t), 'needed'), {
    'package.json': { name: 'needed', version: '1.0.0' },
    'index.js': 'module.exports = "needed is there";',
  });
  const dependency = { name: 'needed', version: `file:${needed}`, global: ['needed'] };
  const node = { enabled: true, dependencies: [{ ...dependency, global_is: true }] };
  return {
    needed,
    options: {
      allowSpecs: ['file'],
      connectorsPackage: connectorsPackage(t, {
        sources,
        storages: { Null: { environment: { node } } },
      }),
      storeDir: path.join(tempFolder(t), 'store'),
      runsDir: tempFolder(t),
    },
  };
}

async function run(options, source = 'Ok', id = 'run') {
  const { stdout, stdio } = capture();
  const steps = [];
  const onProgress = (step) => steps.push(step.phase);
  const result = await new ConnectorRunner(options).run(
    'datamart',
    id,
    configOf(source),
    {},
    stdio,
    { onProgress },
  );
  return { result, steps, output: stdout.join('') };
}

/** Environments of runs, without those that only hold what others share. */
function environments({ storeDir }) {
  const folder = path.join(storeDir, 'v2', 'environments');
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder).filter((name) => {
    const manifest = path.join(folder, name, 'environment.json');
    return !fs.existsSync(manifest) || !/"asks:/.test(fs.readFileSync(manifest, 'utf8'));
  });
}

/** Cuts a file of the environment. */
function damage(options) {
  const [name] = environments(options);
  const folder = path.join(options.storeDir, 'v2/environments', name);
  const file = path.join(folder, 'node_modules/needed/index.js');
  fs.chmodSync(file, 0o644);
  fs.truncateSync(file, 3);
  fs.chmodSync(file, 0o444);
}

/** As after a crash: nobody has verified the environment in this boot of the machine. */
function crash(options) {
  const [name] = environments(options);
  fs.writeFileSync(path.join(options.storeDir, 'v2/marks', `${name}.verified`), 'another boot');
}

/** A program that does one thing with the options, in a process of its own. */
const RUN = `
  const [options, source] = JSON.parse(process.argv[2]);
  const config = ${JSON.stringify(configOf('SOURCE'))};
  config.source.name = source;
  const one = (id) => new runner.ConnectorRunner(options).run('datamart', id, config, {}, 'ignore');`;

describe('the store', () => {
  it('installs once; later runs start no npm and say so', async (t) => {
    const { options } = setUp(t);
    const first = await run(options);
    assert.deepEqual([first.steps, first.output], [['installing'], 'needed is there\n']);
    assert.equal(first.result.environment.cached, false);
    const second = await run(options);
    assert.deepEqual([second.steps, second.output], [[], 'needed is there\n']);
    assert.deepEqual(second.result.environment, { ...first.result.environment, cached: true });
    assert.equal(environments(options).length, 1);

    // no npm on the PATH, nor beside node
    const bin = tempFolder(t);
    const node = path.join(bin, 'node');
    fs.copyFileSync(process.execPath, node);
    const code = `${RUN}
      one('warm').then(({ environment }) => console.log(environment.cached), (error) => console.log(error.code));`;
    const file = path.join(
      writeFiles(tempFolder(t), {
        'host.js': `const runner = require(${JSON.stringify(root)});${code}`,
      }),
      'host.js',
    );
    const start = (given) =>
      ended(
        spawn(node, [file, JSON.stringify([given, 'Ok'])], {
          env: { HOME: bin, PATH: bin },
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      );
    assert.equal((await start(options)).stdout, 'true\n');
    const cold = await start({ ...options, storeDir: path.join(bin, 'store') });
    assert.equal(cold.stdout, 'INSTALL_FAILED\n', 'the control: an empty store needs npm');
  });

  it('gives a run three small entries, and nothing that can be written', async (t) => {
    const { options } = setUp(t);
    const environment = new NodeJsEnvironment(options);
    const needed = JSON.parse(
      execFileSync(process.execPath, [
        '-p',
        `JSON.stringify(require(${JSON.stringify(path.join(options.connectorsPackage, BUNDLE))}).Storages.Null.manifest.environment.node.dependencies)`,
      ]),
    );
    const directory = await environment.createEnvironment('c', 'r', needed);
    assert.deepEqual(fs.readdirSync(directory).sort(), ['main.js', 'node_modules', 'package.json']);
    const modules = fs.realpathSync(path.join(directory, 'node_modules'));
    assert.ok(modules.startsWith(fs.realpathSync(options.storeDir)));
    const writable = fs
      .readdirSync(modules, { recursive: true })
      .filter((name) => fs.statSync(path.join(modules, name)).mode & 0o222);
    assert.deepEqual(writable, []);
    const { stdout, stdio } = capture();
    await environment.executeConnector(directory, variablesOf('Ok'), stdio);
    assert.equal(stdout.join(''), 'needed is there\n');
    await environment.cleanup('c', 'r');
    assert.ok(
      !fs.existsSync(directory) && fs.existsSync(modules),
      'the link went, not what it led to',
    );
  });

  it('notices a changed connectors package, and goes on using what is unchanged', async (t) => {
    const { options } = setUp(t);
    const before = await run(options);
    const index = path.join(options.connectorsPackage, BUNDLE);
    fs.writeFileSync(
      index,
      fs.readFileSync(index, 'utf8').replace('require("needed")', '"changed"'),
    );
    const changed = await run(options);
    assert.equal(changed.output, 'changed\n');
    assert.notEqual(changed.result.environment.key, before.result.environment.key);
  });

  it('loads modules at first use, or all at start', async (t) => {
    const { needed, options } = setUp(t, { Ok: 'run() { console.log("runs"); void needed; }' });
    fs.writeFileSync(path.join(needed, 'index.js'), 'console.log("loaded");');
    assert.equal((await run(options)).output, 'runs\nloaded\n');
    assert.equal((await run({ ...options, eager: true })).output, 'loaded\nruns\n');
  });

  const mayChangeUser = process.getuid() === 0;
  it(
    'compiles an environment for later runs, which never write there, root neither',
    { skip: mayChangeUser ? false : 'changing the user needs root' },
    async (t) => {
      const { needed, options } = setUp(t);
      const compiled = ({ storeDir }) =>
        environments({ storeDir }).flatMap((name) => {
          const folder = path.join(storeDir, 'v2/environments', name, 'compiled');
          return fs.existsSync(folder) ? fs.readdirSync(folder, { recursive: true }) : [];
        });
      const hasCache = typeof require('node:module').enableCompileCache === 'function';
      await run(options);
      const before = compiled(options);
      assert.equal(before.length > 0, hasCache);
      for (const isolation of ['none', 'standard', 'strict']) await run({ ...options, isolation });
      assert.deepEqual(compiled(options), before);

      // another user, who can read a copy of the package and of node
      const home = fs.mkdtempSync('/tmp/runner-nobody-');
      t.after(() => fs.rmSync(home, { recursive: true, force: true }));
      for (const name of ['index.js', 'package.json', 'js', 'npm', 'packages', 'src']) {
        fs.cpSync(path.join(root, name), path.join(home, 'runner', name), { recursive: true });
      }
      fs.cpSync(options.connectorsPackage, path.join(home, 'connectors'), { recursive: true });
      fs.cpSync(needed, path.join(home, 'needed'), { recursive: true });
      const index = path.join(home, 'connectors', BUNDLE);
      fs.writeFileSync(index, fs.readFileSync(index, 'utf8').replaceAll(needed, `${home}/needed`));
      fs.cpSync(process.execPath, path.join(home, 'node'));
      const code = `const runner = require('./runner');${RUN}
        one('first').then(() => one('second')).then(({ status }) => console.log(status), (error) => console.error(error.stderrTail ?? error));`;
      fs.writeFileSync(path.join(home, 'host.js'), code);
      execFileSync('chown', ['-R', '65534:65534', home]);
      const theirs = {
        allowSpecs: ['file'],
        connectorsPackage: path.join(home, 'connectors'),
        storeDir: path.join(home, 'store'),
        runsDir: path.join(home, 'runs'),
      };
      const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
      const args = [...user, './node', 'host.js', JSON.stringify([theirs, 'Ok'])];
      const npm = execFileSync('which', ['npm'], { encoding: 'utf8' }).trim();
      const env = { HOME: home, PATH: `${home}:${path.dirname(npm)}:/usr/bin:/bin` };
      const host = await ended(spawn('setpriv', args, { cwd: home, env }));
      assert.equal(host.stdout, 'success\n', host.stderr);
      assert.equal(compiled(theirs).length > 0, hasCache);
      const verified = await runScript('src/cli-wrapper.js', [
        'store',
        'verify',
        '--store',
        theirs.storeDir,
      ]);
      assert.match(verified.stdout, /^1 environment is intact$/m, 'a run added nothing');
    },
  );

  it("is passed by with store: 'off'", async (t) => {
    const { options } = setUp(t);
    const { result, output } = await run({ ...options, store: 'off' });
    assert.deepEqual([output, result.environment.cached], ['needed is there\n', false]);
    assert.deepEqual(environments(options), []);
  });

  it('stays on what it resolved until it is told to refresh', async (t) => {
    const { needed, options } = setUp(t);
    await run(options);
    fs.writeFileSync(path.join(needed, 'index.js'), 'module.exports = "needed is new";');
    assert.equal((await run(options)).output, 'needed is there\n');
    assert.equal((await run({ ...options, refresh: true })).output, 'needed is new\n');
    assert.equal((await run(options)).output, 'needed is new\n');
    assert.equal((await run({ ...options, storeMaxAgeDays: 1 })).steps.length, 0);
    await pause(20);
    const aged = await run({ ...options, storeMaxAgeDays: 10 / 86_400_000 });
    assert.deepEqual(aged.steps, ['installing']);
  });

  it('repairs a truncated file: after store verify, and after a crash', async (t) => {
    const { options } = setUp(t);
    await run(options);
    const cli = (...args) =>
      runScript('src/cli-wrapper.js', ['store', ...args, '--store', options.storeDir]);
    assert.equal((await cli('verify')).code, 0);
    damage(options);
    const verified = await cli('verify');
    assert.equal(verified.code, 1);
    assert.match(
      verified.stdout,
      /damaged.*\n {2}node_modules\/needed\/index\.js\n0 of 1 environments are intact/,
    );
    assert.equal((await run(options)).output, 'needed is there\n');

    await until(() => environments(options).length === 1, 'the damaged one goes by itself');
    damage(options);
    crash(options);
    const repaired = await run(options);
    assert.deepEqual(repaired.steps, ['verifying', 'installing']);
    assert.equal(repaired.output, 'needed is there\n');
    assert.deepEqual((await run(options)).steps, []);
  });

  it('heals before a run starts where files or folders were removed from it, and says so', async (t) => {
    const { options } = setUp(t);
    await run(options);
    for (const remove of [
      (modules) => fs.rmSync(path.join(modules, 'needed', 'index.js')),
      (modules) => fs.rmSync(path.join(modules, 'needed'), { recursive: true }),
    ]) {
      const [environment] = environments(options).filter((name) =>
        fs.existsSync(
          path.join(options.storeDir, 'v2', 'environments', name, 'node_modules/needed'),
        ),
      );
      const modules = path.join(
        options.storeDir,
        'v2',
        'environments',
        environment,
        'node_modules',
      );
      execFileSync('chmod', ['-R', 'u+w', fs.realpathSync(path.join(modules, 'needed')), modules]);
      remove(modules);
      const healed = await run(options);
      assert.equal(healed.output, 'needed is there\n');
      assert.equal(healed.steps[0], 'verifying'); // npm is only started where its packages are gone
      const warning = healed.result.warnings.find((text) => text.includes('damaged'));
      assert.match(warning, /made anew: \d+ of its files are missing or changed, such as .*needed/);
      assert.deepEqual((await run(options)).steps, []);
    }
    // what was put there, as packages without isolation do with their caches, is no damage
    const [environment] = environments(options).slice(-1);
    const added = path.join(options.storeDir, 'v2/environments', environment, 'node_modules');
    fs.chmodSync(added, 0o755);
    fs.mkdirSync(path.join(added, '.cache'));
    const { steps, result } = await run(options);
    assert.deepEqual([steps, result.warnings], [[], []]);
  });

  it('goes on with one that is too old where none can be had, but not unread', async (t) => {
    const { needed, options } = setUp(t);
    const first = await run(options);
    fs.rmSync(needed, { recursive: true });
    const aged = { ...options, storeMaxAgeDays: 10 / 86_400_000 };
    crash(options);
    const old = await run(aged);
    assert.deepEqual(old.steps, ['installing', 'verifying']);
    assert.equal(old.output, 'needed is there\n');
    assert.equal(old.result.environment.key, first.result.environment.key);
    assert.match(old.result.warnings.join(), /maximum age and could not be renewed/);
    damage(options);
    crash(options);
    assert.equal((await rejection(run(aged))).code, 'INSTALL_FAILED');
  });

  it('keeps to a lockfile that was written by store lock', async (t) => {
    const { options } = setUp(t);
    const folder = tempFolder(t);
    const config = path.join(writeFiles(folder, { 'config.json': configOf('Ok') }), 'config.json');
    const common = ['--connectors', options.connectorsPackage, '--store', options.storeDir];
    common.push('--allow-specs', 'file');
    const locked = await runScript('src/cli-wrapper.js', [
      'store',
      'lock',
      config,
      ...common,
      '--json',
    ]);
    const [{ lockfile, key }] = JSON.parse(locked.stdout);
    assert.equal(lockfile, path.join(folder, 'config.lock.json'));
    assert.ok(!fs.readFileSync(lockfile, 'utf8').includes(options.connectorsPackage));
    const pinned = await run({ ...options, lockfile });
    assert.notEqual(pinned.result.environment.key, key);
    assert.equal(pinned.output, 'needed is there\n');
    const warmed = await runScript('src/cli-wrapper.js', ['store', 'warm', config, ...common]);
    assert.match(warmed.stdout, new RegExp(`${pinned.result.environment.key} was there already`));
    fs.writeFileSync(lockfile, '{}');
    const error = await rejection(run({ ...options, lockfile }));
    assert.equal(error.code, 'INVALID_CONFIG');
    assert.match(error.message, /store lock CONFIG/);
  });

  it('never removes an environment in use', async (t) => {
    const { options } = setUp(t, {
      Waits: `run() {
        console.log('started');
        return new Promise((resolve) => {
          const timer = setInterval(() => {
            if (!require('fs').existsSync(this.config.json.source.config.Flag.value)) return;
            clearInterval(timer);
            console.log(require('needed'));
            resolve();
          }, 20);
        });
      }`,
    });
    const flag = path.join(tempFolder(t), 'flag');
    const { stdout, stdio } = capture();
    const running = new ConnectorRunner(options).run(
      'datamart',
      'run',
      configOf('Waits', { Flag: flag }),
      {},
      stdio,
    );
    await until(() => stdout.join('').includes('started'), 'the start');
    const prune = () =>
      runScript('src/cli-wrapper.js', [
        'store',
        'prune',
        '--all',
        '--json',
        '--store',
        options.storeDir,
      ]);
    const kept = JSON.parse((await prune()).stdout);
    assert.deepEqual([kept.removed.length, kept.inUse.length], [0, 1]);
    fs.writeFileSync(flag, '');
    await running;
    assert.match(stdout.join(''), /needed is there/);
    const gone = JSON.parse((await prune()).stdout);
    assert.deepEqual([gone.removed.length, gone.inUse.length], [1, 0]);
    assert.deepEqual(environments(options), []);
  });

  it('is filled once by 20 processes with 5 runs each', { timeout: 300_000 }, async (t) => {
    const { options } = setUp(t);
    const code = `${RUN}
      Promise.all([1, 2, 3, 4, 5].map(one)).then(
        (results) => console.log(JSON.stringify(results.map(({ environment }) => environment))),
        (error) => { console.error(error); process.exitCode = 1; });`;
    const hosts = Array.from({ length: 20 }, () =>
      runHost(t, code, { args: [JSON.stringify([options, 'Ok'])] }),
    );
    const all = (await Promise.all(hosts)).map(({ stdout, stderr, code: exitCode }) => {
      assert.equal(exitCode, 0, stderr);
      return JSON.parse(stdout);
    });
    const results = all.flat();
    assert.equal(results.length, 100);
    assert.equal(results.filter(({ cached }) => !cached).length, 1, 'one install');
    assert.equal(new Set(results.map(({ key }) => key)).size, 1);
    assert.equal(environments(options).length, 1);
  });

  it('is never poisoned by an installer that is killed', { timeout: 300_000 }, async (t) => {
    const { options } = setUp(t);
    const code = `${RUN} one('killed').catch(() => {});`;
    const rounds = process.env.OWOX_TEST_HEAVY ? 20 : 6;
    for (let round = 0; round < rounds; round += 1) {
      const each = { ...options, storeDir: path.join(tempFolder(t), 'store') };
      const file = path.join(
        writeFiles(tempFolder(t), {
          'host.js': `const runner = require(${JSON.stringify(root)});${code}`,
        }),
        'host.js',
      );
      const child = spawn(process.execPath, [file, JSON.stringify([each, 'Ok'])], {
        stdio: 'ignore',
      });
      const exited = new Promise((resolve) => child.once('exit', resolve));
      await until(() => environments(each).length > 0, 'the installation');
      await pause(Math.random() * 700);
      child.kill('SIGKILL');
      await exited;
      const { result, output } = await run(each);
      assert.equal(output, 'needed is there\n', `round ${round}`);
      assert.equal(result.status, 'success');
    }
  });

  it('says who holds it when waiting takes too long', async (t) => {
    const { options } = setUp(t);
    const { result } = await run(options);
    const locks = path.join(options.storeDir, 'v2/locks');
    const fill = fs
      .readdirSync(locks)
      .find((name) => name.startsWith(result.environment.key) && name.endsWith('.fill'));
    const holder = spawn(
      'flock',
      [path.join(locks, fill), 'sh', '-c', 'echo held; exec sleep 60'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
        detached: true,
      },
    );
    t.after(() => process.kill(-holder.pid, 'SIGKILL'));
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const before = process.env.OWOX_RUNNER_STORE_LOCK_TIMEOUT;
    process.env.OWOX_RUNNER_STORE_LOCK_TIMEOUT = '0';
    t.after(() => {
      if (before === undefined) delete process.env.OWOX_RUNNER_STORE_LOCK_TIMEOUT;
    });
    const error = await rejection(run({ ...options, refresh: true }));
    assert.equal(error.code, 'STORE_LOCK_TIMEOUT');
    assert.match(
      error.message,
      new RegExp(`process \\d+ .*${fill}.*OWOX_RUNNER_STORE_LOCK_TIMEOUT`),
    );
    assert.equal(
      (await run(options)).output,
      'needed is there\n',
      'who needs no lock does not wait',
    );
  });

  const mayMount = process.getuid() === 0;
  it(
    'leaves nothing where the disk is full',
    { skip: mayMount ? false : 'mounting needs root' },
    async (t) => {
      const { needed, options } = setUp(t);
      fs.writeFileSync(path.join(needed, 'large.bin'), Buffer.alloc(4_000_000, 7));
      const disk = tempFolder(t);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
      try {
        const full = { ...options, storeDir: path.join(disk, 'store') };
        const error = await rejection(run(full));
        assert.equal(error.code, 'INSTALL_FAILED');
        assert.match(error.message, /no space is left for the store .*store prune/);
        assert.deepEqual(environments(full), []);
        assert.deepEqual(fs.readdirSync(path.join(full.storeDir, 'v2/current')), []);
        execFileSync('mount', ['-o', 'remount,size=64m', disk]);
        assert.equal((await run(full)).output, 'needed is there\n');
      } finally {
        execFileSync('umount', [disk]);
      }
    },
  );
});
