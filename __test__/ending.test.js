'use strict';
// How runs end before their time: signals, timeouts, silence, memory. Numbers in comments are the
// acceptance cases of the design notes.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { getEventListeners } = require('node:events');
const { test } = require('node:test');
const { setTimeout: pause } = require('node:timers/promises');

const { ConnectorRunError, NodeJsEnvironment } = require('@owox/connector-runner');
const { testWith } = require('./support/machine');
const { capture, rejection } = require('./support/output');
const { mark, stat, until } = require('./support/processes');
const { scriptFolder } = require('./support/temp');

/** Tests that need these layers. */
const full = testWith('processes');

const environment = new NodeJsEnvironment();
const WAIT = 'setInterval(() => {}, 1000);';
const READY = `console.log('ready');`;
/** Ignores SIGTERM and never comes back to the event loop. */
const BUSY = `process.on('SIGTERM', () => {}); ${READY} for (;;) {}`;
const DETACHED = `require('node:child_process').spawn(process.execPath, ['-e',
  "process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {}); console.log('child'); ${WAIT}"],
  { detached: true, stdio: 'inherit' });`;

/** Starts a script; `said(text)` waits until it has printed that. */
function play(t, script, options, { env = {}, stdio: more } = {}) {
  const { variables, processes } = mark(t);
  const { stdout, stderr, pids, stdio } = capture(more);
  const variablesOfAll = { ...process.env, ...variables, ...env };
  const promise = environment.executeConnector(
    scriptFolder(t, script),
    variablesOfAll,
    stdio,
    options,
  );
  promise.catch(() => {}); // looked at later
  const said = (text) => until(() => stdout.join('').includes(text), text);
  return { promise, stdout, stderr, pids, processes, said };
}

function assertAborted(error, reason) {
  assert.equal(error.name, 'AbortError');
  assert.equal(error.code, 'ABORT_ERR');
  assert.equal(error.cause, reason);
  assert.ok(error instanceof ConnectorRunError && error instanceof Error);
}

// --- timeoutMs ---------------------------------------------------------------------------------

test('timeoutMs ends a busy tree that ignores SIGTERM (26)', async (t) => {
  const run = play(t, DETACHED + BUSY, { timeoutMs: 400, graceMs: 100 });
  const error = await rejection(run.promise);
  assert.equal(error.code, 'TIMEOUT');
  assert.match(error.message, /400 ms \(timeoutMs\)/);
  assert.ok(error instanceof ConnectorRunError);
  const { status, exitCode, signal, pid, durationMs, resources } = error.result;
  assert.deepEqual(
    { status, exitCode, signal },
    { status: 'timeout', exitCode: null, signal: 'SIGKILL' },
  );
  assert.deepEqual([pid], run.pids);
  assert.ok(durationMs >= 400, 'the control: it was there as long as it might, start included');
  assert.ok(resources.cpuMs > 100 && resources.peakRssBytes > 20e6, JSON.stringify(resources));
  assert.deepEqual(run.processes(), []);
});

test('a run within its time is not disturbed', async (t) => {
  const options = { timeoutMs: 60_000, stallTimeoutMs: 60_000, graceMs: 0, memoryLimitMb: 1000 };
  const run = play(t, `console.log('done')`, options);
  const result = await run.promise;
  assert.equal(result.status, 'success');
  assert.deepEqual(run.stdout, ['done\n']);
});

test('what a connector does and prints within the grace counts, and it still was a timeout', async (t) => {
  const script = `process.on('SIGTERM', () => { console.log('finished cleanly'); process.exit(0); });
    ${READY} ${WAIT}`;
  const run = play(t, script, { timeoutMs: 2000 });
  const error = await rejection(run.promise);
  assert.deepEqual([error.result.status, error.result.exitCode], ['timeout', 0]);
  assert.equal(run.stdout.join(''), 'ready\nfinished cleanly\n');
});

// --- stallTimeoutMs ----------------------------------------------------------------------------

