'use strict';
// Several reasons to end a run, one after the other: it has one verdict, that of the first.

const assert = require('node:assert/strict');
const { tracingChannel } = require('node:diagnostics_channel');
const fs = require('node:fs');
const { after, describe, test } = require('node:test');

const { ConnectorRunner, NodeJsEnvironment } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { capture, rejection } = require('./support/output');
const { mark, stat, until } = require('./support/processes');
const { scriptFolder, tempFolder } = require('./support/temp');

/** Says that it was asked to end, and goes on. */
const STUBBORN = `process.on('SIGTERM', () => console.log('asked'));
  setInterval(() => {}, 1000); console.log('ready');`;
/** Long enough never to be reached here. */
const LONG = 600_000;

/** Runs a script. `on` has what to do when it has printed a word for the first time. */
function play(t, script, options, on = {}) {
  const { variables, processes } = mark(t);
  const seen = new Set();
  const recorded = capture({
    logCapture: {
      onStdout: (text) => {
        recorded.stdout.push(text);
        const said = Object.keys(on).find((word) => text.includes(word) && !seen.has(word));
        seen.add(said);
        return on[said]?.();
      },
      onStderr() {},
    },
  });
  const { stdout, pids, stdio } = recorded;
  const env = { ...process.env, ...variables };
  const promise = new NodeJsEnvironment(options.ofEnvironment).executeConnector(
    scriptFolder(t, script),
    env,
    stdio,
    { ...options, ofEnvironment: undefined },
  );
  promise.catch(() => {}); // looked at later
  return { promise, stdout, pids, processes };
}

/** Whether a process has ended, with all of its threads. */
function hasEnded(pid) {
  try {
    return !stat(pid) && fs.readdirSync(`/proc/${pid}/task`).length < 2;
  } catch {
    return true; // and was waited for
  }
}

/** The error of a run, which nothing is left of. */
async function failure({ promise, processes }) {
  const error = await rejection(promise);
  assert.deepEqual(processes(), []);
  return error;
}

function assertCancelled(error, reason) {
  assert.deepEqual([error.code, error.name], ['ABORT_ERR', 'AbortError']);
  assert.deepEqual([error.result.status, error.cause], ['cancelled', reason]);
}

/**
 * Does `attempt` with a limit within which its first step must come for the order to be what is tested;
 * a machine too busy for it gets twice the time.
 */
async function inThisOrder(attempt) {
  for (let limit = 2000; ; limit *= 2) {
    const begun = Date.now();
    const { first, check } = await attempt(limit);
    if (first() - begun < limit) return check();
    assert.ok(limit < 60_000, 'the machine is too busy');
  }
}

