'use strict';
// What becomes of runs and hosts when one of them ends.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const { test } = require('node:test');

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { root, runHost, startHost } = require('./support/host');
const { isAlive, mark, stat, until } = require('./support/processes');
const { scriptFolder, tempFolder } = require('./support/temp');

const WAIT = 'setInterval(() => {}, 1000);';

/** A connector that starts a child, and that one a child of a session of its own. */
const FAMILY = `
  const { spawn } = require('node:child_process');
  const grandchild = "process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {});" +
    "console.log(process.pid); ${WAIT}";
  const child = "require('node:child_process').spawn(process.execPath, ['-e', " +
    JSON.stringify(grandchild) + "], { stdio: 'inherit', detached: true });" +
    "console.log(process.pid); ${WAIT}";
  spawn(process.execPath, ['-e', child], { stdio: 'inherit' });
  process.on('SIGTERM', () => {});
  console.log(process.pid); ${WAIT}`;

for (const signal of ['SIGKILL', 'SIGTERM']) {
  test(`a host that ends by ${signal} in mid-run leaves no process of the run`, async (t) => {
    const folder = scriptFolder(t, FAMILY);
    const { variables, processes } = mark(t);
    const host = startHost(
      t,
      `new runner.NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined);`,
      { env: { ...process.env, ...variables } },
    );
    let text = '';
    host.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await until(() => text.split('\n').length === 4, 'connector, child and grandchild run');
    const pids = processes().filter((pid) => pid !== host.pid);
    assert.equal(pids.length, 3);
    const supervisor = pids.map((pid) => stat(pid).parent).find((pid) => !pids.includes(pid));
    assert.ok(pids.every(isAlive));
    host.kill(signal);
    const all = supervisor && supervisor !== host.pid ? [...pids, supervisor] : pids;
    await until(() => !all.some(isAlive), 'every process of the run is gone');
  });
}

test('a host that is killed during npm install leaves no process either', async (t) => {
  // npm is a script of ours that waits: what is tested is who ends it
  const bin = scriptFolder(t, '');
  fs.writeFileSync(
    `${bin}/npm`,
    '#!/bin/sh\necho $$ > "$PID_FILE.part"\nmv "$PID_FILE.part" "$PID_FILE"\nsleep 1000\n',
  );
  fs.chmodSync(`${bin}/npm`, 0o755);
  const pidFile = `${bin}/pid`;
  const { variables, processes } = mark(t);
  const options = {
    connectorsPackage: connectorsPackage(t),
    runsDir: tempFolder(t),
    isolation: 'none', // the script writes where no npm does
  };
  const host = startHost(
    t,
    `new runner.NodeJsEnvironment(${JSON.stringify(options)}).createEnvironment('a', 'b');`,
    {
      env: {
        ...process.env,
        ...variables,
        PATH: `${bin}:${process.env.PATH}`,
        PID_FILE: pidFile,
      },
    },
  );
  await until(() => fs.existsSync(pidFile), 'npm runs');
  assert.ok(processes().length > 1, 'the host and npm');
  host.kill('SIGKILL');
  await until(() => processes().length === 0, 'npm is gone');
});

test('what a killed host left behind is removed by the next run', async (t) => {
  const sources = { Waits: `run() { console.log('waits'); ${WAIT} }`, Ok: 'run() {}' };
  const options = { connectorsPackage: connectorsPackage(t, { sources }), runsDir: tempFolder(t) };
  const program = (source) =>
    `new runner.ConnectorRunner(${JSON.stringify(options)})
       .run('dm', 'run', new runner.Config(${JSON.stringify(configOf(source))}));`;
  const host = startHost(t, program('Waits'));
  await once(host.stdout, 'data');
  host.kill('SIGKILL');
  await once(host, 'close');
  const left = fs.readdirSync(options.runsDir);
  assert.equal(left.length, 2, `a directory and its lock, of ${left}`);

  // a run does not wait for the removal, so a short one may end before it
  const isEmpty = async () => {
    assert.equal((await runHost(t, program('Ok'))).code, 0);
    return fs.readdirSync(options.runsDir).length === 0;
  };
  await until(isEmpty, 'nothing is left');
});

