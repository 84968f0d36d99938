'use strict';
// RunConfig: the four kinds of runs, one after another on one table.

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');

const { configuration, connectorsPackage } = require('./quickstart');

const RUNS = [
  // A range of one's own; the state stays where it was.
  {
    type: 'MANUAL_BACKFILL',
    data: [
      { configField: 'StartDate', value: '2026-01-01' },
      { configField: 'EndDate', value: '2026-01-31' },
    ],
  },
  // What is new since the state.
  { type: 'INCREMENTAL', state: { date: '2026-10-20' } },
  // The configuration with other values for some parameters.
  { type: 'CUSTOM', data: [{ configField: 'StartDate', value: '2025-12-01' }] },
  // Everything anew; what the source no longer has is gone from the table.
  { type: 'FULL_REFRESH' },
];

async function main() {
  const runner = new ConnectorRunner({ connectorsPackage });
  const config = new Config({ datamartId: 'my-datamart', ...configuration('run_types') });
  for (const run of RUNS) {
    let summary;
    const onStdout = (text) => {
      const summaries = text.split('\n').filter((line) => line.includes('"summary"'));
      for (const line of summaries) ({ summary } = JSON.parse(line));
    };
    const { state } = await runner.run('my-datamart', run.type, config, new RunConfig(run), {
      logCapture: { onStdout, onStderr: console.error },
    });
    const { rows, total, firstDate, lastDate } = summary;
    const moved = state === null ? 'the state stays' : `the state is ${state.date}`;
    console.log(
      `${run.type}: ${rows} rows, ${firstDate} to ${lastDate}; ${total} in all; ${moved}`,
    );
  }
}

main().catch((error) => {
  console.error(error.code, error.message, error.stderrTail ?? '');
  process.exitCode = 1;
});
