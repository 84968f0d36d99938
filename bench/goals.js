'use strict';
// The goals for real connectors, large files and many runs, three times each: a table of medians.
//   npm run bench:goals [-- --quick]
// In less than ten minutes on two cores at rest; docs/performance.md explains the rows.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { inFreshProcess } = require('./lib/fork');
const { median } = require('./lib/measure');
const { machine, short } = require('./lib/report');
const { cleanVariables, remove } = require('./lib/space');

const LIMIT_MS = 300_000;
const isQuick = process.argv.includes('--quick');
const count = isQuick ? 1 : 3;
const rows = isQuick ? 50_000 : 1_000_000;
const ours = (atMost) => ({ atMost, of: 'ours' });

/** What is measured, and by line of it: what it is called, its goal, `null` for none. */
const GOALS = [
  {
    measurement: ['shapes', 'run', { version: '0.11.0', storage: 'GoogleBigQuery', count }],
    lines: { 'whole run': null, 'CPU of the connector': ours(350), requests: { atMost: 1 } },
  },
  {
    measurement: ['shapes', 'run', { version: '0.11.0', storage: 'AwsAthena', count }],
    lines: { 'whole run': null, 'CPU of the connector': ours(600), requests: { atMost: 1 } },
  },
  {
    measurement: ['waiting', 'waitCpu', { ms: 2000, count }],
    title: 'CPU of waiting',
    lines: { '2000 ms': ours(5) },
  },
  {
    measurement: ['waiting', 'request', { times: 10, count }],
    title: 'a request on loopback',
    lines: { each: { atMost: 1 / 25 }, 'loading it': ours(30) },
  },
  ...['dlt-arrow', 'duckdb', 'dlt-csv'].map((against) => ({
    // dlt needs minutes and gigabytes for a million rows by its reader of CSV files
    measurement: [
      'loaders',
      'load',
      { against, key: 'id', rows: against === 'dlt-csv' ? rows / 10 : rows, count },
    ],
    title: `CSV into DuckDB, original is ${against}`,
    lines: { wall: ours(3), cpu: null, memory: ours(300) },
  })),
  {
    measurement: ['waiting', 'density', { runs: isQuick ? 10 : 200, seconds: 5 }],
    title: 'waiting',
    times: count,
    lines: { 'CPU of all': ours(5), 'host and helpers, each': null, "host's threads": null },
  },
  {
    measurement: ['shapes', 'atOnce', { runs: isQuick ? 2 : 8, count }],
    title: 'shape of 0.31',
    lines: { 'to the first line': ours(150), 'memory, each': ours(70) },
  },
];

/** The lines of one measurement, with the samples of all its times. */
async function measured({ measurement: [module, name, input], times = 1 }) {
  let all = null;
  for (let time = 0; time < times; time += 1) {
    const lines = await inFreshProcess(module, name, input, LIMIT_MS);
    if (all === null) all = lines;
    else
      lines.forEach(({ samples }, at) => {
        for (const side of ['ours', 'rival']) all[at].samples[side].push(...samples[side]);
      });
  }
  return all;
}

function goalText(goal, unit) {
  if (goal === null) return '';
  if (goal.of === 'ours') return `≤ ${short(goal.atMost)} ${unit}`;
  return `≤ ${short(goal.atMost)} of the original`;
}

/** A row of the table: medians, and the samples that they are of. */
function rowOf({ label, unit, samples }, title, goal) {
  const [mine, other] = [median(samples.ours), median(samples.rival)];
  const figure = goal?.of === 'ours' ? mine : mine / other;
  let verdict = '';
  if (goal !== null) verdict = figure <= goal.atMost ? 'met' : '**missed**';
  const each = samples.ours.map(short).join(', ');
  const what = title === undefined ? label : `${title}, ${label}`;
  const cells = [what, `${short(other)} ${unit}`, `${short(mine)} ${unit} (${each})`];
  return `| ${[...cells, goalText(goal, unit), verdict].join(' | ')} |`;
}

async function main() {
  cleanVariables();
  const base = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'runner-goals-'));
  process.env.TMPDIR = base; // every process works below it
  process.once('exit', () => remove(base));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  const { cores, processor, system, node, load } = machine();
  console.log(`${cores} cores (${processor}), ${system}, Node.js ${node}, load ${load[0]}\n`);
  console.log('| | original | ours | goal | |\n| --- | --- | --- | --- | --- |');
  for (const goal of GOALS) {
    try {
      for (const line of await measured(goal)) {
        const name = Object.keys(goal.lines).find((end) => line.label.endsWith(end));
        if (name !== undefined) console.log(rowOf(line, goal.title, goal.lines[name]));
      }
    } catch (error) {
      console.error(`\n${goal.measurement.slice(0, 2).join(' ')} failed: ${error.message}`);
      process.exitCode = 1;
    }
  }
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
