'use strict';
// A host's test runner (Jest) gives each test file a realm of its own: there, `instanceof Error`
// and `toStrictEqual` must hold for what we make. Here the JavaScript layer is loaded into a
// realm of node:vm, as Jest loads it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { after, test } = require('node:test');
const vm = require('node:vm');

const { configOf, connectorsPackage } = require('./support/connectors');
const { root } = require('./support/host');
const { scriptFolder, tempFolder } = require('./support/temp');

/** Loads the package's JavaScript into a new realm; the addon itself can only be loaded once. */
function loadIn(context) {
  const cache = new Map();
  const load = (file) => {
    if (cache.has(file)) return cache.get(file).exports;
    const module = { exports: {} };
    cache.set(file, module);
    const nodeRequire = createRequire(file);
    const require_ = (name) => {
      const found = nodeRequire.resolve(name);
      return found.startsWith(`${root}/`) && found.endsWith('.js')
        ? load(found)
        : nodeRequire(name);
    };
    const text = `(function (module, exports, require, __dirname, __filename) {${fs.readFileSync(file, 'utf8')}\n})`;
    const run = vm.runInContext(text, context, { filename: file });
    run(module, module.exports, require_, path.dirname(file), file);
    return module.exports;
  };
  return load(path.join(fs.realpathSync(root), 'index.js'));
}

// Jest replaces process.env by a copy, and has a `process` object of its own
const own = Object.create(process, { env: { value: { ...process.env, OF_THE_REALM: '1' } } });
const globals = {
  process: own,
  console,
  setInterval,
  clearInterval,
  AbortController,
  AbortSignal,
};
const context = vm.createContext(globals);
const runner = loadIn(context);
const realm = vm.runInContext('({ Error, TypeError, Promise, Object, Array })', context);
const options = {
  connectorsPackage: connectorsPackage({ after }),
  runsDir: tempFolder({ after }),
};

function thrownBy(work) {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('it is another realm, and another copy of the classes', () => {
  assert.notEqual(realm.Error, Error);
  assert.notEqual(runner.Config, require(root).Config);
});

test('errors are of the caller’s realm', async () => {
  const { Config, SourceConfig, NodeJsEnvironment, NodeJsTemplateRenderer } = runner;
  const service = new runner.ConnectorExecutionService(null, options);
  const environment = new NodeJsEnvironment(options);
  const thrown = [
    thrownBy(() => new Config(null)),
    thrownBy(() => new Config({ ...configOf('Ok'), source: {} })),
    thrownBy(() => new SourceConfig({})),
    thrownBy(() => new NodeJsTemplateRenderer().render([{ name: '../x', version: '1' }])),
    thrownBy(() => new runner.ConnectorRunner({ nope: 1 })),
    thrownBy(() => new runner.TemplateRenderer().render()),
    await service.execute().catch((error) => error),
    await environment.executeConnector('/missing', undefined, 'pipe').catch((error) => error),
    await environment.createEnvironment('', '').catch((error) => error),
  ];
  for (const error of thrown) assert.ok(error instanceof realm.Error, String(error));
  assert.equal(thrown[0].constructor, realm.Error);
  assert.ok(thrown[6] instanceof runner.ConnectorRunError);
  const wrong = await environment.executeConnector('/', undefined, 'ipc').catch((error) => error);
  assert.ok(wrong instanceof realm.TypeError);
});

test('promises are of the caller’s realm', async () => {
  const environment = new runner.NodeJsEnvironment(options);
  const promises = [
    new runner.ConnectorRunner(options).run(),
    new runner.ConnectorExecutionService(null, options).execute(),
    environment.createEnvironment(),
    environment.executeConnector('/missing'),
    environment.cleanup(),
    new runner.NpmDependencyManager().installDependencies('/missing'),
    new runner.ExecutionEnvironment().cleanup(),
  ];
  const settled = Promise.allSettled(promises);
  for (const promise of promises) assert.ok(promise instanceof realm.Promise);
  await settled;
});

test('objects are of the caller’s realm', () => {
  const { Config, RunConfig, RunContext, StorageType } = runner;
  const config = new Config(configOf('Ok', { a: 1, c: { k: { b: 2 } } }));
  const runConfig = new RunConfig({ type: 'CUSTOM' });
  const plain = config.toObject();
  const manager = new runner.NpmDependencyManager(options);
  const objects = [
    plain,
    plain.source,
    plain.source.config,
    plain.source.config.a,
    plain.source.config.c.items,
    runConfig.toObject(),
    new RunContext('d', 'r', config, runConfig).getEnvironmentVariables(),
    StorageType,
    manager.getDefaultDependencies()[0],
    manager.generatePackageJson('x', []).dependencies,
  ];
  for (const object of objects) {
    assert.equal(Object.getPrototypeOf(object), realm.Object.prototype, JSON.stringify(object));
  }
  assert.ok(manager.getDefaultDependencies() instanceof realm.Array);
});

test('the realm’s own process.env is the one that counts', async (t) => {
  const environment = new runner.NodeJsEnvironment(options);
  const folder = scriptFolder(t, 'console.log(process.env.OF_THE_REALM)');
  const texts = [];
  const stdio = { logCapture: { onStdout: (text) => texts.push(text) } };
  const result = await environment.executeConnector(folder, undefined, stdio);
  assert.deepEqual(texts, ['1\n']);
  assert.equal(Object.getPrototypeOf(result), realm.Object.prototype);
});

test('what is handed to the user’s own environment is of the realm', async () => {
  let given;
  const environment = {
    createEnvironment: async (...all) => void (given = all),
    executeConnector: async () => {},
    cleanup: async () => {},
  };
  const service = new runner.ConnectorExecutionService(environment, options);
  const config = new runner.Config(configOf('Ok'));
  await service.execute('d', 'r', config, new runner.RunConfig({}));
  assert.ok(given[2] instanceof realm.Array);
});
