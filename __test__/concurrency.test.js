'use strict';
// Several runs at a time: turns, `cancel`, several runners, environments of the caller's own.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const runnerPackage = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { root } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { mark, until } = require('./support/processes');
const { scriptFolder, tempFolder } = require('./support/temp');

const { Config, ConnectorExecutionService, ConnectorRunner, NodeJsEnvironment, RunConfig } =
  runnerPackage;

const WAIT = 'setInterval(() => {}, 1000);';
const sources = {
  Waits: `run() { return new Promise((resolve) => {
    const timer = setInterval(() => {}, 1000);
    process.on('SIGUSR2', () => { clearInterval(timer); resolve(); });
    console.log('ready'); // only now: the signal may come at once
  }); }`,
  Stubborn: `run() { process.on('SIGTERM', () => console.log('no')); console.log('ready'); ${WAIT} }`,
  Ok: `run() { console.log('ok'); }`,
};
const options = {
  connectorsPackage: connectorsPackage({ after }, { sources }),
  runsDir: tempFolder({ after }),
};

/** Starts a run; `started` tells when its connector speaks. */
function start(runner, runId, source, given) {
  const { stdout, pids, stdio } = capture();
  const promise = runner.run(
    'dm',
    runId,
    new Config(configOf(source)),
    new RunConfig({}),
    stdio,
    given,
  );
  promise.catch(() => {}); // looked at later
  const started = () => until(() => stdout.length > 0, `${runId} has started`, 60_000);
  return { promise, stdout, pids, started };
}

const finish = ({ pids }) => process.kill(pids[0], 'SIGUSR2');

function assertAborted({ name, code }) {
  assert.deepEqual([name, code], ['AbortError', 'ABORT_ERR']);
}

test('maxConcurrentRuns: turns in the order of the calls, and cancel while waiting', async () => {
  const runner = new ConnectorRunner({ ...options, maxConcurrentRuns: 2 });
  const order = [];
  const runs = ['a', 'b', 'c', 'd', 'e'].map((id) => start(runner, id, 'Waits'));
  const [a, b, c, d, e] = runs;
  runs.forEach(({ promise }, at) =>
    promise.then(
      () => order.push(at),
      () => order.push(`${at} cancelled`),
    ),
  );
  await Promise.all([a.started(), b.started()]);
  assert.equal(runner.cancel('d'), 1);
  const error = await rejection(d.promise);
  assertAborted(error);
  assert.equal(error.result, undefined, 'it never had a process');
  assert.deepEqual([c.pids, d.pids, e.pids], [[], [], []], 'who waits has no process');
  finish(a);
  await c.started();
  assert.deepEqual(e.pids, []);
  finish(b);
  await e.started();
  finish(c);
  finish(e);
  const results = await Promise.all([a, b, c, e].map(({ promise }) => promise));
  assert.ok(results[2].timings.queueMs > results[0].timings.queueMs);
  assert.equal(runner.cancel('a'), 0, 'what has ended cannot be cancelled');
  assert.equal(order.length, 5);
});

test('a turn is given on after a failure, a cancel and a wrong configuration', async () => {
  const runner = new ConnectorRunner({ ...options, maxConcurrentRuns: 1 });
  const first = start(runner, 'first', 'Waits');
  const second = start(runner, 'second', 'Missing');
  const third = start(runner, 'third', 'Waits', { timeoutMs: 60_000 });
  const last = start(runner, 'last', 'Ok');
  await first.started();
  assert.equal(runner.cancel('first', { graceMs: 0 }), 1);
  const error = await rejection(first.promise);
  assertAborted(error);
  assert.deepEqual([error.result.status, error.result.signal], ['cancelled', 'SIGKILL']);
  assert.match((await rejection(second.promise)).message, /Missing not found/);
  await third.started();
  runner.cancel('third');
  assertAborted(await rejection(third.promise));
  assert.equal((await last.promise).status, 'success');
});

test('cancel reaches every run of the id, and asking again makes it harder', async () => {
  const runner = new ConnectorRunner({ ...options, graceMs: 600_000 });
  const runs = [start(runner, 'same', 'Stubborn'), start(runner, 'same', 'Stubborn')];
  const other = start(runner, 'other', 'Waits');
  await Promise.all([...runs, other].map(({ started }) => started()));
  assert.equal(runner.cancel('same'), 2);
  await until(() => runs.every(({ stdout }) => stdout.join('').includes('no')), 'both were asked');
  for (const wrong of [{ graceMs: -1 }, { graceMs: '1' }, { grace: 1 }, 'now']) {
    assert.throws(() => runner.cancel('same', wrong), { code: 'INVALID_CONFIG' });
  }
  assert.equal(runner.cancel('same', { graceMs: 0 }), 2);
  for (const { promise } of runs) {
    assert.equal((await rejection(promise)).result.signal, 'SIGKILL');
  }
  finish(other);
  assert.equal((await other.promise).status, 'success');
});

test('a service shares turns with its runner, and runners do not with each other', async () => {
  const limited = { ...options, maxConcurrentRuns: 1 };
  const runner = new ConnectorRunner(limited);
  const another = new ConnectorRunner(limited);
  const first = start(runner, 'first', 'Waits');
  await first.started();
  const waiting = start(
    { run: (...given) => runner.executionService.execute(...given) },
    'second',
    'Ok',
  );
  assert.equal((await start(another, 'first', 'Ok').promise).status, 'success');
  assert.deepEqual(waiting.pids, []);
  assert.equal(another.cancel('first'), 0);
  assert.equal(runner.executionService.cancel('first'), 1);
  assertAborted(await rejection(first.promise));
  assert.equal((await waiting.promise).status, 'success');
});

