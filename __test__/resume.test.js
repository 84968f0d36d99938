'use strict';
// A load that breaks off goes on from its checkpoint; 200 kills: npm run test:heavy -- resumed

const { test } = require('node:test');

const { killedLoads } = require('./support/daily');

test('a load of 30 days that is killed goes on where it was, and ends with the same table', async (t) => {
  await killedLoads(t, { kills: 6, seed: 7 });
});
