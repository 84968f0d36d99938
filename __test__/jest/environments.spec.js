/* global afterAll, afterEach, beforeEach, describe, expect, it, jest */
'use strict';
// Mocks of environments, and spies on ours.

const {
  Config,
  ConnectorExecutionService,
  ConnectorRunError,
  ConnectorRunner,
  ExecutionEnvironment,
  NodeJsEnvironment,
  NodeJsTemplateRenderer,
  NpmDependencyManager,
  RunConfig,
} = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('../support/connectors');
const { tempFolder } = require('../support/temp');

const dependencies = [{ name: 'left-pad', version: '1.3.0', global: ['pad'], global_is: true }];
const node = (enabled, more) => ({ environment: { node: { enabled, ...more } } });
const packageFolder = connectorsPackage(
  { after: afterAll },
  { storages: { Null: node(true), Needy: node(true, { dependencies }), Off: node(false) } },
);
const runsDir = tempFolder({ after: afterAll });
const options = { connectorsPackage: packageFolder, runsDir };
const runConfig = new RunConfig({ type: 'INCREMENTAL', data: [], state: {} });

afterEach(() => {
  jest.restoreAllMocks();
});

describe('an environment of jest.fn()', () => {
  let environment;
  let service;

  beforeEach(() => {
    environment = {
      createEnvironment: jest.fn().mockResolvedValue('/the/path'),
      executeConnector: jest.fn().mockResolvedValue(undefined),
      cleanup: jest.fn().mockResolvedValue(undefined),
    };
    service = new ConnectorExecutionService(environment, options);
  });

  const order = () =>
    ['createEnvironment', 'executeConnector', 'cleanup'].map(
      (name) => environment[name].mock.invocationCallOrder,
    );

  it('is called in order, with these arguments', async () => {
    const stdio = { logCapture: { onStdout: jest.fn() }, onSpawn: jest.fn() };
    const config = new Config(configOf('Ok', { a: 1 }, 'Needy'));
    await expect(service.execute('dm', 'run', config, runConfig, stdio)).resolves.toBeUndefined();

    expect(environment.createEnvironment).toHaveBeenCalledTimes(1);
    expect(environment.createEnvironment).toHaveBeenCalledWith('dm', 'run', dependencies);
    expect(environment.executeConnector).toHaveBeenCalledWith(
      '/the/path',
      expect.objectContaining({
        PATH: process.env.PATH,
        OW_DATAMART_ID: 'dm',
        OW_RUN_ID: 'run',
        OW_CONFIG: JSON.stringify(config.toObject()),
        OW_RUN_CONFIG: JSON.stringify(runConfig.toObject()),
      }),
      stdio,
    );
    expect(environment.executeConnector.mock.calls[0][2]).toBe(stdio);
    expect(environment.cleanup).toHaveBeenCalledWith('dm', 'run');
    const [created, executed, cleaned] = order().flat();
    expect(order().flat()).toHaveLength(3);
    expect(created).toBeLessThan(executed);
    expect(executed).toBeLessThan(cleaned);
  });

  it('gets arguments that are objects of this realm', async () => {
    await service.execute('dm', 'run', new Config(configOf('Ok', {}, 'Needy')), runConfig);
    const [, , given] = environment.createEnvironment.mock.calls[0];
    expect(given).toBeInstanceOf(Array);
    expect(given[0]).toBeInstanceOf(Object);
    expect(given).toStrictEqual(dependencies);
    expect(environment.executeConnector.mock.calls[0][1]).toBeInstanceOf(Object);
    expect(environment.executeConnector.mock.calls[0][2]).toBe('inherit');
  });

  it('is cleaned up after a failure, which is passed on as the same object', async () => {
    const failure = new Error('mine');
    environment.executeConnector.mockRejectedValueOnce(failure);
    const config = new Config(configOf('Ok'));
    await expect(service.execute('dm', 'run', config, runConfig)).rejects.toBe(failure);
    expect(environment.cleanup).toHaveBeenCalledTimes(1);

    environment.createEnvironment.mockImplementationOnce(() => {
      throw failure;
    });
    await expect(service.execute('dm', 'run', config, runConfig)).rejects.toThrow('mine');
    expect(environment.executeConnector).toHaveBeenCalledTimes(1);
    expect(environment.cleanup).toHaveBeenCalledTimes(2);
  });

  it('serves a ConnectorRunner whose service is replaced', async () => {
    const runner = new ConnectorRunner(options);
    runner.executionService = service;
    await runner.run('dm', 'run', new Config(configOf('Ok')), runConfig);
    expect(environment.cleanup).toHaveBeenCalledWith('dm', 'run');
  });

  it('takes configurations that only look like ours', async () => {
    const config = {
      storage: { name: 'Needy' },
      toObject: jest.fn(() => ({ duck: 'config' })),
    };
    const run = { toObject: jest.fn(() => ({ duck: 'run' })) };
    await service.execute('dm', 'run', config, run);
    expect(environment.createEnvironment).toHaveBeenCalledWith('dm', 'run', dependencies);
    const [, variables] = environment.executeConnector.mock.calls[0];
    expect(JSON.parse(variables.OW_CONFIG)).toMatchObject({ duck: 'config' });
    expect(JSON.parse(variables.OW_RUN_CONFIG)).toEqual({ duck: 'run' });
    expect(config.toObject).toHaveBeenCalledWith();
    expect(run.toObject).toHaveBeenCalledWith();
  });

  it('works as a subclass of the base as well', async () => {
    class Mine extends ExecutionEnvironment {
      createEnvironment = environment.createEnvironment;
      executeConnector = environment.executeConnector;
      cleanup = environment.cleanup;
    }
    const mine = new Mine();
    expect(mine).toBeInstanceOf(ExecutionEnvironment);
    await new ConnectorExecutionService(mine, options).execute(
      'dm',
      'run',
      new Config(configOf('Ok')),
      runConfig,
    );
    expect(environment.cleanup).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['Datamart ID is required', ['', 'run', {}]],
    ['Run ID is required', ['dm', '', {}]],
    ['Configuration is required', ['dm', 'run', null]],
    ['Storage Nowhere not found', ['dm', 'run', new Config(configOf('Ok', {}, 'Nowhere'))]],
    [
      'Storage Off does not support node environment',
      ['dm', 'run', new Config(configOf('Ok', {}, 'Off'))],
    ],
  ])('is not called where a run is refused: %s', async (message, [datamartId, runId, config]) => {
    const promise = service.execute(datamartId, runId, config, runConfig);
    expect(promise).toBeInstanceOf(Promise);
    await expect(promise).rejects.toThrow(message);
    const again = service.execute(datamartId, runId, config, runConfig);
    await expect(again).rejects.toThrow(Error);
    const error = await service.execute(datamartId, runId, config, runConfig).catch((e) => e);
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(ConnectorRunError);
    for (const mock of Object.values(environment)) expect(mock).not.toHaveBeenCalled();
  });

  it('is not needed for the bases to reject and throw Errors', async () => {
    const base = new ExecutionEnvironment();
    expect(base.cleanup().catch(() => {})).toBeInstanceOf(Promise);
    await expect(base.cleanup('a', 'b')).rejects.toThrow(Error);
    await expect(base.cleanup('a', 'b')).rejects.toThrow('cleanup method must be implemented');
    expect(() =>
      new NodeJsTemplateRenderer().render([{ name: 'not valid', global: ['a'] }]),
    ).toThrow(Error);
  });
});

