'use strict';
// Cases 40 and 42: while a run goes on, no process of the machine has its secrets in its
// environment or arguments, no file has them, and what aborts leaves no core file.

const assert = require('node:assert/strict');
const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost } = require('./support/host');
const { rejection } = require('./support/output');
const { stat, until } = require('./support/processes');
const { tempFolder } = require('./support/temp');

const SECRETS = ['tree-wide-secret', 'another "quoted" secret', 'secret-of-the-run'];
/** Beginnings that stay the same in JSON, and are not written out here where they are looked for. */
const NEEDLES = SECRETS.map((secret) => secret.split('"')[0]);

const pids = () => fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));

/** Where a secret is in /proc: environments and arguments of all processes. */
function inProcesses() {
  const found = [];
  let read = 0;
  for (const pid of pids()) {
    for (const file of ['environ', 'cmdline']) {
      let text;
      try {
        text = fs.readFileSync(`/proc/${pid}/${file}`, 'latin1');
      } catch {
        continue; // gone, or another user's
      }
      read += 1;
      if (NEEDLES.some((needle) => text.includes(needle))) found.push(`${pid} ${file}`);
    }
  }
  return { found, read };
}

/** The files below a folder that hold a secret. */
function inFiles(folder) {
  const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .filter((file) => NEEDLES.some((needle) => fs.readFileSync(file, 'latin1').includes(needle)));
}

/** The process and its ancestors up to this one. */
function ancestors(pid) {
  const all = [];
  for (let at = pid; at && at !== process.pid; at = stat(at)?.parent) all.push(at);
  return all;
}

test('control: a secret in an environment or an argument is found', async (t) => {
  const child = spawn('sleep', ['60', NEEDLES[0]].slice(0, 1), {
    env: { ...process.env, TOKEN: NEEDLES[0] },
    stdio: 'ignore',
  });
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)', NEEDLES[2]], {
    stdio: 'ignore',
  });
  t.after(() => [child, other].forEach((one) => one.kill('SIGKILL')));
  await Promise.all([once(child, 'spawn'), once(other, 'spawn')]);
  const expected = [`${child.pid} environ`, `${other.pid} cmdline`];
  await until(() => expected.every((place) => inProcesses().found.includes(place)), 'it is found');
  const file = path.join(tempFolder(t), 'file');
  fs.writeFileSync(file, `x${NEEDLES[1]}y`);
  assert.deepEqual(inFiles(path.dirname(file)), [file]);
});

/**
 * A step of a run that waits until it is let go on. It reads from a pipe, since what is isolated
 * may read it, and writes nothing that could be seen here.
 */
function gate(t, name) {
  const pipe = path.join(tempFolder(t), name);
  execFileSync('mkfifo', [pipe]);
  const open = () => {
    try {
      return fs.openSync(pipe, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
    } catch (error) {
      if (error.code !== 'ENXIO') throw error; // nobody reads yet
      return undefined;
    }
  };
  return {
    pipe,
    wait: `require('node:fs').readFileSync(${JSON.stringify(pipe)});`,
    shell: `cat '${pipe}' > /dev/null`,
    async pass(look) {
      const descriptor = await until(open, `${name} is reached`, 60_000);
      const looked = look();
      fs.closeSync(descriptor);
      return looked;
    },
  };
}

for (const isolation of ['none', undefined]) {
  test(`no process and no file has them, from start to end (${isolation ?? 'by default'})`, async (t) => {
    const gates = ['catalog', 'npm', 'run'].map((name) => gate(t, name));
    const [catalog, npm, run] = gates;
    const bin = tempFolder(t);
    const real = spawnSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).stdout.trim();
    const script = `#!/bin/sh\n${npm.shell}\nexec '${real}' "$@"\n`;
    fs.writeFileSync(path.join(bin, 'npm'), script, { mode: 0o755 });

    // the package is a file too, so it must not hold what is looked for
    const [head, tail] = [NEEDLES[0].slice(0, 4), NEEDLES[0].slice(4)];
    const tree = `run() {
      const { fork, spawn } = require('node:child_process');
      const { Worker } = require('node:worker_threads');
      if (!process.env.OW_CONFIG.includes('${head}' + '${tail}')) throw new Error('not there');
      spawn('sleep', ['60'], { env: { ...process.env } });
      spawn('sh', ['-c', 'sleep 60 & sleep 60'], { detached: true, stdio: 'ignore' });
      new Worker('setInterval(() => {}, 1e6)', { eval: true });
      require('node:fs').writeFileSync('child.js', "process.send('up'); setInterval(() => {}, 1e6)");
      const child = fork('./child.js');
      return new Promise(() => child.once('message', () => {
        ${run.wait}
        process.exit(0);
      }));
    }`;
    const folder = connectorsPackage(t, {
      before: `if (!require.main) { ${catalog.wait} }`,
      sources: { Tree: tree },
    });

    const options = {
      connectorsPackage: folder,
      runsDir: tempFolder(t),
      storeDir: path.join(tempFolder(t), 'store'),
      // whoever reads the package reads little else
      isolation: isolation ?? { read: [catalog.pipe] },
      redact: false,
    };
    const parameters = {
      Token: { value: SECRETS[0] },
      Auth: { oauth2: { ClientSecret: SECRETS[1] } },
    };
    const runConfig = new RunConfig({ type: 'X', data: [], state: { cursor: SECRETS[2] } });
    const saved = process.env;
    process.env = { ...saved, PATH: `${bin}:${saved.PATH}` };
    t.after(() => {
      process.env = saved;
    });
    const ending = new AbortController();
    t.after(() => ending.abort());
    let main;
    const stdio = {
      logCapture: {},
      onSpawn: (pid) => {
        main = pid;
      },
    };
    const running = new ConnectorRunner(options).run(
      'd',
      'r',
      configOf('Tree', parameters),
      runConfig,
      stdio,
      { signal: ending.signal },
    );
    running.catch(() => {});
    const look = () => ({
      ...inProcesses(),
      files: [options.runsDir, path.dirname(options.storeDir)].flatMap(inFiles),
      above: main ? ancestors(main) : [],
      below: main ? pids().filter((pid) => ancestors(Number(pid)).includes(main)) : [],
    });
    const seen = [];
    for (const one of gates) seen.push(await one.pass(look));
    const { status } = await running;
    assert.equal(status, 'success');
    for (const { found, read, files } of seen) {
      assert.deepEqual([found, files], [[], []]);
      assert.ok(read > 4, 'something was read');
    }
    const { above, below } = seen.at(-1);
    assert.ok(above.length >= 2, `connector and supervisor: ${above}`);
    assert.ok(below.length >= 4, `the connector and its children: ${below}`);
    assert.deepEqual(look().files, []);
  });
}

