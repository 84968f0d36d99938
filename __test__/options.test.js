'use strict';
// Contract, section 11: options that have a meaning already, and those that are refused.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { Config, ConnectorExecutionService, ConnectorRunner } = require('@owox/connector-runner');
const { NodeJsEnvironment, NpmDependencyManager, RunConfig } = require('@owox/connector-runner');
const { modes } = require('./support/machine');
const { configOf, connectorsPackage } = require('./support/connectors');
const { capture, rejection } = require('./support/output');
const { tempFolder } = require('./support/temp');

const sources = {
  Ok: 'run() {}',
  Echo: 'run() { console.log(JSON.stringify(process.env)); }',
};
const options = {
  connectorsPackage: connectorsPackage({ after }, { sources }),
  runsDir: tempFolder({ after }),
};

const run = (runner, source, given, stdio = 'pipe') =>
  runner.run('dm', 'run', new Config(configOf(source)), new RunConfig({}), stdio, given);

const WRONG = {
  signal: [{}, 7, { aborted: false }],
  timeoutMs: [0, -1, NaN, Infinity, '100', 1e12],
  stallTimeoutMs: [0, null],
  graceMs: [-1],
  memoryLimitMb: [0, 63],
  maxConcurrentRuns: [0, 0.5, -1],
};

for (const [name, values] of Object.entries(WRONG)) {
  test(`option ${name} is refused where it makes no sense, before anything starts`, async () => {
    for (const value of values) {
      const given = { ...options, [name]: value };
      const expected = { code: 'INVALID_CONFIG', message: new RegExp(name) };
      for (const Class of [ConnectorRunner, NodeJsEnvironment, NpmDependencyManager]) {
        assert.throws(() => new Class(given), expected);
      }
      assert.throws(() => new ConnectorExecutionService(null, given), expected);
      await assert.rejects(run(new ConnectorRunner(options), 'Ok', { [name]: value }), expected);
      assert.deepEqual(fs.readdirSync(options.runsDir), []);
    }
  });
}

test('an isolation that makes no sense is refused, and each mode is reported', async () => {
  for (const [isolation, named] of [
    ['tight', /'strict'/],
    [true, /'strict'/],
    [{ mode: 'tight' }, /isolation\.mode/],
    [{ reads: ['/'] }, /isolation\.reads is unknown/],
    [{ tcpPorts: ['443'] }, /isolation\.tcpPorts/],
    [{ layers: { files: true } }, /isolation\.layers\.files/],
  ]) {
    const expected = { code: 'INVALID_CONFIG', message: named };
    assert.throws(() => new ConnectorRunner({ isolation }), expected);
    await assert.rejects(run(new ConnectorRunner(options), 'Ok', { isolation }), expected);
  }
  for (const [isolation, mode] of [
    [undefined, 'standard'],
    [{}, 'standard'],
    ['none', 'none'],
    [{ mode: 'strict', tcpPorts: [] }, 'strict'],
  ].filter(([, mode]) => mode === 'none' || modes.includes(mode))) {
    const result = await run(new ConnectorRunner(options), 'Ok', { isolation });
    assert.equal(result.isolation.mode, mode);
  }
  const missing = { isolation: { write: ['/no/such/folder'] } };
  await assert.rejects(run(new ConnectorRunner(options), 'Ok', missing), {
    code: 'INVALID_CONFIG',
    message: /\/no\/such\/folder/,
  });
});

test('options that are unknown or of a wrong type are named', () => {
  const cases = [
    [{ runs_dir: '/tmp' }, /runs_dir.*runsDir/],
    [{ colour: 1 }, /colour/],
    [{ runsDir: 7 }, /runsDir/],
    [{ runsDir: '' }, /runsDir/],
    [{ connectorsPackage: {} }, /connectorsPackage/],
    [{ env: 'all' }, /env/],
    [{ env: [1] }, /env/],
    ['text', /options/],
    [7, /options/],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => new ConnectorRunner(given), { code: 'INVALID_CONFIG', message });
  }
});

test('options may be absent, null, empty or undefined inside', async () => {
  for (const given of [undefined, null, {}, { runsDir: undefined, timeoutMs: undefined }]) {
    new ConnectorRunner(given);
    await run(new ConnectorRunner(options), 'Ok', given);
  }
  const none = { ...options, isolation: 'none', store: 'off', env: 'inherit' };
  assert.equal((await run(new ConnectorRunner(none), 'Ok')).status, 'success');
});

