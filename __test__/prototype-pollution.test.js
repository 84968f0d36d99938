'use strict';
// Keys such as __proto__ in whatever a host hands in change nothing in the host, and what another
// library did to the prototypes changes nothing of a run.

const assert = require('node:assert/strict');
const { after, test } = require('node:test');

const runner = require('@owox/connector-runner');
const { Config, ConnectorRunner, NodeJsEnvironment, RunConfig, RunContext } = runner;
const { NodeJsTemplateRenderer, NpmDependencyManager, SourceConfig, StorageConfig } = runner;
const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { scriptFolder, tempFolder } = require('./support/temp');

/** JSON as an attacker writes it. JSON.parse makes own keys of these names. */
const PAYLOADS = [
  '{"__proto__": {"polluted": "yes"}}',
  '{"constructor": {"prototype": {"polluted": "yes"}}}',
  '{"prototype": {"polluted": "yes"}}',
  '{"a": {"__proto__": {"polluted": "yes"}}}',
  '{"a": {"constructor": {"prototype": {"polluted": "yes"}}}}',
  '{"__proto__": {"toString": "yes", "polluted": "yes"}, "value": 1}',
];

const WATCHED = [
  Object.prototype,
  Array.prototype,
  Function.prototype,
  String.prototype,
  Error.prototype,
];
const snapshot = () =>
  WATCHED.map((prototype) =>
    Reflect.ownKeys(prototype).map((key) => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(prototype, key);
      return [key, value, get, set];
    }),
  );
const untouched = snapshot();

function assertUntouched(message) {
  assert.equal({}.polluted, undefined, message);
  assert.deepEqual(snapshot(), untouched, message);
}

/** The merge that makes such keys dangerous. */
function naiveMerge(target, source) {
  for (const key of Object.keys(source)) {
    if (source[key] !== null && typeof source[key] === 'object') {
      target[key] ??= {};
      naiveMerge(target[key], source[key]);
    } else target[key] = source[key];
  }
  return target;
}

test('control: a naive merge of these payloads pollutes', () => {
  const polluting = PAYLOADS.filter((payload) => {
    try {
      naiveMerge({}, JSON.parse(payload));
      return {}.polluted === 'yes';
    } finally {
      delete Object.prototype.polluted;
      if (Object.prototype.toString === 'yes') {
        const [, toString] = untouched[0].find(([key]) => key === 'toString');
        Object.defineProperty(Object.prototype, 'toString', { value: toString, enumerable: false });
      }
    }
  });
  assert.equal(polluting.length, PAYLOADS.length - 1, 'all but the key prototype by itself');
  assertUntouched('the control cleans up');
});

const package_ = connectorsPackage(
  { after },
  {
    sources: {
      Echo: `run() {
        const config = JSON.parse(process.env.OW_CONFIG);
        const state = JSON.parse(process.env.OW_RUN_CONFIG).state;
        console.log(JSON.stringify({ type: 'log', message: JSON.stringify([config.source.config, state]) }));
        console.log('{"type":"log","message":"m","__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}');
        console.log('{"type":"updateLastRequstedDate","date":"2026-01-01","__proto__":{"date":"1999-01-01"}}');
      }`,
    },
  },
);

test('configurations, their halves, run configurations and contexts', () => {
  for (const payload of PAYLOADS) {
    const parameters = () => JSON.parse(payload);
    for (const Class of [SourceConfig, StorageConfig]) {
      const made = new Class({ name: 'N', config: parameters() });
      const { config } = made.toObject();
      assert.deepEqual(Object.keys(config), Object.keys(parameters()), payload);
      assert.equal(Object.getPrototypeOf(config), Object.prototype, payload);
      assert.equal(config.polluted, undefined, payload);
    }
    const whole = { ...configOf('Echo', parameters()), ...JSON.parse(payload) };
    const config = new Config(whole);
    const runConfig = new RunConfig({ type: 'X', data: [parameters()], state: parameters() });
    assert.equal(Object.getPrototypeOf(config.toObject()), Object.prototype);
    for (const id of ['__proto__', 'constructor', 'prototype']) {
      const context = new RunContext(id, id, config, runConfig);
      assert.equal(context.getUniqueId(), `${id}-${id}`);
      assert.equal(context.getEnvironmentVariables().OW_RUN_ID, id);
    }
    assertUntouched(payload);
  }
});

test('variables of these names stay variables', () => {
  const saved = process.env;
  process.env = Object.defineProperty({ ...saved }, '__proto__', {
    value: 'own',
    enumerable: true,
  });
  process.env.constructor = 'own too';
  try {
    const variables = new RunContext('d', 'r', configOf('Echo'), {}).getEnvironmentVariables();
    assert.equal(Object.getOwnPropertyDescriptor(variables, '__proto__').value, 'own');
    assert.equal(variables.constructor, 'own too');
    assert.equal(Object.getPrototypeOf(variables), Object.prototype);
  } finally {
    process.env = saved;
  }
  assertUntouched('variables');
});

test('options, dependencies and manifests', () => {
  for (const payload of PAYLOADS) {
    const given = JSON.parse(payload);
    for (const Class of [ConnectorRunner, NodeJsEnvironment, NpmDependencyManager]) {
      assert.throws(
        () => new Class(given),
        { code: 'INVALID_CONFIG', message: /is unknown/ },
        payload,
      );
    }
    const dependency = { name: 'ok', version: '1', global: ['ok'], ...given };
    assert.equal(typeof new NodeJsTemplateRenderer().render([dependency]), 'string');
    const manager = new NpmDependencyManager({ connectorsPackage: package_ });
    const manifest = manager.generatePackageJson('__proto__', [dependency]);
    assert.equal(manifest.name, 'connector-__proto__');
    assert.equal(Object.getPrototypeOf(manifest.dependencies), Object.prototype);
    assertUntouched(payload);
  }
  const manager = new NpmDependencyManager({ connectorsPackage: package_ });
  for (const name of ['__proto__', '_', '.hidden']) {
    const dependencies = [{ name, version: '1', global: [] }];
    assert.throws(() => manager.generatePackageJson('x', dependencies), { code: 'INVALID_CONFIG' });
  }
});

