'use strict';
// Sequences of runs, kills, edits, deleted tables, late rows and overlapping starts against a model.
//   node __test__/heavy/state-model.js [SEQUENCES] [SEED]
// A sequence that fails is printed with its seed: `state-model 1 SEED` plays it again.

const { test } = require('node:test');

const { playAll } = require('../support/state-model');

const [count = '2000', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2);

test(`${count} sequences, seed ${seed}`, async (t) => {
  const tally = await playAll(t, { count: Number(count), seed: Number(seed) });
  t.diagnostic(JSON.stringify(tally));
});
