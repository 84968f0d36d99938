'use strict';
// A host that is killed at a random moment takes everything with it (case 22). The rounds of
// `npm run test:heavy` are more of the same.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: pause } = require('node:timers/promises');

const { killHost, startTree, treeFolder } = require('./support/kill-tree');

const rounds = Number(process.env.KILL_ROUNDS ?? 10);
/** A host takes some 150 ms until its connector's tree is there. */
const SPREAD_MS = 500;

test('the control: without a supervisor, much of such a tree outlives its host', async (t) => {
  const tree = startTree(t, treeFolder(t), { bare: true });
  await tree.everyThere();
  tree.host.kill('SIGKILL');
  await tree.closed;
  assert.ok(tree.processes().length >= 4);
});

for (const [name, options] of [
  ['in a PID namespace', {}],
  ['without one', { isolation: 'none' }],
]) {
  test(`${rounds} hosts killed at a random moment, ${name}: nothing is left`, async (t) => {
    const folder = treeFolder(t);
    const whole = startTree(t, folder, { options });
    await whole.everyThere();
    assert.ok(whole.processes().length >= 4);
    const times = [await killHost(whole)];
    for (let round = 1; round < rounds; round += 1) {
      const tree = startTree(t, folder, { options });
      await pause(Math.random() * SPREAD_MS);
      times.push(await killHost(tree));
    }
    t.diagnostic(`gone after at most ${Math.ceil(Math.max(...times))} ms`);
  });
}