test('time spent waiting for a turn does not count as the run’s', async () => {
  const runner = new ConnectorRunner({ ...options, maxConcurrentRuns: 1 });
  const first = start(runner, 'first', 'Waits');
  await first.started();
  const second = start(runner, 'second', 'Ok', { timeoutMs: 20_000 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  finish(first);
  const result = await second.promise;
  assert.ok(result.timings.queueMs >= 300 && result.durationMs >= result.timings.queueMs);
});

/** An npm that waits until it is ended. */
function waitingNpm(t) {
  const bin = scriptFolder(t, '');
  fs.writeFileSync(`${bin}/npm`, `#!/bin/sh\ntouch ${bin}/runs\nsetsid sleep 1000 &\nsleep 1000\n`);
  fs.chmodSync(`${bin}/npm`, 0o755);
  return { bin, runs: () => fs.existsSync(`${bin}/runs`) };
}

for (const [name, given, check] of [
  ['cancel', {}, assertAborted],
  ['timeoutMs', { timeoutMs: 1500 }, ({ code }) => assert.equal(code, 'TIMEOUT')],
]) {
  test(`${name} ends an install, and leaves nothing of it`, async (t) => {
    const { bin, runs } = waitingNpm(t);
    const { variables, processes } = mark(t);
    const saved = process.env;
    process.env = { ...saved, ...variables, PATH: `${bin}:${saved.PATH}` };
    t.after(() => {
      process.env = saved;
    });
    const folders = { runsDir: tempFolder(t), storeDir: tempFolder(t) };
    // the script writes where no npm does
    const runner = new ConnectorRunner({ ...options, ...folders, isolation: 'none' });
    const run = start(runner, 'run', 'Ok', given);
    await until(runs, 'npm runs');
    if (name === 'cancel') {
      assert.ok(processes().length > 0);
      runner.cancel('run');
    }
    const error = await rejection(run.promise);
    check(error);
    assert.deepEqual([error.result, run.pids], [undefined, []]);
    assert.deepEqual(processes(), []);
    assert.deepEqual(fs.readdirSync(folders.runsDir), []);
  });
}

test('the addon may be loaded twice, from two places', async (t) => {
  const copy = tempFolder(t);
  for (const name of ['index.js', 'package.json', 'js', 'npm', 'src']) {
    fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  }
  const folder = scriptFolder(t, `console.log('ok'); setTimeout(() => {}, 50);`);
  const second = require(copy);
  assert.notEqual(second.NodeJsEnvironment, NodeJsEnvironment);
  const runs = [NodeJsEnvironment, second.NodeJsEnvironment].flatMap((Class) =>
    Array.from({ length: 4 }, async () => {
      const { stdout, stdio } = capture();
      const result = await new Class().executeConnector(folder, undefined, stdio);
      return [result.status, stdout.join('')];
    }),
  );
  for (const run of await Promise.all(runs)) assert.deepEqual(run, ['success', 'ok\n']);
});

// --- environments of the caller's own ----------------------------------------------------------

test('a foreign environment is not waited for when its run is ended, and is cleaned up', async (t) => {
  for (const step of ['createEnvironment', 'executeConnector']) {
    const calls = [];
    const controller = new AbortController();
    const custom = {
      createEnvironment: async () => void calls.push('create'),
      executeConnector: async (...given) => void calls.push(`execute ${given.length}`),
      cleanup: async () => void calls.push('cleanup'),
    };
    const works = custom[step];
    custom[step] = (...given) => {
      works(...given);
      controller.abort();
      return new Promise(() => {});
    };
    const service = new ConnectorExecutionService(custom, options);
    const run = (given) =>
      service.execute('dm', 'run', new Config(configOf('Ok')), new RunConfig({}), 'pipe', given);
    assertAborted(await rejection(run({ signal: controller.signal })));
    const all = ['create', 'execute 3', 'cleanup'];
    assert.deepEqual(calls, step === 'createEnvironment' ? ['create', 'cleanup'] : all);
    if (step === 'executeConnector') {
      assert.equal((await rejection(run({ timeoutMs: 300 }))).code, 'TIMEOUT');
    }
    for (const refused of ['stallTimeoutMs', 'memoryLimitMb']) {
      const error = await rejection(run({ [refused]: 1000 }));
      assert.deepEqual([error.code, error.message.includes(refused)], ['INVALID_CONFIG', true]);
    }
  }
  t.diagnostic('both steps');
});

test('an environment that derives from ours ends its tree before the run rejects', async (t) => {
  const { variables, processes } = mark(t);
  class Mine extends NodeJsEnvironment {
    executeConnector(path, env, stdio) {
      return super.executeConnector(path, { ...env, ...variables }, stdio);
    }
  }
  const service = new ConnectorExecutionService(new Mine(options), options);
  const run = start({ run: (...given) => service.execute(...given) }, 'run', 'Waits');
  await run.started();
  assert.equal(processes().length, 1);
  assert.equal(service.cancel('run'), 1);
  const error = await rejection(run.promise);
  assertAborted(error);
  assert.equal(error.result.status, 'cancelled');
  assert.deepEqual(processes(), []);
});