test('stallTimeoutMs ends a connector that has gone silent, not one that speaks', async (t) => {
  const silent = play(t, READY + WAIT, { stallTimeoutMs: 1500 });
  const error = await rejection(silent.promise);
  assert.equal(error.code, 'STALLED');
  assert.equal(error.result.status, 'stalled');
  // the control speaks for longer than that, on stderr alone
  const speaks = `let n = 0; const timer = setInterval(() => { console.error('.');
    if ((n += 1) === 20) clearInterval(timer); }, 100);`;
  const result = await play(t, speaks, { stallTimeoutMs: 1500 }).promise;
  assert.equal(result.status, 'success');
  assert.ok(result.timings.executionMs > 1500);
});

test('a connector that its host holds up is not silent', async (t) => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  // more than a pipe holds: it can go on only when the host takes it
  const script = `process.stdout.write('x'.repeat(4e6) + '\\n', () => console.log('end'));`;
  const run = play(
    t,
    script,
    { stallTimeoutMs: 300 },
    {
      stdio: { logCapture: { onStdout: () => held } },
    },
  );
  const settled = run.promise.then(() => 'settled');
  assert.equal(await Promise.race([settled, pause(1500, 'held up')]), 'held up');
  release();
  assert.equal((await run.promise).status, 'success');
});

test('stallTimeoutMs is refused where output is not seen', async (t) => {
  const folder = scriptFolder(t, '');
  const given = { stallTimeoutMs: 60_000 };
  for (const stdio of [
    ['ignore', 1, 'pipe'],
    ['ignore', 'pipe', process.stderr],
  ]) {
    const error = await rejection(environment.executeConnector(folder, undefined, stdio, given));
    assert.equal(error.code, 'INVALID_CONFIG');
    assert.match(error.message, /stallTimeoutMs/);
  }
  for (const stdio of ['pipe', ['ignore', 'pipe', 'pipe'], [0, 'pipe', 'ignore']]) {
    const result = await environment.executeConnector(folder, undefined, stdio, given);
    assert.equal(result.status, 'success');
  }
});

test('a supervisor that is killed: one verdict, with what is known (23)', async (t) => {
  const run = play(t, READY + WAIT);
  await run.said('ready');
  const supervisor = stat(run.pids[0]).parent;
  process.kill(supervisor, 'SIGKILL');
  const error = await rejection(run.promise);
  assert.equal(error.code, 'INTERNAL');
  assert.match(error.message, /supervisor was killed/);
  const { status, exitCode, signal, pid } = error.result;
  assert.deepEqual([status, exitCode, signal, pid], ['failed', null, null, run.pids[0]]);
  await until(() => run.processes().length === 0, 'the kernel ends the tree');
});

// --- signal ------------------------------------------------------------------------------------

test('a signal that is aborted already: nothing is started (29)', async (t) => {
  const reason = new Error('no need');
  const run = play(t, READY, { signal: AbortSignal.abort(reason) });
  const error = await rejection(run.promise);
  assertAborted(error, reason);
  assert.equal(error.result, undefined);
  assert.deepEqual([run.pids, run.stdout], [[], []]);
});

test('a signal that is aborted in mid-run ends the tree (29)', async (t) => {
  const controller = new AbortController();
  const run = play(t, DETACHED + READY + WAIT, { signal: controller.signal, graceMs: 200 });
  await run.said('child');
  assert.ok(run.processes().length >= 2);
  controller.abort('enough');
  const error = await rejection(run.promise);
  assertAborted(error, 'enough');
  assert.equal(error.result.status, 'cancelled');
  assert.deepEqual(run.processes(), []);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
});

test('a signal that is aborted after the end changes nothing, and is let go of (29)', async (t) => {
  const controller = new AbortController();
  const result = await play(t, READY, { signal: controller.signal }).promise;
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  controller.abort();
  assert.equal(result.status, 'success');
});

test('the caller’s own onabort is left alone', async (t) => {
  const controller = new AbortController();
  let called = 0;
  controller.signal.onabort = () => (called += 1);
  const run = play(t, READY + WAIT, { signal: controller.signal });
  await run.said('ready');
  controller.abort();
  await rejection(run.promise);
  assert.equal(called, 1);
});

