'use strict';
// Contract, sections 6 and 7: dependencies, and parts of an environment that users replace.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const runner = require('@owox/connector-runner');
const { NodeJsEnvironment, NodeJsTemplateRenderer, NpmDependencyManager } = runner;
const { NODE_MANIFEST, configOf, connectorsPackage } = require('./support/connectors');
const { capture, rejection } = require('./support/output');
const { tempFolder } = require('./support/temp');

const DEFAULTS = [
  ['@kaciras/deasync', '1.1.0', 'deasync'],
  ['sync-request', '6.1.0', 'request'],
  ['adm-zip', '0.5.16', 'AdmZip'],
].map(([name, version, global]) => ({ name, version, global: [global], global_is: true }));
const extra = { name: 'left-pad', version: '1.3.0', global: ['pad'], global_is: true };
const package_ = connectorsPackage({ after }, { sources: { Ok: `run() { console.log('ran'); }` } });
const itself = {
  name: '@owox/connectors',
  version: `file:${package_}`,
  global: ['OWOX'],
  global_is: true,
};

test('getDefaultDependencies gives the four, in order', () => {
  const manager = new NpmDependencyManager({ connectorsPackage: package_ });
  assert.deepEqual(manager.getDefaultDependencies(), [itself, ...DEFAULTS]);
});

test('installing where there is no directory says so', async () => {
  const manager = new NpmDependencyManager();
  await assert.rejects(manager.installDependencies('/does/not/exist'), {
    code: 'INSTALL_FAILED',
    message: /the directory \/does\/not\/exist does not exist/,
  });
});

test('generatePackageJson has the defaults first, and the storage’s version wins', () => {
  const manager = new NpmDependencyManager({ connectorsPackage: package_ });
  const own = [extra, { ...extra, name: 'adm-zip', version: '9.9.9' }];
  const manifest = manager.generatePackageJson('my-datamart', own);
  assert.deepEqual(manifest, {
    name: 'connector-my-datamart',
    private: true,
    dependencies: {
      '@owox/connectors': `file:${package_}`,
      '@kaciras/deasync': '1.1.0',
      'sync-request': '6.1.0',
      'adm-zip': '9.9.9',
      'left-pad': '1.3.0',
    },
  });
  assert.deepEqual(Object.keys(manifest), ['name', 'private', 'dependencies']);
  assert.deepEqual(Object.keys(manifest.dependencies).slice(0, 4), [
    '@owox/connectors',
    '@kaciras/deasync',
    'sync-request',
    'adm-zip',
  ]);
  assert.equal(Object.keys(manager.generatePackageJson('x', []).dependencies).length, 4);
});

