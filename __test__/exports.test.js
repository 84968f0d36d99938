'use strict';
// Contract, section 1: everything that can be required.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const runner = require('@owox/connector-runner');

const PACKAGE = '@owox/connector-runner';

/** Path → what it gives: the name of the class itself, or the names of its members. */
const PATHS = {
  'src/application/services/connector-execution-service': 'ConnectorExecutionService',
  'src/application/dto/config': ['Config', 'SourceConfig', 'StorageConfig'],
  'src/application/dto/run-config': ['RunConfig'],
  'src/core/domain/run-context': 'RunContext',
  'src/core/types/storage-definitions': ['StorageType'],
  'src/core/interfaces/execution-environment': 'ExecutionEnvironment',
  'src/core/interfaces/dependency-manager': 'DependencyManager',
  'src/core/interfaces/template-renderer': 'TemplateRenderer',
  'src/infrastructure/environments/nodejs-environment': 'NodeJsEnvironment',
  'src/infrastructure/dependencies/npm-dependency-manager': 'NpmDependencyManager',
  'src/infrastructure/templates/nodejs-template-renderer': 'NodeJsTemplateRenderer',
  'src/cli/connector-runner-cli': 'ConnectorRunnerCli',
};
const DTO = ['Config', 'RunConfig', 'SourceConfig', 'StorageConfig'];

/** Every path with and without `.js`, and what it gives. */
const doors = [
  ...Object.entries(PATHS).flatMap(([door, gives]) => [
    [`${PACKAGE}/${door}`, gives],
    [`${PACKAGE}/${door}.js`, gives],
  ]),
  [`${PACKAGE}/src/application/dto`, DTO],
  [`${PACKAGE}/src/application/dto/index.js`, DTO],
];

test('the package itself has the documented names', () => {
  for (const name of ['ConnectorRunner', ...DTO]) {
    assert.equal(typeof runner[name], 'function', name);
    assert.equal(runner[name].name, name);
  }
});

test('every deep path gives the very classes of the package, with and without .js', () => {
  for (const [door, gives] of doors) {
    const loaded = require(door);
    if (typeof gives === 'string') {
      assert.equal(loaded, runner[gives], door);
      assert.equal(loaded.name, gives);
    } else {
      assert.deepEqual(Object.keys(loaded).sort(), [...gives].sort(), door);
      for (const name of gives) assert.equal(loaded[name], runner[name], `${door} ${name}`);
    }
  }
});

test('every path can be imported, by default and by name', async () => {
  const package_ = await import(PACKAGE);
  assert.equal(package_.default, runner);
  for (const name of ['ConnectorRunner', ...DTO]) assert.equal(package_[name], runner[name], name);
  for (const [door, gives] of doors) {
    const loaded = await import(door);
    if (typeof gives === 'string') {
      assert.equal(loaded.default, runner[gives], door);
    } else {
      for (const name of gives) assert.equal(loaded[name], runner[name], `${door} ${name}`);
    }
  }
});

test('package.json has a path, and the two scripts are files of one line', () => {
  assert.equal(require(`${PACKAGE}/package.json`).name, PACKAGE);
  for (const script of ['src/cli-wrapper.js', 'src/cli/connector-runner-cli.js']) {
    const text = readFileSync(path.join(__dirname, '..', script), 'utf8');
    const lines = text.split('\n').filter((line) => line && !line.startsWith('#!'));
    assert.equal(lines.length, 1, script);
  }
});

test('what is not documented stays closed', () => {
  for (const door of ['js/native.js', 'src/core', 'index.js']) {
    assert.throws(() => require(`${PACKAGE}/${door}`), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
  }
});

test('StorageType names the two storages', () => {
  const { StorageType } = require(`${PACKAGE}/src/core/types/storage-definitions`);
  assert.equal(StorageType.GOOGLE_BIGQUERY, 'GOOGLE_BIGQUERY');
  assert.equal(StorageType.AWS_ATHENA, 'AWS_ATHENA');
  assert.ok(StorageType instanceof Object);
});

test('our classes are instances of the abstract bases', () => {
  const environment = new runner.NodeJsEnvironment();
  assert.ok(environment instanceof runner.ExecutionEnvironment);
  assert.ok(environment.dependencyManager instanceof runner.NpmDependencyManager);
  assert.ok(environment.dependencyManager instanceof runner.DependencyManager);
  assert.ok(environment.templateRenderer instanceof runner.NodeJsTemplateRenderer);
  assert.ok(environment.templateRenderer instanceof runner.TemplateRenderer);
  const { executionService } = new runner.ConnectorRunner();
  assert.ok(executionService instanceof runner.ConnectorExecutionService);
  assert.ok(executionService.executionEnvironment instanceof runner.NodeJsEnvironment);
});

/** The methods of the abstract bases; those marked true reject, the others throw. */
const ABSTRACT = {
  ExecutionEnvironment: { createEnvironment: true, executeConnector: true, cleanup: true },
  DependencyManager: {
    installDependencies: true,
    getDefaultDependencies: false,
    generatePackageJson: false,
  },
  TemplateRenderer: { render: false },
};

for (const [base, methods] of Object.entries(ABSTRACT)) {
  for (const [method, isAsync] of Object.entries(methods)) {
    test(`${base}.${method} must be implemented`, async () => {
      class Incomplete extends runner[base] {}
      const expected = { constructor: Error, message: `${method} method must be implemented` };
      for (const instance of [new runner[base](), new Incomplete()]) {
        if (isAsync) {
          const promise = instance[method]('a', 'b', []);
          assert.ok(promise instanceof Promise);
          await assert.rejects(promise, expected);
        } else {
          assert.throws(() => instance[method]('a', []), expected);
        }
      }
    });
  }
}

test('a subclass of a base works as the user wrote it', async () => {
  class Mine extends runner.ExecutionEnvironment {
    constructor(name) {
      super();
      this.name = name;
    }

    async createEnvironment() {
      return `/${this.name}`;
    }
  }
  const mine = new Mine('here');
  assert.ok(mine instanceof runner.ExecutionEnvironment);
  assert.equal(await mine.createEnvironment(), '/here');
  await assert.rejects(mine.cleanup('a', 'b'), { message: 'cleanup method must be implemented' });
});

test('ConnectorRunError is an Error with fields that JSON leaves out', () => {
  const error = new runner.ConnectorRunError('m', { code: 'TIMEOUT', stderrTail: 't' });
  assert.ok(error instanceof Error);
  assert.equal(error.name, 'ConnectorRunError');
  assert.equal(error.code, 'TIMEOUT');
  assert.equal(error.stderrTail, 't');
  assert.deepEqual(Object.keys(error), []);
});
