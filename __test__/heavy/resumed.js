'use strict';
// Loads of 30 days that are killed at random moments and go on from their checkpoints.
//   node __test__/heavy/resumed.js [KILLS] [SEED]

const { test } = require('node:test');

const { killedLoads } = require('../support/daily');

const [kills = '200', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2);

test(`${kills} kills, seed ${seed}`, async (t) => {
  const killed = await killedLoads(t, { kills: Number(kills), seed: Number(seed) });
  t.diagnostic(`${killed} kills`);
});