const pattern = fs.readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
/** Whether this system writes core files into the folder of the process. */
const writesCores = !/^[|/]/.test(pattern) && pattern !== '';
const cores = (...folders) =>
  folders
    .flatMap((folder) => fs.readdirSync(folder, { recursive: true }))
    .filter((name) => /core/.test(name));

test('control: a process that aborts leaves a core file, where limits allow it', (t) => {
  const cwd = tempFolder(t);
  const args = ['-c', 'ulimit -c unlimited && exec "$0" -e "process.abort()"', process.execPath];
  const { signal } = spawnSync('sh', args, { cwd, stdio: 'ignore' });
  assert.equal(signal, 'SIGABRT');
  assert.equal(cores(cwd).length > 0, writesCores, `core_pattern is ${pattern}`);
});

const package_ = connectorsPackage({ after }, { sources: { Ok: 'run() {}' } });

for (const isolation of ['none', undefined]) {
  test(`what aborts with secrets in memory leaves none (${isolation ?? 'by default'})`, async (t) => {
    const [cwd, runs, folder] = [tempFolder(t), tempFolder(t), tempFolder(t)];
    const main = path.join(folder, 'main.js');
    /** Runs this main.js below a host without limits of its own; gives how it ended. */
    const play = async (script, onSpawn = '() => {}') => {
      fs.writeFileSync(main, script);
      const code = `
        const { spawnSync } = require('node:child_process');
        spawnSync('prlimit', ['--core=unlimited', '--pid', String(process.pid)]);
        const limits = require('node:fs').readFileSync('/proc/self/limits', 'utf8');
        const config = ${JSON.stringify(JSON.stringify(configOf('Ok', { Token: { value: SECRETS[0] } })))};
        new runner.NodeJsEnvironment(${JSON.stringify({ isolation, runsDir: runs })})
          .executeConnector(${JSON.stringify(folder)}, { ...process.env, OW_CONFIG: config }, { onSpawn: ${onSpawn} })
          .then(() => 'resolved', (error) => [error.code, error.message])
          .then((outcome) => console.log(JSON.stringify([outcome, /^Max core file size +unlimited/m.test(limits)])));`;
      const { stdout, stderr } = await runHost(t, code, { cwd });
      const [outcome, unlimited] = JSON.parse(stdout.trim().split('\n').at(-1) || `["${stderr}"]`);
      assert.equal(unlimited, true, 'the host may write core files');
      return outcome;
    };

    const [code, message] = await play(`process.env.OW_CONFIG.length; process.abort();`);
    assert.equal(code, 'CONNECTOR_FAILED');
    assert.match(message, /SIGABRT/);
    // a child of the connector's that asks for a core file first
    await play(
      `require('node:child_process').spawnSync('sh', ['-c', 'ulimit -S -c hard; kill -ABRT $$']);`,
    );
    // the supervisor, and the first process of its namespace
    const abortAncestors = `(pid) => {
      const fs = require('node:fs');
      const parent = (of) => Number(/^PPid:\\s*(\\d+)/m.exec(fs.readFileSync('/proc/' + of + '/status', 'utf8'))[1]);
      const all = [];
      for (let at = parent(pid); at && at !== process.pid; at = parent(at)) all.push(at);
      if (all.length === 0) throw new Error('no supervisor');
      for (const one of all) process.kill(one, 'SIGABRT');
    }`;
    const outcome = await play('setInterval(() => {}, 1000)', abortAncestors);
    assert.notEqual(outcome, 'resolved');
    assert.deepEqual(cores(cwd, runs, folder), []);
  });
}

test('an error holds no secret of the configuration', async (t) => {
  const runner = new ConnectorRunner({ connectorsPackage: package_, runsDir: tempFolder(t) });
  const { inspect } = require('node:util');
  for (const config of [
    configOf('Nope', { Token: { value: SECRETS[0] } }),
    configOf('Ok', { Token: { value: SECRETS[0] } }, 'Nope'),
  ]) {
    const error = await rejection(runner.run('d', 'r', config, {}, 'ignore'));
    const shown = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error);
    assert.ok(!shown.includes(SECRETS[0]), shown);
  }
  const shown = inspect(runner, { depth: 9, showHidden: true });
  assert.ok(!shown.includes(SECRETS[0]));
});