test('aborted around its end, a run has one verdict and the right one (29)', async (t) => {
  const verdicts = { success: 0, cancelled: 0 };
  const folder = scriptFolder(t, READY);
  const usual = (await environment.executeConnector(folder, undefined, 'pipe')).durationMs;
  for (let round = 0; round < 40; round += 1) {
    const controller = new AbortController();
    const options = { signal: controller.signal, graceMs: 2000 };
    const promise = environment.executeConnector(folder, undefined, 'pipe', options);
    setTimeout(() => controller.abort(), (usual * round) / 20);
    const settled = await promise.then(
      (result) => ({ result }),
      (error) => ({ result: error.result, error }),
    );
    if (!settled.error) assert.equal(settled.result.status, 'success');
    else assertAborted(settled.error, controller.signal.reason);
    const { status, signal } = settled.result ?? { status: 'cancelled', signal: null };
    // who was asked in time did not end by itself, and who ended by itself was not killed
    if (status === 'success') assert.equal(signal, null);
    verdicts[status] += 1;
  }
  t.diagnostic(JSON.stringify(verdicts));
  assert.equal(verdicts.success + verdicts.cancelled, 40);
  assert.ok(verdicts.success > 0 && verdicts.cancelled > 0);
});

test('options of the environment and of the call both count, and every signal', async (t) => {
  const folder = scriptFolder(t, READY + WAIT);
  const outer = new AbortController();
  const inner = new AbortController();
  for (const controller of [outer, inner]) {
    const ours = new NodeJsEnvironment({ signal: outer.signal, graceMs: 50 });
    const { stdio } = capture({ onSpawn: () => controller.abort('this one') });
    const options = { signal: inner.signal, timeoutMs: 60_000 };
    // the second time the first signal is aborted already
    const error = await rejection(ours.executeConnector(folder, undefined, stdio, options));
    assertAborted(error, 'this one');
  }
});

// --- signals from outside ----------------------------------------------------------------------

test('process.kill(-pid) from inside onSpawn starts no timer of ours', async (t) => {
  const script = `process.on('SIGTERM', () => {
      console.log('finishing');
      setTimeout(() => { console.log('finished cleanly'); process.exit(0); }, 3000);
    }); ${WAIT} console.log('listens');`;
  let pid;
  const run = play(t, script, { graceMs: 50 }, { stdio: { onSpawn: (given) => (pid = given) } });
  await run.said('listens');
  process.kill(-pid, 'SIGTERM');
  const result = await run.promise;
  assert.equal(result.status, 'success');
  assert.match(run.stdout.join(''), /finishing\nfinished cleanly\n$/);
});

test('main exits while a detached child holds its stdout: the run completes (25)', async (t) => {
  const script = `${DETACHED} process.stdout.write('main ends\\n'); setTimeout(() => process.exit(0), 500);`;
  const run = play(t, script);
  await run.said('child');
  const family = run.processes();
  assert.equal(family.length, 2, 'the control: the child was there');
  assert.equal((await run.promise).status, 'success');
  assert.deepEqual(run.processes(), []);
});

// --- output ------------------------------------------------------------------------------------

/** Kept, since whoever waits for a promise that nobody else has may be collected with it. */
const never = new Promise(() => {});

test('a callback that never comes back does not hold up a run that was ended', async (t) => {
  const stop = new AbortController();
  const onStdout = () => {
    stop.abort();
    return never;
  };
  const options = { signal: stop.signal, graceMs: 100 };
  const run = play(t, READY + WAIT, options, { stdio: { logCapture: { onStdout } } });
  const error = await rejection(run.promise);
  assert.equal(error.code, 'ABORT_ERR');
  assert.match(error.result.warnings.join(), /not delivered/);
});

// --- memory ------------------------------------------------------------------------------------

const BUFFERS = `const kept = []; ${READY}
  setInterval(() => { for (let i = 0; i < 5; i += 1) kept.push(Buffer.alloc(4e6, 1)); }, 5);`;
const HEAP = `const kept = []; ${READY}
  for (;;) kept.push({ text: 'x' + kept.length, more: new Array(100).fill(kept.length) });`;