test('a run’s options win over the runner’s', async (t) => {
  const other = connectorsPackage(t, { sources: { Other: 'run() {}' } });
  const runner = new ConnectorRunner(options);
  const result = await run(runner, 'Other', { connectorsPackage: other });
  assert.equal(result.status, 'success');
  assert.match((await rejection(run(runner, 'Other'))).message, /Other not found/);
});

async function environmentWith(env, variables) {
  const { stdout, stdio } = capture();
  Object.assign(process.env, variables);
  try {
    await run(new ConnectorRunner(options), 'Echo', { env }, stdio);
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
  }
  return JSON.parse(stdout.join(''));
}

test('env chooses the variables that reach the connector; its own always do', async () => {
  const variables = {
    SECRET: 's',
    LC_TEST: 'lc',
    TEST_PROXY: 'p1',
    test_proxy: 'p2',
    AWS_ENDPOINT_URL_S3: 'u',
    BIGQUERY_EMULATOR_HOST: 'b',
    AWS_SECRET_ACCESS_KEY: 'k',
    OW_MORE: 'ow',
  };
  const minimal = { ...variables };
  delete minimal.SECRET;
  delete minimal.AWS_SECRET_ACCESS_KEY;
  const all = await environmentWith('inherit', variables);
  for (const [name, value] of Object.entries(variables)) assert.equal(all[name], value, name);
  const few = await environmentWith('minimal', variables);
  for (const [name, value] of Object.entries(minimal)) assert.equal(few[name], value, name);
  assert.equal(few.PATH, process.env.PATH);
  for (const name of ['SECRET', 'AWS_SECRET_ACCESS_KEY', 'HOME'])
    assert.equal(few[name], undefined);
  const named = await environmentWith(['SECRET', 'MISSING'], variables);
  assert.equal(named.SECRET, 's');
  const own = ['OW_DATAMART_ID', 'OW_MORE', 'OW_RUN_ID'];
  // the last one is the run's own folder
  assert.deepEqual(Object.keys(named).sort(), [...own, 'SECRET', 'TMPDIR']);
});

test('standard passes everything on, NODE_OPTIONS included', async () => {
  const variables = await environmentWith(undefined, { NODE_OPTIONS: '--no-deprecation' });
  assert.equal(variables.NODE_OPTIONS, '--no-deprecation');
});

test('a connectors package that was named but is not there is CONNECTORS_NOT_FOUND', async (t) => {
  const empty = tempFolder(t);
  for (const name of ['/does/not/exist', './nope', '@nobody/nothing', empty]) {
    const runner = new ConnectorRunner({ ...options, connectorsPackage: name });
    const error = await rejection(run(runner, 'Ok'));
    assert.equal(error.code, 'CONNECTORS_NOT_FOUND');
    assert.ok(error.message.includes(name), error.message);
  }
});

test('a package that fails to load is CONNECTORS_NOT_FOUND, with its own words', async (t) => {
  const broken = connectorsPackage(t, { before: `throw new Error('broken at load');` });
  const runner = new ConnectorRunner({ ...options, connectorsPackage: broken });
  const error = await rejection(run(runner, 'Ok'));
  assert.equal(error.code, 'CONNECTORS_NOT_FOUND');
  assert.match(error.message, /broken at load/);
});

test('what a package prints or leaves open at load does no harm', async (t) => {
  const noisy = connectorsPackage(t, {
    sources,
    before: `if (!process.env.OW_CONFIG) {
      console.log('{"sources":{}}'); console.error('noise'); setInterval(() => {}, 1000);
    }`,
  });
  const { stdout, stderr, stdio } = capture();
  const runner = new ConnectorRunner({ ...options, connectorsPackage: noisy });
  assert.equal((await run(runner, 'Ok', undefined, stdio)).status, 'success');
  assert.deepEqual({ stdout, stderr }, { stdout: [], stderr: [] });
});

test('OWOX_CONNECTORS_PACKAGE names the package, and is read from process.env', async (t) => {
  const saved = process.env;
  t.after(() => {
    process.env = saved;
  });
  const { connectorsPackage: named, runsDir } = options;
  const link = path.join(tempFolder(t), 'link');
  fs.symlinkSync(named, link);
  for (const value of [named, link, path.relative(process.cwd(), named)]) {
    process.env = { ...saved, OWOX_CONNECTORS_PACKAGE: value };
    assert.equal((await run(new ConnectorRunner({ runsDir }), 'Ok')).status, 'success', value);
  }
});
