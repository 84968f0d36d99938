'use strict';
// Contract, section 5: execution environments of the user's own.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { after, test } = require('node:test');

const { Config, ConnectorRunError, ExecutionEnvironment } = require('@owox/connector-runner');
const { ConnectorExecutionService, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { NodeJsEnvironment } = require('@owox/connector-runner');
const { NODE_MANIFEST, configOf, connectorsPackage } = require('./support/connectors');
const { capture, rejection } = require('./support/output');
const { scriptFolder, tempFolder } = require('./support/temp');

const dependencies = [{ name: 'left-pad', version: '1.3.0', global: ['pad'], global_is: true }];
const node = (enabled, more) => ({ environment: { node: { enabled, ...more } } });
const storages = {
  Null: NODE_MANIFEST,
  Needy: node(true, { dependencies }),
  Off: node(false),
  Empty: {},
};
const runConfig = new RunConfig({ type: 'INCREMENTAL' });
const bare = 'Storages.Bare = { BareStorage: class {} };';
const options = { connectorsPackage: connectorsPackage({ after }, { storages, after: bare }) };

/** An environment that records its calls, and throws where it is told to. */
function recorder(failures = {}) {
  const calls = [];
  const step = (name, result) =>
    async function call(...given) {
      calls.push([name, ...given]);
      await null;
      if (name in failures) throw failures[name];
      return result;
    };
  return {
    calls,
    createEnvironment: step('createEnvironment', '/the/path'),
    executeConnector: step('executeConnector', 'ignored'),
    cleanup: step('cleanup', 'ignored'),
  };
}

function execute(environment, storage = 'Null', stdio = undefined) {
  const service = new ConnectorExecutionService(environment, options);
  const config = new Config(configOf('Ok', {}, storage));
  return service.execute('dm', 'run', config, runConfig, stdio);
}

test('create, execute, clean up, in this order and with these arguments', async () => {
  const environment = recorder();
  const stdio = { logCapture: { onStdout() {} }, mine: Symbol('mine') };
  assert.equal(await execute(environment, 'Needy', stdio), undefined);
  const [create, run, cleanup, ...rest] = environment.calls;
  assert.deepEqual(create, ['createEnvironment', 'dm', 'run', dependencies]);
  assert.equal(run[0], 'executeConnector');
  assert.equal(run[1], '/the/path');
  assert.equal(run[2].OW_DATAMART_ID, 'dm');
  assert.equal(run[2].PATH, process.env.PATH);
  assert.equal(run[3], stdio);
  assert.deepEqual(cleanup, ['cleanup', 'dm', 'run']);
  assert.deepEqual(rest, []);
});

test('stdio is inherit where none is given', async () => {
  const environment = recorder();
  await execute(environment);
  assert.equal(environment.calls[1][3], 'inherit');
});

test('methods are called on their object, and may be synchronous', async () => {
  class Mine extends ExecutionEnvironment {
    #log = [];

    createEnvironment() {
      this.#log.push('create');
      return { not: 'a text' };
    }

    executeConnector(path) {
      this.#log.push(path);
    }

    cleanup() {
      this.#log.push('cleanup');
    }

    get log() {
      return this.#log;
    }
  }
  const environment = new Mine();
  assert.equal(await execute(environment), undefined);
  assert.deepEqual(environment.log, ['create', { not: 'a text' }, 'cleanup']);
});

for (const reason of [new TypeError('mine'), { no: 'error' }, 'text', undefined, null]) {
  const kind = reason instanceof Error ? 'error' : JSON.stringify(reason);
  for (const step of ['createEnvironment', 'executeConnector', 'cleanup']) {
    test(`what ${step} throws (${kind}) is passed on as the same object, after cleanup`, async () => {
      const environment = recorder({ [step]: reason });
      assert.equal(await rejection(execute(environment)), reason);
      const names = environment.calls.map(([name]) => name);
      const all = ['createEnvironment', 'executeConnector', 'cleanup'];
      assert.deepEqual(names, step === 'createEnvironment' ? [all[0], all[2]] : all);
    });
  }
}

test('an error of cleanup wins', async () => {
  const reasons = { createEnvironment: new Error('first'), cleanup: new Error('second') };
  assert.equal(await rejection(execute(recorder(reasons))), reasons.cleanup);
});

test('errors that carry a code of ours stay the user’s', async () => {
  for (const code of ['CONNECTOR_FAILED', 'GenericFailure', 'TYPE/INVALID_CONFIG']) {
    const reason = Object.assign(new Error('mine'), { code });
    assert.equal(await rejection(execute(recorder({ executeConnector: reason }))), reason);
  }
});

test('a method that is missing is a failure, and cleanup is called all the same', async () => {
  const environment = recorder();
  delete environment.executeConnector;
  assert.ok((await rejection(execute(environment))) instanceof TypeError);
  assert.deepEqual(
    environment.calls.map(([name]) => name),
    ['createEnvironment', 'cleanup'],
  );
});

test('config and runConfig may be any objects with toObject', async () => {
  const environment = recorder();
  const config = { storage: { name: 'Null' }, toObject: () => ({ duck: true }) };
  const duck = { toObject: () => ({ type: 'DUCK' }) };
  const service = new ConnectorExecutionService(environment, options);
  assert.equal(await service.execute('dm', 'run', config, duck), undefined);
  const variables = environment.calls[1][2];
  assert.equal(variables.OW_CONFIG, '{"duck":true}');
  assert.equal(variables.OW_RUN_CONFIG, '{"type":"DUCK"}');
});

test('ConnectorRunner delegates to its executionService, and that can be replaced', async () => {
  const runner = new ConnectorRunner(options);
  const calls = [];
  runner.executionService = {
    async execute(...given) {
      calls.push(given);
      return 'its result';
    },
  };
  const config = new Config(configOf('Ok'));
  assert.equal(await runner.run('dm', 'run', config, runConfig), 'its result');
  assert.deepEqual(calls, [['dm', 'run', config, runConfig, 'inherit']]);
  const environment = recorder();
  const other = new ConnectorRunner(options);
  other.executionService.executionEnvironment = environment;
  assert.equal(await other.run('dm', 'run', config, runConfig), undefined);
  assert.equal(environment.calls.length, 3);
});

test('rejections come in the documented order, before anything is called', async () => {
  const environment = recorder();
  const service = new ConnectorExecutionService(environment, options);
  const of = (storage) => new Config(configOf('Ok', {}, storage));
  const cases = [
    [['', '', null], 'Datamart ID is required'],
    [[undefined, '', null], 'Datamart ID is required'],
    [['dm', null, null], 'Run ID is required'],
    [['dm', 'run', null], 'Configuration is required'],
    [['dm', 'run', undefined], 'Configuration is required'],
    [['dm', 'run', of('Missing')], 'Storage Missing not found'],
    [['dm', 'run', of('constructor')], 'Storage constructor not found'],
    [['dm', 'run', of('__proto__')], 'Storage __proto__ not found'],
    [['dm', 'run', of('Bare')], 'Storage Bare manifest not found'],
    [['dm', 'run', of('Empty')], 'Storage Empty does not support node environment'],
    [['dm', 'run', of('Off')], 'Storage Off does not support node environment'],
  ];
  for (const [given, message] of cases) {
    const promise = service.execute(...given, runConfig);
    assert.ok(promise instanceof Promise);
    const error = await rejection(promise);
    assert.equal(error.message, message);
    assert.ok(error instanceof ConnectorRunError, message);
  }
  assert.deepEqual(environment.calls, []);
});

test('a call without arguments rejects, and so does the same through ConnectorRunner', async () => {
  const message = 'Datamart ID is required';
  assert.equal((await rejection(new ConnectorExecutionService().execute())).message, message);
  assert.equal((await rejection(new ConnectorRunner().run())).message, message);
});

test('a subclass of ours that runs in a folder of its own succeeds, and the folder stays', async (t) => {
  const folder = scriptFolder(t, `console.log('mine')`);
  class Prepared extends NodeJsEnvironment {
    async createEnvironment() {
      return folder;
    }
  }
  const environment = new Prepared({ ...options, runsDir: tempFolder(t) });
  const { stdout, stdio } = capture();
  await execute(environment, 'Null', stdio);
  assert.deepEqual(stdout, ['mine\n']);
  assert.ok(fs.existsSync(folder));
});

test('an odd manifest concerns its own storage only, and only true enables', async (t) => {
  const odd = {
    Null: NODE_MANIFEST,
    Text: node('true'),
    One: node(1),
    Odd: { parameters: ['a'], environment: 'node' },
  };
  const service = new ConnectorExecutionService(recorder(), {
    connectorsPackage: connectorsPackage(t, { storages: odd, sources: { Ok: 'run() {}' } }),
  });
  const run = (storage) =>
    service.execute('dm', 'run', new Config(configOf('Ok', {}, storage)), runConfig);
  await run('Null');
  for (const name of ['Text', 'One', 'Odd']) {
    const error = await rejection(run(name));
    assert.equal(error.message, `Storage ${name} does not support node environment`);
  }
});
