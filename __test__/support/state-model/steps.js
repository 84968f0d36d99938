'use strict';
// What happens in a sequence, all of it decided by its seed before anything runs.

const { randomOf } = require('../daily');
const { TABLES } = require('./connectors');

const REGIONS = ['eu', 'us'];

/** Where a run of the connector may come to grief, and how. */
const PLACES = ['before', 'after', 'end'];
const WAYS = ['kill', 'throw', 'exit'];

/**
 * @param {number} seed
 * @returns {{ shape: object, steps: object[] }}
 */
function sequenceOf(seed) {
  const random = randomOf(seed);
  // the first numbers of near seeds are alike
  for (let skipped = 0; skipped < 5; skipped += 1) random();
  const below = (count) => Math.floor(random() * count);
  const oneOf = (list) => list[below(list.length)];
  const chance = (share) => random() < share;
  const shape = {
    daysPerStep: oneOf([undefined, 1, 4]),
    hasStart: chance(0.6),
    isShared: chance(0.5),
    // rows of days that a resumed run has passed are not promised
    resumes: chance(0.4),
    storage: chance(0.04) ? 'DuckDb' : 'Files',
  };

  const grief = () => {
    if (chance(0.4)) return null;
    const at = oneOf(PLACES);
    return { at, nth: at === 'end' ? 1 : 1 + below(shape.daysPerStep ? 5 : 2), how: oneOf(WAYS) };
  };
  const more = () => ({
    do: 'rows',
    region: oneOf(REGIONS),
    tables: TABLES.filter(() => chance(0.7)),
    days: 1 + below(6),
    isLate: !shape.resumes && chance(0.35),
  });
  const run = () => {
    const type = oneOf([
      ...Array(6).fill('INCREMENTAL'),
      'FULL_REFRESH',
      'MANUAL_BACKFILL',
      'MANUAL_BACKFILL',
    ]);
    const range = [below(8), below(6)];
    return { do: 'run', type, range, end: grief(), resumes: shape.resumes && chance(0.5) };
  };
  const kinds = [
    [26, more],
    [38, run],
    [12, () => ({ do: 'edit' })],
    [14, () => ({ do: 'delete', tables: TABLES.filter(() => chance(0.7)) })],
    [6, () => ({ do: 'overlap', waits: chance(0.5) })],
    [4, () => ({ do: 'clear' })],
    [4, () => ({ do: 'killHost', end: { at: oneOf(PLACES), nth: 1 + below(2), how: 'hang' } })],
  ];
  const all = kinds.reduce((sum, [weight]) => sum + weight, 0);
  const steps = [more(), run()];
  for (let left = 3 + below(6); left > 0; left -= 1) {
    let at = below(all);
    const [, make] = kinds.find(([weight]) => (at -= weight) < 0);
    steps.push(make());
  }
  return { shape, steps };
}

module.exports = { REGIONS, sequenceOf };