describe('the first cause', { concurrency: true }, () => {
  for (const [option, status] of [
    ['timeoutMs', 'timeout'],
    ['stallTimeoutMs', 'stalled'],
  ]) {
    test(`${option}, then aborted in the grace: ${status}`, (t) =>
      inThisOrder(async (limit) => {
        const controller = new AbortController();
        let at = Infinity;
        const error = await failure(
          play(
            t,
            STUBBORN,
            { [option]: limit, graceMs: limit, signal: controller.signal },
            { ready: () => void (at = Date.now()), asked: () => controller.abort('late') },
          ),
        );
        return {
          first: () => at,
          check: () => {
            assert.ok(controller.signal.aborted, 'the control');
            assert.deepEqual([error.result.status, error.result.signal], [status, 'SIGKILL']);
            assert.equal(error.cause, undefined, 'the signal is not why');
          },
        };
      }));

    test(`aborted, then ${option} in the grace: cancelled`, (t) =>
      inThisOrder(async (limit) => {
        const controller = new AbortController();
        let at = Infinity;
        const abort = () => {
          at = Date.now();
          controller.abort('first');
        };
        // the grace ends later than the time that the option gives
        const options = { [option]: limit, graceMs: limit + 500, signal: controller.signal };
        const error = await failure(play(t, STUBBORN, options, { ready: abort }));
        return {
          first: () => at,
          check: () => {
            assertCancelled(error, 'first');
            assert.ok(error.result.timings.executionMs >= limit, 'the control: it was due');
          },
        };
      }));
  }

  const BOMB = `const kept = []; const fill = () => setInterval(() => kept.push(Buffer.alloc(8e6, 1)), 2);`;

  test('aborted, then over memoryLimitMb in the grace: cancelled', async (t) => {
    const controller = new AbortController();
    const script = `${BOMB} process.on('SIGTERM', fill); console.log('ready'); setInterval(() => {}, 1000);`;
    const options = { memoryLimitMb: 200, graceMs: LONG, signal: controller.signal };
    const error = await failure(
      play(t, script, options, { ready: () => controller.abort('first') }),
    );
    assertCancelled(error, 'first');
    assert.equal(error.result.signal, 'SIGKILL', 'the control: ended for its memory, long before');
    assert.ok(error.result.resources.peakRssBytes > 200 * 2 ** 20);
  });

  test('over memoryLimitMb, then aborted: memory_limit', async (t) => {
    const controller = new AbortController();
    const options = { memoryLimitMb: 200, graceMs: LONG, signal: controller.signal };
    // its output holds the run up until the process is gone
    const abort = async () => {
      await until(() => run.processes().length === 0, 'its end', 60_000);
      controller.abort('late');
    };
    const run = play(t, `${BOMB} console.log('ready'); fill();`, options, { ready: abort });
    const error = await failure(run);
    assert.ok(controller.signal.aborted, 'the control');
    assert.deepEqual([error.code, error.result.status], ['MEMORY_LIMIT', 'memory_limit']);
  });

  for (const [code, status] of [
    [0, 'success'],
    [3, 'failed'],
  ]) {
    test(`exit code ${code}, then aborted before all is delivered: ${status}`, async (t) => {
      const controller = new AbortController();
      const abort = async () => {
        await until(() => run.pids.length === 1 && hasEnded(run.pids[0]), 'its end', 60_000);
        controller.abort('late');
      };
      const script = `console.log('ready'); process.exit(${code});`;
      const options = { signal: controller.signal, graceMs: LONG };
      const run = play(t, script, options, { ready: abort });
      const result = await run.promise.catch((error) => error.result);
      assert.ok(controller.signal.aborted, 'the control');
      assert.deepEqual([result.status, result.exitCode], [status, code]);
    });
  }

  test('aborted, then its supervisor is killed in the grace: cancelled', async (t) => {
    const controller = new AbortController();
    const options = { graceMs: LONG, signal: controller.signal };
    const run = play(t, STUBBORN, options, {
      ready: () => controller.abort('first'),
      asked: () => process.kill(stat(run.pids[0]).parent, 'SIGKILL'),
    });
    const error = await rejection(run.promise);
    assertCancelled(error, 'first');
    const { exitCode, signal, warnings } = error.result;
    assert.deepEqual([exitCode, signal], [null, null]);
    assert.match(warnings.join(), /supervisor was killed/);
  });

  test('two signals: the error has the reason of the one that was aborted first', async (t) => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const controllers = [new AbortController(), new AbortController()];
      const [first, second] = order.map((index) => controllers[index]);
      const options = { signal: controllers[1].signal, graceMs: 2000 };
      options.ofEnvironment = { signal: controllers[0].signal };
      const run = play(t, STUBBORN, options, {
        ready: () => first.abort('first'),
        asked: () => second.abort('second'),
      });
      assertCancelled(await failure(run), 'first');
      assert.ok(second.signal.aborted, 'the control');
      assert.equal(run.stdout.join(''), 'ready\nasked\n', 'asked once');
    }
  });
});

const runner = new ConnectorRunner({
  connectorsPackage: connectorsPackage(
    { after },
    { sources: { Stubborn: `run() { ${STUBBORN} }` } },
  ),
  runsDir: tempFolder({ after }),
});

test('a host that cancels and aborts again and again: one verdict, told once', async (t) => {
  const ends = [];
  const channels = tracingChannel('owox:connector-runner:run');
  const subscribers = { asyncEnd: () => ends.push('end'), error: () => ends.push('error') };
  channels.subscribe(subscribers);
  t.after(() => channels.unsubscribe(subscribers));
  const controller = new AbortController();
  const seen = [];
  const cancelled = [];
  const cancel = (graceMs) => cancelled.push(runner.cancel('run', { graceMs }));
  const onStdout = (text) => {
    seen.push(text);
    if (text === 'ready\n') {
      controller.abort('first');
      cancel(LONG);
      controller.abort('second');
    } else {
      cancel(LONG);
      cancel(200);
      cancel(100);
    }
  };
  const stdio = { logCapture: { onStdout, onStderr() {} } };
  const options = { signal: controller.signal, graceMs: LONG };
  const error = await rejection(
    runner.run('mart', 'run', configOf('Stubborn'), {}, stdio, options),
  );
  assertCancelled(error, 'first');
  assert.equal(error.result.signal, 'SIGKILL');
  assert.deepEqual(cancelled, [1, 1, 1, 1]);
  assert.equal(seen.join(''), 'ready\nasked\n', 'SIGTERM came once');
  assert.deepEqual(ends, ['error', 'end']);
  assert.equal(runner.cancel('run'), 0);
});
