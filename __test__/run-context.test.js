'use strict';
// Contract, section 4: what a run tells its process.

const assert = require('node:assert/strict');
const { after, test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const RunContext = require('@owox/connector-runner/src/core/domain/run-context');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost } = require('./support/host');
const { capture } = require('./support/output');
const { tempFolder } = require('./support/temp');

const config = new Config(configOf('Echo', { P: 'ü', Q: { k: { a: 1 } } }));
const runConfig = new RunConfig({ type: 'INCREMENTAL', data: [], state: { date: 'x' } });

/** Calls `work` with a process.env of its own, and puts the old one back. */
async function withEnvironment(environment, work) {
  const saved = process.env;
  process.env = environment;
  try {
    return await work();
  } finally {
    process.env = saved;
  }
}

test('every constructor argument is readable under its name', () => {
  const stdio = ['pipe', 'pipe', 'pipe'];
  const context = new RunContext('d', 'r', config, runConfig, stdio);
  assert.equal(context.datamartId, 'd');
  assert.equal(context.runId, 'r');
  assert.equal(context.config, config);
  assert.equal(context.runConfig, runConfig);
  assert.equal(context.stdio, stdio);
  assert.equal(new RunContext('d', 'r', config, runConfig).stdio, 'inherit');
  assert.equal(context.getUniqueId(), 'd-r');
  assert.equal(new RunContext(7, null, config, runConfig).getUniqueId(), '7-null');
});

test('all of process.env, and the four variables of the run', () => {
  const variables = new RunContext('d', 'r', config, runConfig).getEnvironmentVariables();
  const { OW_DATAMART_ID, OW_RUN_ID, OW_CONFIG, OW_RUN_CONFIG, ...rest } = variables;
  assert.equal(OW_DATAMART_ID, 'd');
  assert.equal(OW_RUN_ID, 'r');
  assert.equal(OW_CONFIG, JSON.stringify(config.toObject()));
  assert.equal(OW_RUN_CONFIG, JSON.stringify(runConfig.toObject()));
  assert.deepEqual(rest, { ...process.env });
  assert.equal(Object.getPrototypeOf(variables), Object.prototype);
});

test('a process.env that was replaced is the one that counts, at the moment of the call', async () => {
  const context = new RunContext('d', 'r', config, runConfig);
  const replaced = { ONLY: '1', OW_RUN_ID: 'stale', ODD: 'a\nb=c', ÜNÏ: '✓' };
  const variables = await withEnvironment(replaced, () => context.getEnvironmentVariables());
  assert.deepEqual(Object.keys(variables).sort(), [
    'ODD',
    'ONLY',
    'OW_CONFIG',
    'OW_DATAMART_ID',
    'OW_RUN_CONFIG',
    'OW_RUN_ID',
    'ÜNÏ',
  ]);
  assert.equal(variables.OW_RUN_ID, 'r');
  assert.equal(variables.ODD, 'a\nb=c');
});

test('any object with toObject will do, and its JSON is passed on unparsed', () => {
  const raw = { toObject: () => ({ toJSON: () => ({ a: [1e21, -0, '\ud800'] }) }) };
  const variables = new RunContext('d', 'r', raw, raw).getEnvironmentVariables();
  assert.equal(variables.OW_CONFIG, '{"a":[1e+21,0,"\\ud800"]}');
  assert.equal(variables.OW_RUN_CONFIG, '{"a":[1e+21,0,"\\ud800"]}');
});

test('what toObject throws arrives as the same object', () => {
  const reason = new Error('mine');
  const failing = {
    toObject() {
      throw reason;
    },
  };
  const context = new RunContext('d', 'r', failing, runConfig);
  let caught;
  try {
    context.getEnvironmentVariables();
  } catch (error) {
    caught = error;
  }
  assert.equal(caught, reason);
});

test('toObject is called on its object', () => {
  class Mine {
    #secret = { x: 1 };

    toObject() {
      return this.#secret;
    }
  }
  const variables = new RunContext('d', 'r', new Mine(), new Mine()).getEnvironmentVariables();
  assert.equal(variables.OW_CONFIG, '{"x":1}');
});

// the configuration is there, but not listed: see secrets.test.js
const print = `run() {
  const { OW_CONFIG, OW_RUN_CONFIG } = process.env;
  console.log(JSON.stringify({ ...process.env, OW_CONFIG, OW_RUN_CONFIG }));
}`;
const runner = new ConnectorRunner({
  connectorsPackage: connectorsPackage({ after }, { sources: { Echo: print } }),
  runsDir: tempFolder({ after }),
});

/** The environment that a connector saw. */
async function seen(datamartId, config, given = runConfig) {
  const { stdout, stdio } = capture();
  await runner.run(datamartId, 'run', config, given, stdio);
  return JSON.parse(stdout.join(''));
}

test('the connector sees the host’s variables and its own', async () => {
  const variables = await withEnvironment({ ...process.env, FROM_HOST: 'é' }, () =>
    seen('datamart', config),
  );
  assert.equal(variables.FROM_HOST, 'é');
  assert.equal(variables.OW_DATAMART_ID, 'datamart');
  assert.equal(variables.OW_RUN_ID, 'run');
  assert.equal(variables.OW_CONFIG, JSON.stringify(config.toObject()));
  assert.equal(variables.OW_RUN_CONFIG, JSON.stringify(runConfig.toObject()));
});

test('run() supplies the datamartId that a config lacks, and changes no other', async () => {
  const { datamartId, ...without } = configOf('Echo');
  const variables = await seen('from-run', new Config(without));
  assert.equal(JSON.parse(variables.OW_CONFIG).datamartId, 'from-run');
  const kept = await seen('from-run', new Config(configOf('Echo')));
  assert.equal(JSON.parse(kept.OW_CONFIG).datamartId, datamartId);
});

test('a variable of C that JavaScript does not see never reaches the connector', async (t) => {
  const root = connectorsPackage(t, {
    sources: { Echo: 'run() { console.log(String(process.env.HIDDEN)); }' },
  });
  const options = JSON.stringify({ connectorsPackage: root, runsDir: tempFolder(t) });
  const { stdout, code } = await runHost(
    t,
    `process.env = { PATH: process.env.PATH, HOME: process.env.HOME };
     const config = new runner.Config(${JSON.stringify(configOf('Echo'))});
     new runner.ConnectorRunner(${options}).run('d', 'r', config, new runner.RunConfig({}));`,
    { env: { ...process.env, HIDDEN: 'secret' } },
  );
  assert.deepEqual({ stdout, code }, { stdout: 'undefined\n', code: 0 });
});

test('what JSON cannot hold is refused with a code', async () => {
  const loop = { value: {} };
  loop.value.loop = loop;
  for (const value of [1n, loop]) {
    const run = new ConnectorRunner().run('d', 'r', configOf('Echo', { value }), {}, 'ignore');
    await assert.rejects(run, { name: 'TypeError', code: 'INVALID_CONFIG' });
  }
});
