'use strict';
// logCapture and onSpawn: the connector's output goes to callbacks, the process is known by its id.

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');

const { configuration, connectorsPackage } = require('./quickstart');

/** A call holds whole lines: either JSON lines only, or no JSON line. */
function onStdout(text) {
  for (const line of text.split('\n').filter(Boolean)) {
    if (!line.startsWith('{')) {
      console.log(`text: ${line}`);
      continue;
    }
    const message = JSON.parse(line);
    console.log(`${message.type}: ${message.message ?? message.status ?? message.date}`);
  }
}

async function main() {
  const config = new Config({ datamartId: 'my-datamart', ...configuration('log_capture') });
  const runConfig = new RunConfig({ type: 'INCREMENTAL' });
  const runner = new ConnectorRunner({ connectorsPackage });
  await runner.run('my-datamart', 'run-1', config, runConfig, {
    logCapture: {
      onStdout,
      onStderr: (text) => console.error(`the connector complains: ${text}`),
      passThrough: false, // true: also to process.stdout and process.stderr
    },
    // The process leads a group: process.kill(-pid, 'SIGTERM') ends it with all its children.
    onSpawn: (pid) => console.log(`process ${pid > 0 ? 'started' : 'missing'}`),
  });
}

main().catch((error) => {
  console.error(error.code, error.message);
  process.exitCode = 1;
});
