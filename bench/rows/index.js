'use strict';
// The rows of the table: what is measured, against what, and the target.
//
// A target is for the ratio ours ÷ rival, or with `of: 'ours'` for our own figure; `atMost` or
// `atLeast`. `quick` and `full` are the inputs of the measurement, one call for each.

const nodeMajor = Number(process.versions.node.split('.')[0]);

/** The same input for several sets or kinds. */
const each = (name, values, more) => values.map((value) => ({ [name]: value, ...more }));

const ALL_SETS = ['DuckDb', 'BigQuery', 'Athena'];
const KINDS = ['JSON', 'text'];

/** BigQuery and Athena are emulators here: these rows need Python, and are left out without it. */
const STORAGES = [
  ['storage-duckdb', 'DuckDb', 100_000],
  ['storage-bigquery', 'GoogleBigQuery', 20_000],
  ['storage-athena', 'AwsAthena', 20_000],
];

module.exports = [
  {
    name: 'warm-run',
    title: 'Warm run, whole',
    rival: 'npm install, spawn, rm',
    measurement: ['runs', 'warmRun'],
    target: { atMost: 1 / 40 },
    quick: each('set', ['DuckDb'], { count: 1 }),
    full: each('set', ALL_SETS, { count: 5 }),
  },
  {
    name: 'bare-run',
    title: 'Warm run, whole',
    rival: 'bare node main.js',
    measurement: ['runs', 'bareRun'],
    target: { atMost: 1.1 },
    quick: [{ count: 5 }],
    full: [{ count: 41 }],
  },
  {
    name: 'isolation',
    title: 'Isolation, warm run',
    rival: "isolation 'none'",
    measurement: ['runs', 'isolation'],
    target: { atMost: 1.1 },
    otherTargets: { added: { atMost: 5, of: 'ours' } },
    quick: each('mode', ['standard', 'strict'], { count: 5 }),
    full: each('mode', ['standard', 'strict'], { count: 101 }),
  },
  {
    name: 'first-line',
    title: 'Spawn to first line',
    rival: 'node -e 0',
    measurement: ['runs', 'firstLine'],
    target: { atMost: nodeMajor < 22 ? 1.4 : 1.6 },
    quick: [{ count: 5 }],
    full: [{ count: 41 }],
  },
  {
    name: 'spawn-cpu',
    title: 'Main-thread CPU per spawn',
    rival: 'child_process',
    measurement: ['spawning', 'spawnCpu'],
    target: { atMost: 0.25 },
    quick: [{ count: 1, times: 50 }],
    full: [{ count: 7, times: 200 }],
  },
  {
    name: 'spawn-rate',
    title: 'Spawns per second',
    rival: 'child_process',
    measurement: ['spawning', 'spawnRate'],
    target: { atLeast: 20 },
    quick: [{ count: 1, ms: 500, megabytes: 1024 }],
    full: [{ count: 5, ms: 2000, megabytes: 1024 }],
  },
  {
    name: 'spawn-stall',
    title: 'Stall, 32 nodes at once',
    rival: 'child_process',
    measurement: ['spawning', 'spawnStall'],
    target: { atMost: 0.1 },
    quick: each('megabytes', [0], { count: 1, children: 32 }),
    full: each('megabytes', [0, 1024], { count: 5, children: 32 }),
  },
  {
    name: 'capture-cpu',
    title: 'Main-thread CPU of capture',
    rival: 'toString per chunk',
    measurement: ['output', 'captureCpu'],
    target: { atMost: 0.8 },
    quick: each('kind', ['JSON'], { count: 1, megabytes: 128 }),
    full: each('kind', KINDS, { count: 7, megabytes: 512 }),
  },
  {
    name: 'whole-lines',
    title: 'Whole lines',
    rival: 'readline',
    measurement: ['output', 'wholeLines'],
    target: { atLeast: 2 },
    quick: each('kind', ['JSON'], { count: 1, megabytes: 128 }),
    full: each('kind', KINDS, { count: 5, megabytes: 512 }),
  },
  {
    name: 'messages',
    title: 'Messages as objects',
    rival: 'readline, JSON.parse',
    measurement: ['output', 'messages'],
    target: { atLeast: 1 },
    quick: [{ count: 1, megabytes: 64 }],
    full: [{ count: 5, megabytes: 512 }],
  },
  {
    name: 'slow-callback',
    title: 'Callback of 1 ms',
    rival: 'toString per chunk',
    measurement: ['output', 'slowCallback'],
    target: { atMost: 0.5 },
    otherTargets: { growth: { atMost: 32, of: 'ours' } },
    quick: [{ count: 1, megabytes: 32 }],
    full: [{ count: 5, megabytes: 400 }],
  },
  {
    name: 'clean-up',
    title: 'Clean-up, loop blocked',
    rival: 'rmSync',
    measurement: ['spawning', 'cleanUp'],
    target: { atMost: 0.05 },
    quick: [{ count: 1, files: 2000 }],
    full: [{ count: 7, files: 6000 }],
  },
  {
    name: 'cold',
    title: 'Cold environment',
    rival: 'npm install',
    measurement: ['runs', 'coldEnvironment'],
    target: { atMost: 1.05 },
    quick: each('set', ['DuckDb'], { count: 1 }),
    full: each('set', ALL_SETS, { count: 5 }),
  },
  {
    name: 'cold-at-once',
    title: 'Installs of cold runs at once',
    rival: 'store off',
    measurement: ['runs', 'atOnce'],
    target: { atMost: 1, of: 'ours' },
    quick: [{ processes: 2, times: 2 }],
    full: [{ processes: 4, times: 4 }],
  },
  {
    name: 'disk',
    title: 'Disk per run',
    rival: 'npm install',
    measurement: ['runs', 'disk'],
    target: { atMost: 16, of: 'ours' },
    quick: each('set', ['DuckDb']),
    full: each('set', ALL_SETS),
  },
  {
    name: 'wait-cpu',
    title: 'CPU of a wait by deasync',
    rival: '@kaciras/deasync',
    measurement: ['waiting', 'waitCpu'],
    target: { atMost: 5, of: 'ours' },
    quick: [{ ms: 200, count: 1 }],
    full: [{ ms: 2000, count: 3 }],
  },
  {
    name: 'request',
    title: 'Request on loopback',
    rival: 'sync-request',
    measurement: ['waiting', 'request'],
    target: { atMost: 1 / 25 },
    otherTargets: { load: { atMost: 30, of: 'ours' } },
    quick: [{ times: 3, count: 1 }],
    full: [{ times: 30, count: 5 }],
  },
  {
    name: 'density',
    title: 'Waiting at once',
    rival: 'child_process',
    measurement: ['waiting', 'density'],
    target: { atMost: 5, of: 'ours' },
    otherTargets: {
      memory: { atMost: 1, of: 'ours' },
      threads: { atMost: 1.5 },
      descriptors: { atMost: 10, of: 'ours' },
    },
    quick: [{ runs: 10, seconds: 1 }],
    full: [
      { runs: 200, seconds: 10 },
      { runs: 500, seconds: 10 },
    ],
  },
  ...STORAGES.map(([name, storage, rows]) => ({
    name,
    title: `Rows a second into ${storage}`,
    rival: 'batches of 250',
    measurement: ['storages', 'throughput'],
    target: { atLeast: 1 },
    quick: [{ storage, rows: 2000, batch: 1000, count: 1 }],
    full: each('batch', [1000, 10_000, 50_000], { storage, rows, count: 3 }),
  })),
];