test('a host without a run in flight exits by itself', async (t) => {
  const folder = scriptFolder(t, '');
  const programs = [
    '',
    'new runner.ConnectorRunner(); new runner.NodeJsEnvironment();',
    `new runner.NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined, 'pipe');`,
    `new runner.NodeJsEnvironment().executeConnector('/missing', undefined, 'pipe').catch(() => {});`,
    `new runner.ConnectorRunner().run().catch(() => {});`,
  ];
  for (const program of programs) {
    const { code, stderr } = await runHost(t, program);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, program);
  }
});

test('a pending run keeps the host alive until it has ended', async (t) => {
  const folder = scriptFolder(t, `setTimeout(() => console.log('connector'), 100);`);
  const { stdout } = await runHost(
    t,
    `new runner.NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined)
       .then(() => console.log('host'));`,
  );
  assert.equal(stdout, 'connector\nhost\n');
});

test('process.exit in mid-run ends the host at once, and the run with it', async (t) => {
  const folder = scriptFolder(t, `console.log(process.pid); ${WAIT}`);
  const { variables, processes } = mark(t);
  const { stdout, code } = await runHost(
    t,
    `new runner.NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined, {
       logCapture: { onStdout: () => process.exit(5) },
       onSpawn: (pid) => console.log(pid),
     });`,
    { env: { ...process.env, ...variables } },
  );
  assert.equal(code, 5);
  await until(() => !isAlive(Number(stdout)) && processes().length === 0, 'the connector is gone');
});

test('worker threads can run connectors, several at once', async (t) => {
  const options = {
    connectorsPackage: connectorsPackage(t, {
      sources: { Ok: `run() { console.log('worked'); }` },
    }),
    runsDir: tempFolder(t),
  };
  const { stdout, stderr, code } = await runHost(
    t,
    `const { Worker } = require('node:worker_threads');
     const program = \`
       const runner = require(${JSON.stringify(root)});
       const { parentPort } = require('node:worker_threads');
       const config = new runner.Config(${JSON.stringify(configOf('Ok'))});
       const texts = [];
       new runner.ConnectorRunner(${JSON.stringify(options)})
         .run('dm', 'run', config, new runner.RunConfig({}), {
           logCapture: { onStdout: (text) => texts.push(text) },
         })
         .then((result) => parentPort.postMessage([result.status, texts.join('')]));
     \`;
     Promise.all([1, 2].map(() => new Promise((resolve, reject) => {
       const worker = new Worker(program, { eval: true });
       let message;
       worker.on('message', (given) => { message = given; });
       worker.on('error', reject);
       worker.on('exit', () => resolve(message));
     }))).then((all) => console.log(JSON.stringify(all)));`,
  );
  assert.deepEqual({ stderr, code }, { stderr: '', code: 0 });
  const one = ['success', 'worked\n'];
  assert.deepEqual(JSON.parse(stdout), [one, one]);
});

test('a worker that is terminated in mid-run takes its run with it, and the host lives', async (t) => {
  const folder = scriptFolder(t, `console.log(process.pid); ${WAIT}`);
  const { stdout, stderr, code } = await runHost(
    t,
    `const { Worker } = require('node:worker_threads');
     const program = \`
       const runner = require(${JSON.stringify(root)});
       const { parentPort } = require('node:worker_threads');
       new runner.NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined, {
         onSpawn: (pid) => parentPort.postMessage(String(pid)),
       });
     \`;
     const worker = new Worker(program, { eval: true });
     worker.once('message', async (text) => {
       await worker.terminate();
       process.stdout.write(text);
     });`,
  );
  assert.deepEqual({ stderr, code }, { stderr: '', code: 0 });
  const pid = Number(stdout);
  t.after(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
  await until(() => !isAlive(pid), 'the connector is gone');
});

test('runs one after the other leak neither descriptors nor threads', async (t) => {
  const environment = new NodeJsEnvironment();
  const folder = scriptFolder(t, `console.log('x')`);
  const play = () => environment.executeConnector(folder, undefined, 'pipe');
  const open = () => fs.readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 3; i += 1) await play();
  const before = open();
  for (let i = 0; i < 20; i += 1) await play();
  assert.ok(open() <= before, `${open()} descriptors, ${before} before`);
  assert.ok(fs.readdirSync('/proc/self/task').length < 100);
});
