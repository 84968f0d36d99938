'use strict';
// The programs that the original's documentation shows, run for real.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { after, test } = require('node:test');

const { connectorsPackage } = require('./support/connectors');
const { ended, root, runHost } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const PRINT = `run() {
  const config = JSON.parse(process.env.OW_CONFIG);
  const { value, items } = config.source.config.AuthType ?? {};
  console.log(JSON.stringify({
    datamartId: config.datamartId, env: process.env.OW_DATAMART_ID, run: process.env.OW_RUN_ID,
    type: JSON.parse(process.env.OW_RUN_CONFIG).type, value, items,
    storage: this.storageName, project: config.storage.config.ProjectID.value,
  }));
}`;
const manifest = { environment: { node: { enabled: true, dependencies: [] } } };
const package_ = connectorsPackage(
  { after },
  { sources: { TikTokAds: PRINT }, storages: { GoogleBigQuery: manifest } },
);
const runsDir = tempFolder({ after });
const env = {
  ...process.env,
  OWOX_CONNECTORS_PACKAGE: package_,
  OWOX_RUNNER_RUNS_DIR: runsDir,
};

const CONFIG = `
    name: 'TikTok Ads',
    source: {
      name: 'TikTokAds',
      config: { AuthType: { oauth2: { AppId: 'id' } }, StartDate: '2026-01-01' },
    },
    storage: { name: 'GOOGLE_BIGQUERY', config: { ProjectID: 'project' } },`;
const expected = (more) => ({
  datamartId: 'my-datamart',
  env: 'my-datamart',
  run: 'run-1',
  type: 'INCREMENTAL',
  value: 'oauth2',
  items: { AppId: { value: 'id' } },
  storage: 'GoogleBigQueryStorage',
  project: 'project',
  ...more,
});

/** Runs a host program and compares what the connector printed on the host's stdout. */
async function check(t, code, facts = expected(), options = {}) {
  const { stdout, stderr, code: exitCode } = await runHost(t, code, { env, ...options });
  assert.deepEqual({ stderr, exitCode }, { stderr: '', exitCode: 0 });
  assert.deepEqual(JSON.parse(stdout), facts);
  assert.deepEqual(fs.readdirSync(runsDir), []);
}

for (const [title, datamartId] of [
  ['with', `datamartId: 'my-datamart',`],
  ['without', ''],
]) {
  test(`the programmatic example, ${title} datamartId`, async (t) => {
    await check(
      t,
      `const { ConnectorRunner, Config, RunConfig } = runner;
       const connectorRunner = new ConnectorRunner();
       const config = new Config({ ${datamartId} ${CONFIG} });
       const runConfig = new RunConfig({ type: 'INCREMENTAL', data: [], state: {} });
       connectorRunner.run('my-datamart', 'run-1', config, runConfig);`,
    );
  });
}

test('Config.fromObject and a text of JSON', async (t) => {
  await check(
    t,
    `const { ConnectorRunner, Config, RunConfig } = runner;
     const text = JSON.stringify({ datamartId: 'my-datamart', description: 'x', ${CONFIG} });
     const config = Config.fromObject(JSON.parse(text));
     config.validate();
     (async () => {
       await new ConnectorRunner().run('my-datamart', 'run-1', config,
         new RunConfig({ type: 'INCREMENTAL' }));
     })();`,
  );
});

test('a plain object as config, without toObject', async (t) => {
  await check(
    t,
    `new runner.ConnectorRunner().run('my-datamart', 'run-1', { ${CONFIG} },
       { type: 'INCREMENTAL', data: [] });`,
  );
});

/** A host folder in which the package is installed by name. */
function installed(t, files) {
  const folder = writeFiles(tempFolder(t), files);
  fs.mkdirSync(`${folder}/node_modules/@owox`, { recursive: true });
  fs.symlinkSync(root, `${folder}/node_modules/@owox/connector-runner`);
  return folder;
}

async function runInstalled(t, name, text) {
  const { spawn } = require('node:child_process');
  const cwd = installed(t, { [name]: text });
  const child = spawn(process.execPath, [name], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const { stdout, stderr, code } = await ended(child);
  assert.deepEqual({ stderr, code }, { stderr: '', code: 0 });
  return JSON.parse(stdout);
}

test('ConnectorExecutionService by its deep path', async (t) => {
  const facts = await runInstalled(
    t,
    'host.js',
    `const ConnectorExecutionService =
       require('@owox/connector-runner/src/application/services/connector-execution-service');
     const { Config, RunConfig } = require('@owox/connector-runner/src/application/dto');
     const service = new ConnectorExecutionService();
     const config = new Config({ datamartId: 'my-datamart', ${CONFIG} });
     service.execute('my-datamart', 'run-1', config, new RunConfig({ type: 'INCREMENTAL' }));`,
  );
  assert.deepEqual(facts, expected());
});

test('ESM import, of the package and of a deep path', async (t) => {
  const facts = await runInstalled(
    t,
    'host.mjs',
    `import { ConnectorRunner, Config, RunConfig } from '@owox/connector-runner';
     import { StorageType } from '@owox/connector-runner/src/core/types/storage-definitions.js';
     import Service from '@owox/connector-runner/src/application/services/connector-execution-service';
     if (StorageType.AWS_ATHENA === undefined) throw new Error('no StorageType');
     const runner = new ConnectorRunner();
     if (!(runner.executionService instanceof Service)) throw new Error('another class');
     const config = new Config({ datamartId: 'my-datamart', ${CONFIG} });
     const result = await runner.run('my-datamart', 'run-1', config,
       new RunConfig({ type: 'FULL_REFRESH' }));
     if (result.status !== 'success') throw new Error(result.status);`,
  );
  assert.deepEqual(facts, expected({ type: 'FULL_REFRESH' }));
});

test('an environment of the user’s own that extends ours', async (t) => {
  await check(
    t,
    `const steps = [];
     class Mine extends runner.NodeJsEnvironment {
       async createEnvironment(...given) {
         steps.push('create');
         return super.createEnvironment(...given);
       }
       async executeConnector(directory, env, stdio) {
         steps.push('execute');
         return super.executeConnector(directory, { ...env, EXTRA: '1' }, stdio);
       }
       async cleanup(...given) {
         steps.push('cleanup');
         return super.cleanup(...given);
       }
     }
     const service = new runner.ConnectorExecutionService(new Mine());
     const config = new runner.Config({ ${CONFIG} });
     service.execute('my-datamart', 'run-1', config, new runner.RunConfig({ type: 'INCREMENTAL' }))
       .then(() => { if (steps.join() !== 'create,execute,cleanup') process.exitCode = 8; });`,
  );
});

test('the backend’s way: callbacks that collect, a signal by pid, a status from messages', async (t) => {
  await check(
    t,
    `const messages = [];
     const errors = [];
     let pid;
     const config = new runner.Config({ datamartId: 'my-datamart', ${CONFIG} });
     new runner.ConnectorRunner().run('my-datamart', 'run-1', config,
       new runner.RunConfig({ type: 'INCREMENTAL', data: [], state: {} }),
       {
         logCapture: {
           onStdout: (message) => messages.push(...JSON.parse('[' + message.trim().replace(/}\\s*{/g, '},{') + ']')),
           onStderr: (message) => errors.push(message),
           passThrough: false,
         },
         onSpawn: (given) => { pid = given; },
       },
     ).then(() => {
       if (errors.length || !pid) process.exitCode = 8;
       console.log(JSON.stringify(messages[0]));
     });`,
  );
});
