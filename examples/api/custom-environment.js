'use strict';
// ConnectorExecutionService with an environment of one's own. Any object with these three methods
// will do; this one measures the steps, and leaves the work to the environment that is built in.

const ConnectorExecutionService = require('@owox/connector-runner/src/application/services/connector-execution-service');
const NodeJsEnvironment = require('@owox/connector-runner/src/infrastructure/environments/nodejs-environment');
const { Config, RunConfig } = require('@owox/connector-runner/src/application/dto');

const { configuration, connectorsPackage } = require('./quickstart');

const builtIn = new NodeJsEnvironment({ connectorsPackage });

async function measured(step, work) {
  const start = performance.now();
  try {
    return await work();
  } finally {
    console.error(`${step}: ${Math.round(performance.now() - start)} ms`);
  }
}

const environment = {
  createEnvironment: (datamartId, runId, dependencies) =>
    measured('createEnvironment', () => builtIn.createEnvironment(datamartId, runId, dependencies)),
  executeConnector: (directory, env, stdio) =>
    measured('executeConnector', () =>
      builtIn.executeConnector(directory, { ...env, TZ: 'UTC' }, stdio),
    ),
  // Called after a failure, too.
  cleanup: (datamartId, runId) => measured('cleanup', () => builtIn.cleanup(datamartId, runId)),
};

async function main() {
  const service = new ConnectorExecutionService(environment, { connectorsPackage });
  const config = new Config({ datamartId: 'my-datamart', ...configuration('custom_environment') });
  await service.execute('my-datamart', 'run-1', config, new RunConfig({ type: 'INCREMENTAL' }));
}

main().catch((error) => {
  console.error(error.code, error.message);
  process.exitCode = 1;
});
