'use strict';
// ConnectorRunner.run: one run, its result, and the state for the next one.

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');

const { configuration, connectorsPackage } = require('./quickstart');

async function main() {
  const runner = new ConnectorRunner({ connectorsPackage });
  const config = new Config({ datamartId: 'my-datamart', ...configuration('run') });
  const first = new RunConfig({ type: 'INCREMENTAL', data: [], state: {} });
  const { status, state, durationMs } = await runner.run('my-datamart', 'run-1', config, first);
  console.error(`${status} in ${durationMs} ms; the state is ${JSON.stringify(state)}`);

  // Goes on where the first ended, less ReimportLookbackWindow days.
  const second = new RunConfig({ type: 'INCREMENTAL', data: [], state });
  const next = await runner.run('my-datamart', 'run-2', config, second);
  console.error(`${next.status}; the state is ${JSON.stringify(next.state)}`);
}

main().catch((error) => {
  // code is stable; stderrTail is the end of what the connector wrote to stderr.
  console.error(error.code, error.message, error.stderrTail ?? '');
  process.exitCode = 1;
});
