/* global afterAll, afterEach, beforeEach, describe, expect, it, jest */
'use strict';
// A module registry that is reset between tests: the package is evaluated again, its native
// part is not.

const { readdirSync } = require('node:fs');

const { configOf, connectorsPackage } = require('../support/connectors');
const { tempFolder } = require('../support/temp');

const PACKAGE = '@owox/connector-runner';
const folder = connectorsPackage(
  { after: afterAll },
  { sources: { Ok: `run() { console.log('text'); }` } },
);
const runsDir = tempFolder({ after: afterAll });
const options = { connectorsPackage: folder, runsDir };
const first = require(PACKAGE);
let fresh;

function isolated() {
  let loaded;
  jest.isolateModules(() => {
    loaded = require(PACKAGE);
  });
  return loaded;
}

function stdioOf() {
  return { logCapture: { onStdout: jest.fn(), onStderr: jest.fn() } };
}

beforeEach(() => {
  jest.resetModules();
  fresh = require(PACKAGE);
});

afterEach(() => {
  expect(readdirSync(runsDir)).toEqual([]);
});

describe('after jest.resetModules', () => {
  it.each([1, 2, 3])('the package loads again and its classes work (%d)', () => {
    expect(fresh.Config).not.toBe(first.Config);
    const config = new fresh.Config(configOf('Ok', { a: 1 }));
    expect(config).toBeInstanceOf(fresh.Config);
    expect(config.source).toBeInstanceOf(fresh.SourceConfig);
    expect(new fresh.NodeJsEnvironment()).toBeInstanceOf(fresh.ExecutionEnvironment);
    expect(() => new fresh.Config({})).toThrow(Error);
  });

  it('deep paths give the classes of the same registry', () => {
    const Service = require(`${PACKAGE}/src/application/services/connector-execution-service`);
    expect(Service).toBe(fresh.ConnectorExecutionService);
    const dto = require(`${PACKAGE}/src/application/dto/index.js`);
    expect(dto.Config).toBe(fresh.Config);
  });

  it('instances of one registry are accepted by the other, and stay Errors and Objects', () => {
    const source = new first.SourceConfig({ name: 'Ok', config: { a: { b: { c: 1 } } } });
    const storage = new first.StorageConfig({ name: 'AWS_ATHENA', config: { a: 1 } });
    const config = new fresh.Config({ datamartId: 'dm', name: 'n', source, storage });
    expect(config.source).toBeInstanceOf(fresh.SourceConfig);
    expect(config.storage).toBeInstanceOf(fresh.StorageConfig);
    expect(config.toObject().source).toStrictEqual(source.toObject());
    expect(config.toObject().storage).toStrictEqual(storage.toObject());
    const again = new first.Config(config);
    expect(again).toBeInstanceOf(first.Config);
    expect(again.toObject()).toStrictEqual(config.toObject());
    const error = new first.ConnectorRunError('m', { code: 'INTERNAL' });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code: 'INTERNAL', name: 'ConnectorRunError' });
  });

  it('a run takes configurations of the old registry', async () => {
    const config = new first.Config(configOf('Ok'));
    const runConfig = new first.RunConfig({ type: 'INCREMENTAL' });
    const stdio = stdioOf();
    const promise = new fresh.ConnectorRunner(options).run('dm', 'run', config, runConfig, stdio);
    expect(promise).toBeInstanceOf(Promise);
    await expect(promise).resolves.toMatchObject({ status: 'success' });
    expect(stdio.logCapture.onStdout).toHaveBeenCalledWith('text\n');
  });

  it('a service takes a NodeJsEnvironment of the old registry, as an environment of the host’s', async () => {
    const environment = new first.NodeJsEnvironment(options);
    const service = new fresh.ConnectorExecutionService(environment, options);
    const stdio = stdioOf();
    await service.execute(
      'dm',
      'run',
      new fresh.Config(configOf('Ok')),
      new fresh.RunConfig({}),
      stdio,
    );
    expect(stdio.logCapture.onStdout).toHaveBeenCalledWith('text\n');
  });

  it('runs of both registries are under way at the same time', async () => {
    const run = ({ ConnectorRunner, Config, RunConfig }) =>
      new ConnectorRunner(options).run(
        'dm',
        'run',
        new Config(configOf('Ok')),
        new RunConfig({}),
        stdioOf(),
      );
    const results = await Promise.all([run(first), run(fresh)]);
    expect(results.map(({ status }) => status)).toEqual(['success', 'success']);
  });

  it('a registry that is reset while its run is under way still ends it', async () => {
    const stdio = stdioOf();
    stdio.onSpawn = jest.fn(() => jest.resetModules());
    const { ConnectorRunner, Config, RunConfig } = fresh;
    const runner = new ConnectorRunner(options);
    const result = await runner.run(
      'dm',
      'run',
      new Config(configOf('Ok')),
      new RunConfig({}),
      stdio,
    );
    expect(stdio.onSpawn).toHaveBeenCalledTimes(1);
    expect(result.status).toBe('success');
  });
});

describe('jest.isolateModules', () => {
  it('gives a package of its own, whose instances other registries take', () => {
    const mine = isolated();
    expect(mine.Config).not.toBe(fresh.Config);
    const config = new mine.Config(configOf('Ok'));
    expect(config).toBeInstanceOf(mine.Config);
    expect(new fresh.Config(config).toObject()).toStrictEqual(config.toObject());
    expect(() => new mine.SourceConfig(null)).toThrow(Error);
  });

  it('rejects with Errors of this realm', async () => {
    const mine = isolated();
    const promise = new mine.ConnectorRunner(options).run('', 'run');
    await expect(promise).rejects.toThrow(Error);
    await expect(promise).rejects.toBeInstanceOf(mine.ConnectorRunError);
  });
});

describe('jest.mock of a host', () => {
  it('of the package itself replaces it', () => {
    jest.doMock(PACKAGE, () => ({ ConnectorRunner: jest.fn() }));
    jest.resetModules();
    try {
      expect(jest.isMockFunction(require(PACKAGE).ConnectorRunner)).toBe(true);
    } finally {
      jest.dontMock(PACKAGE);
    }
  });

  it('makes an automatic mock of every class', () => {
    const mock = jest.createMockFromModule(PACKAGE);
    const runner = new mock.ConnectorRunner();
    runner.run.mockResolvedValue('mocked');
    expect(jest.isMockFunction(mock.ConnectorExecutionService.prototype.execute)).toBe(true);
    return expect(runner.run('dm', 'run')).resolves.toBe('mocked');
  });
});