/** The names that an environment of this package really gets, by an npm that does nothing. */
async function dependenciesOf(t, packageJson) {
  const bin = tempFolder(t);
  fs.writeFileSync(path.join(bin, 'npm'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const saved = process.env;
  process.env = { ...saved, PATH: `${bin}:${saved.PATH}` };
  try {
    const environment = new NodeJsEnvironment({
      connectorsPackage: connectorsPackage(t, { packageJson }),
      runsDir: tempFolder(t),
      store: 'off', // which would notice that nothing was installed
    });
    const directory = await environment.createEnvironment('dm', 'run', [extra]);
    const { dependencies } = JSON.parse(
      fs.readFileSync(path.join(directory, 'package.json'), 'utf8'),
    );
    return Object.keys(dependencies);
  } finally {
    process.env = saved;
  }
}

test('a connectors package decides which of the defaults it gets', async (t) => {
  const [first, last] = ['@owox/connectors', 'left-pad'];
  const all = DEFAULTS.map(({ name }) => name);
  assert.deepEqual(await dependenciesOf(t, {}), [first, ...all, last]);
  assert.deepEqual(await dependenciesOf(t, { dependencies: {} }), [first, ...all, last]);
  assert.deepEqual(await dependenciesOf(t, { dependencies: { a: '1' } }), [first, last]);
  assert.deepEqual(await dependenciesOf(t, { owox: { runnerDependencies: [] } }), [first, last]);
  const named = { runnerDependencies: [DEFAULTS[2]] };
  const both = { dependencies: { a: '1' }, owox: named };
  assert.deepEqual(await dependenciesOf(t, both), [first, 'adm-zip', last]);
  assert.deepEqual(await dependenciesOf(t, { owox: {} }), [first, ...all, last]);
});

/** A manager and a renderer that record their calls. */
function parts() {
  const calls = [];
  const manager = {
    getDefaultDependencies() {
      calls.push(['getDefaultDependencies', this === manager]);
      return [itself];
    },
    generatePackageJson(...given) {
      calls.push(['generatePackageJson', ...given]);
      return { name: 'mine', mine: true };
    },
    async installDependencies(...given) {
      calls.push(['installDependencies', ...given]);
      await null;
    },
  };
  const renderer = {
    render(...given) {
      calls.push(['render', ...given]);
      return `console.log('my own main.js');`;
    },
  };
  return { calls, manager, renderer };
}

test('replaced parts are called in the documented order, and nothing else is', async (t) => {
  const { calls, manager, renderer } = parts();
  const runsDir = tempFolder(t);
  const environment = new NodeJsEnvironment({ connectorsPackage: package_, runsDir });
  environment.dependencyManager = manager;
  environment.templateRenderer = renderer;
  const directory = await environment.createEnvironment('dm', 'run', [extra]);
  assert.deepEqual(calls, [
    ['generatePackageJson', 'dm', [extra]],
    ['installDependencies', directory],
    ['getDefaultDependencies', true],
    ['render', [itself, extra]],
  ]);
  const manifest = JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8'));
  assert.deepEqual(manifest, { name: 'mine', mine: true });
  assert.deepEqual(fs.readdirSync(directory).sort(), ['main.js', 'package.json']);
  const { stdout, stdio } = capture();
  await environment.executeConnector(directory, undefined, stdio);
  assert.deepEqual(stdout, ['my own main.js\n']);
  await environment.cleanup('dm', 'run');
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

test('a run through the service uses replaced parts too', async (t) => {
  const { calls, manager, renderer } = parts();
  const runsDir = tempFolder(t);
  const options = { connectorsPackage: package_, runsDir };
  const environment = new NodeJsEnvironment(options);
  environment.dependencyManager = manager;
  environment.templateRenderer = renderer;
  const service = new runner.ConnectorExecutionService(environment, options);
  const { stdout, stdio } = capture();
  const config = new runner.Config(configOf('Ok'));
  await service.execute('dm', 'run', config, new runner.RunConfig({}), stdio);
  assert.deepEqual(stdout, ['my own main.js\n']);
  assert.deepEqual(
    calls.map(([name]) => name),
    ['generatePackageJson', 'installDependencies', 'getDefaultDependencies', 'render'],
  );
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

for (const step of [
  'generatePackageJson',
  'installDependencies',
  'getDefaultDependencies',
  'render',
]) {
  test(`what ${step} throws is passed on as the same object, and nothing is left`, async (t) => {
    const { calls, manager, renderer } = parts();
    const reason = { mine: step };
    const fail = () => {
      throw reason;
    };
    const runsDir = tempFolder(t);
    const environment = new NodeJsEnvironment({ connectorsPackage: package_, runsDir });
    environment.dependencyManager = manager;
    environment.templateRenderer = renderer;
    (step === 'render' ? renderer : manager)[step] = fail;
    assert.equal(await rejection(environment.createEnvironment('dm', 'run')), reason);
    assert.deepEqual(fs.readdirSync(runsDir), []);
    assert.ok(calls.length < 4);
  });
}

test('one overridden method is enough: on an instance, or in a subclass', async (t) => {
  const calls = [];
  class MyManager extends NpmDependencyManager {
    generatePackageJson(...given) {
      calls.push('generatePackageJson');
      const manifest = super.generatePackageJson(...given);
      delete manifest.dependencies['@kaciras/deasync'];
      delete manifest.dependencies['sync-request'];
      delete manifest.dependencies['adm-zip'];
      return { ...manifest, description: 'mine' };
    }

    getDefaultDependencies() {
      calls.push('getDefaultDependencies');
      return super.getDefaultDependencies().slice(0, 1);
    }
  }
  class MyRenderer extends NodeJsTemplateRenderer {
    render(dependencies) {
      calls.push('render');
      return `${super.render(dependencies)}\nconsole.log('appended');`;
    }
  }
  const options = { connectorsPackage: package_, runsDir: tempFolder(t) };
  const environment = new NodeJsEnvironment(options);
  environment.dependencyManager = new MyManager(options);
  environment.templateRenderer = new MyRenderer();
  const service = new runner.ConnectorExecutionService(environment, options);
  const { stdout, stderr, stdio } = capture();
  const config = new runner.Config(configOf('Ok'));
  const result = await service.execute('dm', 'run', config, new runner.RunConfig({}), stdio);
  assert.deepEqual([result.status, stdout.join(''), stderr], ['success', 'ran\nappended\n', []]);
  assert.deepEqual(calls, ['generatePackageJson', 'getDefaultDependencies', 'render']);
});

test('a storage’s own dependencies reach a custom environment as its manifest has them', async (t) => {
  const dependencies = [
    { ...extra, unknown: { kept: true } },
    { name: 'bare', version: '^1' },
  ];
  const manifest = structuredClone(NODE_MANIFEST);
  manifest.environment.node.dependencies = dependencies;
  const given = connectorsPackage(t, { storages: { Needy: manifest } });
  let seen;
  const environment = {
    createEnvironment: async (datamartId, runId, all) => void (seen = all),
    executeConnector: async () => {},
    cleanup: async () => {},
  };
  const service = new runner.ConnectorExecutionService(environment, { connectorsPackage: given });
  const config = new runner.Config(configOf('Ok', {}, 'Needy'));
  await service.execute('dm', 'run', config, new runner.RunConfig({}));
  assert.deepEqual(
    seen.map(({ name, version, global }) => ({ name, version, global })),
    [
      { name: 'left-pad', version: '1.3.0', global: ['pad'] },
      { name: 'bare', version: '^1', global: undefined },
    ],
  );
});
