'use strict';
// A few of the sequences of `npm run test:heavy -- state-model`, among them one that has lost rows.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { playAll } = require('./support/state-model');

test('sequences of runs, kills, edits and deleted tables lose no row', async (t) => {
  const { run, delete: deleted } = await playAll(t, { count: 20, seed: 5115 });
  assert.ok(run > 20 && deleted > 5);
});