describe('spies on prototypes', () => {
  const config = new Config(configOf('Ok', {}, 'Needy'));
  const execute = (service = new ConnectorExecutionService(null, options)) =>
    service.execute('dm', 'run', config, runConfig);

  it('stand for the methods of NodeJsEnvironment', async () => {
    const create = jest
      .spyOn(NodeJsEnvironment.prototype, 'createEnvironment')
      .mockResolvedValue('/spied');
    const run = jest.spyOn(NodeJsEnvironment.prototype, 'executeConnector').mockResolvedValue();
    const cleanup = jest.spyOn(NodeJsEnvironment.prototype, 'cleanup').mockResolvedValue();
    const service = new ConnectorExecutionService(null, options);
    await execute(service);
    expect(create).toHaveBeenCalledWith('dm', 'run', dependencies);
    expect(create.mock.contexts[0]).toBe(service.executionEnvironment);
    expect(run).toHaveBeenCalledWith(
      '/spied',
      expect.objectContaining({ OW_RUN_ID: 'run' }),
      'inherit',
    );
    expect(cleanup).toHaveBeenCalledWith('dm', 'run');
  });

  it('on ConnectorExecutionService.execute see what the runner delegates', async () => {
    const spy = jest.spyOn(ConnectorExecutionService.prototype, 'execute').mockResolvedValue('x');
    const stdio = { onSpawn: jest.fn() };
    const runner = new ConnectorRunner();
    await expect(runner.run('dm', 'run', config, runConfig, stdio)).resolves.toBe('x');
    expect(spy).toHaveBeenCalledWith('dm', 'run', config, runConfig, stdio);
    await runner.run('dm', 'run', config, runConfig);
    expect(spy).toHaveBeenLastCalledWith('dm', 'run', config, runConfig, 'inherit');
  });

  it('on a manager and a renderer are asked by createEnvironment', async () => {
    const install = jest
      .spyOn(NpmDependencyManager.prototype, 'installDependencies')
      .mockResolvedValue();
    const render = jest
      .spyOn(NodeJsTemplateRenderer.prototype, 'render')
      .mockReturnValue('// spied');
    const environment = new NodeJsEnvironment(options);
    const directory = await environment.createEnvironment('spied', 'run', dependencies);
    expect(install).toHaveBeenCalledWith(directory);
    expect(render).toHaveBeenCalledWith([
      ...environment.dependencyManager.getDefaultDependencies(),
      ...dependencies,
    ]);
    const { readFileSync, existsSync } = jest.requireActual('node:fs');
    expect(readFileSync(`${directory}/main.js`, 'utf8')).toBe('// spied');
    await environment.cleanup('spied', 'run');
    expect(existsSync(directory)).toBe(false);
  });

  it('on Config are called by a run', async () => {
    const spy = jest.spyOn(Config.prototype, 'toObject');
    const environment = {
      createEnvironment: async () => '',
      executeConnector: async () => {},
      cleanup: async () => {},
    };
    await execute(new ConnectorExecutionService(environment, options));
    expect(spy).toHaveBeenCalled();
    expect(spy.mock.contexts).toContain(config);
    const from = jest.spyOn(Config, 'fromObject').mockReturnValue('stub');
    expect(Config.fromObject({})).toBe('stub');
    from.mockRestore();
    expect(() => Config.fromObject({})).toThrow('Data mart ID is required');
  });
});
