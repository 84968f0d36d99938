'use strict';
// Trees that are cancelled, timed out or lose their host at a random moment: nothing is left, each
// time (cases 22, 26, 27). And a connector that takes 30 s to finish cleanly is left in peace.
//   node __test__/heavy/endings.js [ROUNDS]

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { killHost, startTree, treeFolder } = require('../support/kill-tree');
const { capture, rejection } = require('../support/output');
const { mark, until } = require('../support/processes');
const { scriptFolder } = require('../support/temp');

const rounds = Number(process.argv[2] ?? 50);
const SPREAD_MS = 500;
const moment = () => 1 + Math.round(Math.random() * SPREAD_MS);

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function report(t, times) {
  times.sort((a, b) => a - b);
  const at = (share) =>
    Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))]);
  t.diagnostic(
    `${times.length} of ${rounds}: gone after ${at(0.5)} ms (median), ${at(1)} ms (at most)`,
  );
}

for (const [name, options] of [
  ['in a PID namespace', {}],
  ['without one', { isolation: 'none' }],
]) {
  test(`${rounds} hosts killed, ${name}`, async (t) => {
    const folder = treeFolder(t);
    const times = [];
    for (let round = 0; round < rounds; round += 1) {
      const tree = startTree(t, folder, { options });
      await pause(moment());
      times.push(await killHost(tree));
    }
    report(t, times);
    assert.ok(Math.max(...times) <= 2000, 'within 2 s');
  });

  for (const [way, code, start] of [
    ['cancelled', 'ABORT_ERR', () => ({ signal: AbortSignal.timeout(moment()) })],
    ['timed out', 'TIMEOUT', () => ({ timeoutMs: moment() })],
  ]) {
    test(`${rounds} runs ${way}, ${name}`, async (t) => {
      const folder = treeFolder(t);
      const environment = new NodeJsEnvironment({ ...options, graceMs: 100 });
      const times = [];
      for (let round = 0; round < rounds; round += 1) {
        const { variables, processes } = mark(t);
        const env = { ...process.env, ...variables };
        const begun = performance.now();
        const run = environment.executeConnector(folder, env, 'pipe', start());
        assert.equal((await rejection(run)).code, code);
        times.push(performance.now() - begun);
        assert.deepEqual(processes(), [], 'when the run rejects, nothing is left');
      }
      report(t, times);
    });
  }
}

test('a connector that takes 30 s to finish after SIGTERM from outside is left in peace', async (t) => {
  const script = `process.on('SIGTERM', () => setTimeout(() => {
      console.log('finished cleanly'); process.exit(0); }, 30_000));
    console.log('listens'); setInterval(() => {}, 1000);`;
  let pid;
  const { stdout, stdio } = capture({ onSpawn: (given) => (pid = given) });
  const environment = new NodeJsEnvironment({ graceMs: 100 });
  const run = environment.executeConnector(scriptFolder(t, script), undefined, stdio);
  await until(() => stdout.length > 0, 'it listens');
  process.kill(-pid, 'SIGTERM');
  const result = await run;
  assert.equal(result.status, 'success');
  assert.ok(result.timings.executionMs >= 30_000);
  assert.match(stdout.join(''), /finished cleanly/);
});