const CHILD = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(BUFFERS)}],
  { stdio: 'inherit', detached: true }); ${WAIT}`;

for (const [name, script] of Object.entries({ buffers: BUFFERS, heap: HEAP, 'a child': CHILD })) {
  test(`memoryLimitMb ends a bomb of ${name} (30)`, async (t) => {
    const run = play(t, script, { memoryLimitMb: 200, graceMs: 60_000 });
    const error = await rejection(run.promise);
    assert.equal(error.code, 'MEMORY_LIMIT');
    assert.match(error.message, /\d+ MB.*200 MB \(memoryLimitMb\)/);
    assert.equal(error.result.status, 'memory_limit');
    assert.ok(error.result.resources.peakRssBytes > 100e6);
    assert.deepEqual(run.processes(), []);
  });
}

test('a run may use what its limit allows', async (t) => {
  const script = `const kept = Buffer.alloc(150e6, 1); setTimeout(() => console.log(kept.length), 300);`;
  const result = await play(t, script, { memoryLimitMb: 400 }).promise;
  assert.equal(result.status, 'success');
  assert.ok(result.resources.peakRssBytes > 150e6, `${result.resources.peakRssBytes}`);
});

test('V8’s own abort is memory_limit too, and other aborts are not (30)', async (t) => {
  const env = { NODE_OPTIONS: '--max-old-space-size=40' };
  const error = await rejection(play(t, HEAP, undefined, { env }).promise);
  assert.deepEqual([error.code, error.result.status], ['MEMORY_LIMIT', 'memory_limit']);
  assert.match(error.message, /heap/);
  const other = await rejection(
    play(t, `console.error('out of memory?'); process.abort();`).promise,
  );
  assert.deepEqual([other.code, other.result.signal], ['CONNECTOR_FAILED', 'SIGABRT']);
});

test('the limit of the heap is main’s, and not that of what it starts', async (t) => {
  const limit = `Math.round(require('node:v8').getHeapStatistics().heap_size_limit / 2 ** 20)`;
  const script = `
    const { execFileSync } = require('node:child_process');
    const child = execFileSync(process.execPath, ['-p', ${JSON.stringify(limit)}], { encoding: 'utf8' });
    console.log(JSON.stringify([${limit}, Number(child), process.env.NODE_OPTIONS ?? null]));`;
  const limited = play(t, script, { memoryLimitMb: 400 });
  await limited.promise;
  const free = play(t, script);
  await free.promise;
  const [ours, childs, variable] = JSON.parse(limited.stdout.join(''));
  const [own, ofChild] = JSON.parse(free.stdout.join(''));
  // V8 adds its young generation to what the flag says, and how much depends on its version
  const flags = ['--max-old-space-size=300', '-p', limit];
  const expected = Number(execFileSync(process.execPath, flags, { encoding: 'utf8' }));
  assert.ok(ours === expected && own > ours, `${ours} ${expected} ${own}`);
  assert.deepEqual([childs, variable], [ofChild, process.env.NODE_OPTIONS ?? null]);
});

// --- what is reported --------------------------------------------------------------------------

full('the report says how processes are kept together, with the reason for less', async (t) => {
  const layer = ({ isolation }) => isolation.layers.find(({ name }) => name === 'processes');
  const full = layer(await play(t, '').promise);
  const { name, requested, enforced, mechanism, reason } = full;
  assert.deepEqual(
    { name, requested, enforced, mechanism, reason },
    {
      name: 'processes',
      requested: 'preferred',
      enforced: 'full',
      mechanism: 'PID namespace',
      reason: null,
    },
  );
  const none = layer(await play(t, '', { isolation: 'none' }).promise);
  assert.deepEqual([none.requested, none.enforced], ['off', 'partial']);
  assert.ok(none.reason);
});

test('with isolation none a connector has the ids that its host sees', async (t) => {
  const run = play(t, `console.log(process.pid)`, { isolation: 'none' });
  const { pid } = await run.promise;
  assert.equal(run.stdout.join(''), `${pid}\n`);
});

test('the portable fallback runs, ends and reports', async (t) => {
  process.env.OWOX_RUNNER_SUPERVISION = 'portable';
  t.after(() => delete process.env.OWOX_RUNNER_SUPERVISION);
  const child = DETACHED.replace('detached: true', 'detached: false');
  const run = play(t, child + BUSY, { timeoutMs: 500, graceMs: 100 });
  const error = await rejection(run.promise);
  assert.deepEqual([error.code, error.result.signal], ['TIMEOUT', 'SIGKILL']);
  const [layer] = error.result.isolation.layers;
  assert.deepEqual([layer.enforced, layer.mechanism], ['partial', 'process group']);
  assert.match(layer.reason, /portable/);
  assert.deepEqual(run.processes(), []);
});