test('a run: what goes in arrives, what comes out is data', async (t) => {
  const parameters = JSON.parse(
    '{"__proto__": {"value": "p"}, "constructor": {"value": "c"}, "A": 1}',
  );
  const state = JSON.parse('{"__proto__": {"date": "1999-01-01"}, "date": "2025-01-01"}');
  const messages = [];
  const result = await new ConnectorRunner({
    connectorsPackage: package_,
    runsDir: tempFolder(t),
  }).run(
    'constructor',
    '__proto__',
    configOf('Echo', parameters),
    new RunConfig({ type: 'INCREMENTAL', data: [], state }),
    'ignore',
    { onMessage: (message) => void messages.push(message) },
  );
  const [config, seenState] = JSON.parse(messages[0].message);
  assert.deepEqual(Object.keys(config), ['__proto__', 'constructor', 'A']);
  assert.equal(JSON.stringify(seenState), JSON.stringify(state));
  assert.equal(messages[1].polluted, undefined);
  assert.ok(Object.hasOwn(messages[1], '__proto__'), 'a key like any other');
  assert.deepEqual(result.state, { date: '2026-01-01' });
  assertUntouched('a run');
});

test('names that every object has are no sources or storages', async (t) => {
  const tester = new ConnectorRunner({ connectorsPackage: package_, runsDir: tempFolder(t) });
  for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
    const run = (config) => rejection(tester.run('d', 'r', config, {}, 'ignore'));
    const source = await run(configOf(name));
    assert.deepEqual([source.code, source.message], ['INVALID_CONFIG', `Source ${name} not found`]);
    const storage = await run(configOf('Echo', {}, name));
    assert.equal(storage.code, 'STORAGE_NOT_FOUND');
    assert.equal(storage.message, `Storage ${name} not found`);
  }
  assertUntouched('names');
});

test('variables of these names reach a connector, and the configuration beside them', async (t) => {
  const folder = scriptFolder(
    t,
    `const own = Object.getOwnPropertyDescriptor({ ...process.env }, '__proto__');
    console.log(JSON.stringify([own?.value, process.env.OW_CONFIG, {}.polluted ?? null]));`,
  );
  const env = JSON.parse('{"__proto__": "own", "OW_CONFIG": "{}"}');
  const { stdout, stdio } = capture();
  await new NodeJsEnvironment().executeConnector(folder, env, stdio);
  assert.deepEqual(JSON.parse(stdout.join('')), ['own', '{}', null]);
  assertUntouched('variables of a connector');
});

/**
 * A host in which another library has done this to Object.prototype; both kinds of environment.
 * `signal` is not among it: Node's own streams take that one from the prototype, and break.
 */
const pollutedHost = (pollution) => `
  const folder = ${JSON.stringify(package_)};
  ${pollution}
  class Derived extends runner.NodeJsEnvironment {
    async executeConnector(...given) { return super.executeConnector(...given); }
  }
  const config = ${JSON.stringify({
    ...configOf('Echo'),
    source: { name: 'Echo', config: { Token: { value: 'secret-token-value' } } },
  })};
  (async () => {
    const lines = [];
    const stdio = { logCapture: { onStdout: (text) => void lines.push(text), onStderr: (text) => void lines.push(text) } };
    const options = { connectorsPackage: folder, runsDir: process.argv[2] };
    for (const environment of [null, new Derived(options)]) {
      const service = new runner.ConnectorExecutionService(environment, options);
      const result = await service.execute('d', 'r', config, { toObject: () => ({ state: {} }) }, stdio);
      process.stdout.write('status ' + result.status + '\\n');
    }
    process.stdout.write(lines.join(''));
  })().catch((error) => process.stdout.write('failed ' + error.message + '\\n'));`;

const POLLUTION = `
  const polluted = {
    redact: false, isolation: 'nonsense', timeoutMs: 1, stallTimeoutMs: 1, graceMs: -1, env: 'nonsense',
    memoryLimitMb: 64, onMessage() { process.stdout.write('called '); },
    onProgress() { process.stdout.write('called '); }, directory: '/', replaced: true, ownEnvironment: true,
    failure: { message: 'polluted' }, connectorsPackage: '/nowhere', allowSpecs: ['file'],
  };
  for (const [name, value] of Object.entries(polluted)) {
    Object.defineProperty(Object.prototype, name, { value, writable: true, configurable: true });
  }`;

test('a polluted prototype sets no option', async (t) => {
  const control = await runHost(t, `${POLLUTION}\nprocess.stdout.write(String({}.redact));`);
  assert.equal(control.stdout, 'false', 'control: it does reach objects');

  const run = async (pollution) => {
    const code = pollutedHost(pollution);
    const { stdout, stderr } = await runHost(t, code, { args: [tempFolder(t)] });
    assert.equal(stderr, '');
    return stdout;
  };
  const clean = await run('');
  assert.match(clean, /^status success\nstatus success\n/);
  assert.doesNotMatch(clean, /secret-token-value/);
  assert.equal(await run(POLLUTION), clean);
});
