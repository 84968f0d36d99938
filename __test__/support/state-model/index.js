'use strict';
// Sequences of runs, kills, edits, deleted tables, late rows and overlapping starts, against a model
// that knows which rows must be there.

const fs = require('node:fs');
const path = require('node:path');

const { root } = require('../host');
const { tempFolder, writeFiles } = require('../temp');
const { sequenceOf } = require('./steps');
const { World } = require('./world');

/** Attempts to leave a step out of a sequence that fails. */
const MOST_ATTEMPTS = 40;

/** Sequences that are played at the same time: most of a run is waiting. */
const LANES = 4;

/** The package, and a home for all of it. */
function setUp(t) {
  const folder = tempFolder(t);
  const package_ = path.join(folder, 'package');
  fs.cpSync(path.join(root, 'packages/connectors/src'), path.join(package_, 'src'), {
    recursive: true,
  });
  fs.copyFileSync(path.join(__dirname, 'connectors.js'), path.join(package_, 'connectors.js'));
  writeFiles(package_, {
    'package.json': {
      name: '@test/model',
      version: '1.0.0',
      exports: './index.js',
      owox: { runnerDependencies: [] },
    },
    'index.js': "module.exports = require('./connectors').connectors(require('./src'));\n",
  });
  const variables = {
    OWOX_CONNECTORS_PACKAGE: package_,
    OWOX_RUNNER_RUNS_DIR: path.join(folder, 'runs'),
    XDG_STATE_HOME: path.join(folder, 'state'),
  };
  const before = { ...process.env };
  Object.assign(process.env, variables);
  t.after(() => {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
  return folder;
}

/** The steps one after the other, and a run in peace at the end. Gives what is wrong. */
async function play(home, { shape, steps }) {
  const folder = fs.mkdtempSync(path.join(home, 'world-'));
  let done = -1;
  try {
    const world = new World(folder, shape);
    for (const step of [...steps, { do: 'run', type: 'INCREMENTAL', end: null }]) {
      done += 1;
      await world.step(step);
    }
    return null;
  } catch (error) {
    return { at: done, error };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The same without the steps that it fails without, too. */
async function shrink(home, { shape, steps }, failure) {
  let [shortest, found, attempts] = [steps.slice(0, failure.at + 1), failure, 0];
  for (let at = shortest.length - 1; at >= 0 && attempts < MOST_ATTEMPTS; at -= 1) {
    const shorter = shortest.toSpliced?.(at, 1) ?? shortest.filter((_, index) => index !== at);
    attempts += 1;
    const again = await play(home, { shape, steps: shorter });
    if (again === null) continue;
    [shortest, found] = [shorter, again];
  }
  return { shape, steps: shortest, error: found.error };
}

/**
 * Plays so many sequences; the first that contradicts the model fails, made short.
 *
 * @param {object} t the test
 * @param {{ count: number, seed: number }} options
 */
async function playAll(t, { count, seed }) {
  const home = setUp(t);
  const tally = {};
  let next = seed;
  let failed = null;
  const lane = async () => {
    while (next < seed + count && failed === null) {
      const number = next;
      next += 1;
      const sequence = sequenceOf(number);
      const failure = await play(home, sequence);
      if (failure !== null) failed ??= { number, sequence, failure };
      for (const step of sequence.steps) tally[step.do] = (tally[step.do] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  if (failed === null) return tally;
  const { shape, steps, error } = await shrink(home, failed.sequence, failed.failure);
  const told = [shape, ...steps].map((part) => JSON.stringify(part)).join('\n');
  error.message = `seed ${failed.number}: ${error.message}\n${told}`;
  throw error;
}

module.exports = { playAll };
