'use strict';
// Measures the runner against what a host would do without it; docs/performance.md explains.
//   npm run bench -- [--quick] [--row NAME]… [--json FILE]

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { inFreshProcess } = require('./lib/fork');
const { judge, machine, table } = require('./lib/report');
const { cleanVariables, remove } = require('./lib/space');
const rows = require('./rows');

const QUICK_LIMIT_MS = 120_000;
const FULL_LIMIT_MS = 600_000;

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      row: { type: 'string', multiple: true },
      json: { type: 'string' },
    },
  });
  const unknown = values.row?.find((name) => !rows.some((row) => row.name === name));
  if (unknown !== undefined) {
    const names = rows.map((row) => row.name).join(', ');
    throw new Error(`there is no row ${unknown}; there are ${names}`);
  }
  return values;
}

/** The lines of one row, and what went wrong. */
async function take(row, quick) {
  const lines = [];
  const failures = [];
  const [module, name] = row.measurement;
  for (const input of quick ? row.quick : row.full) {
    const limit = quick ? QUICK_LIMIT_MS : FULL_LIMIT_MS;
    try {
      const measured = await inFreshProcess(module, name, input, limit);
      lines.push(...measured.map((one) => judge(row, one)));
    } catch (error) {
      failures.push({ row: row.name, input, message: error.message });
    }
  }
  return { lines, failures };
}

/** Says on stderr what is being measured; on a terminal only as long as it is. */
async function withProgress(name, work) {
  const isTerminal = process.stderr.isTTY;
  process.stderr.write(`measuring ${name} …${isTerminal ? '' : '\n'}`);
  const done = await work();
  if (isTerminal) process.stderr.write('\r\x1b[K');
  return done;
}

async function main() {
  const { quick, row: wanted, json } = options();
  cleanVariables();
  const base = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'runner-bench-'));
  process.env.TMPDIR = base; // every process of the benchmark works below it
  process.once('exit', () => remove(base));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

  const facts = machine();
  const report = { at: new Date().toISOString(), quick, machine: facts, lines: [], failures: [] };
  console.log(
    `${facts.cores} cores (${facts.processor}), ${facts.system}, Node.js ${facts.node}, ` +
      `npm ${facts.npm}, load ${facts.load[0]}${quick ? '; quick: figures of few samples' : ''}\n`,
  );
  const stamp = report.at.replace(/[:.]/g, '-');
  const file = json ?? path.join(__dirname, 'results', `${stamp}.json`);
  fs.mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  for (const row of rows) {
    if (wanted && !wanted.includes(row.name)) continue;
    const { lines, failures } = await withProgress(row.name, () => take(row, quick));
    report.lines.push(...lines);
    report.failures.push(...failures);
    report.loadAtEnd = os.loadavg()[0];
    // after each row, so that nothing is lost when it is ended early
    fs.writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  }
  console.log(table(report.lines));

  console.log(`\nAll samples: ${path.relative(process.cwd(), file)}`);
  for (const { row, input, message } of report.failures) {
    console.error(`\n${row} ${JSON.stringify(input)} failed: ${message}`);
    process.exitCode = 1;
  }
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
