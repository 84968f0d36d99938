/* global afterAll, afterEach, describe, expect, it, jest */
'use strict';
// Real runs inside Jest.

const { readdirSync } = require('node:fs');

const {
  Config,
  ConnectorExecutionService,
  ConnectorRunError,
  ConnectorRunner,
  NodeJsEnvironment,
  RunConfig,
} = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('../support/connectors');
const { tempFolder } = require('../support/temp');

const PACKAGE = connectorsPackage(
  { after: afterAll },
  {
    sources: {
      Talk: `run() {
        console.log(JSON.stringify({ type: 'log', message: String(process.env.SET_IN_JEST) }));
        console.log(JSON.stringify({ type: 'updateLastRequstedDate', date: '2026-01-05T00:00:00.000Z' }));
        console.error('to stderr');
      }`,
      Fail: `async run() { throw new Error('cannot load'); }`,
      Much: `run() { for (let line = 0; line < 5000; line += 1) console.log('x'.repeat(99)); }`,
      Wait: `run() { setInterval(() => {}, 1000); }`,
    },
  },
);
const runsDir = tempFolder({ after: afterAll });
const options = { connectorsPackage: PACKAGE, runsDir };
const runConfig = new RunConfig({ type: 'INCREMENTAL', data: [], state: {} });

const capture = (more) => ({
  logCapture: { onStdout: jest.fn(), onStderr: jest.fn(), passThrough: false },
  onSpawn: jest.fn(),
  ...more,
});
const run = (source, stdio = capture(), runner = new ConnectorRunner(options)) =>
  runner.run('dm', 'run', new Config(configOf(source)), runConfig, stdio);
const textOf = (mock) => mock.mock.calls.map(([text]) => text).join('');

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
  delete process.env.SET_IN_JEST;
  expect(readdirSync(runsDir)).toEqual([]);
});

describe('a run', () => {
  it('is a promise of a result, and calls the callbacks', async () => {
    const stdio = capture();
    const promise = run('Talk', stdio);
    expect(promise).toBeInstanceOf(Promise);
    const result = await promise;
    expect(result).toBeInstanceOf(Object);
    expect(result).toMatchObject({
      status: 'success',
      exitCode: 0,
      signal: null,
      state: { date: expect.any(String) },
      warnings: [],
    });
    expect(stdio.onSpawn).toHaveBeenCalledTimes(1);
    expect(stdio.onSpawn).toHaveBeenCalledWith(result.pid);
    expect(textOf(stdio.logCapture.onStdout)).toContain('"message":"undefined"');
    expect(textOf(stdio.logCapture.onStderr)).toBe('to stderr\n');
    const [spawned] = stdio.onSpawn.mock.invocationCallOrder;
    expect(spawned).toBeLessThan(Math.min(...stdio.logCapture.onStdout.mock.invocationCallOrder));
  });

  it('gets a variable that was set in the process.env of this test', async () => {
    process.env.SET_IN_JEST = 'by assignment';
    const first = capture();
    await run('Talk', first);
    expect(textOf(first.logCapture.onStdout)).toContain('"message":"by assignment"');

    const before = process.env;
    process.env = { ...before, SET_IN_JEST: 'by a new process.env' };
    const second = capture();
    try {
      await run('Talk', second);
    } finally {
      process.env = before;
    }
    expect(textOf(second.logCapture.onStdout)).toContain('"message":"by a new process.env"');
  });

  it('takes our own settings from the process.env of this test', async () => {
    const before = process.env;
    process.env = { ...before, OWOX_CONNECTORS_PACKAGE: PACKAGE, OWOX_RUNNER_RUNS_DIR: runsDir };
    try {
      await expect(run('Talk', capture(), new ConnectorRunner())).resolves.toBeTruthy();
    } finally {
      process.env = before;
    }
  });

  it('that fails rejects with an Error of this realm', async () => {
    const stdio = capture();
    const promise = run('Fail', stdio);
    await expect(promise).rejects.toThrow(Error);
    await expect(promise).rejects.toThrow('Connector execution failed with exit code: 1');
    await expect(promise).rejects.toBeInstanceOf(ConnectorRunError);
    await expect(promise).rejects.toMatchObject({
      code: 'CONNECTOR_FAILED',
      result: { status: 'failed', exitCode: 1 },
      stderrTail: expect.stringContaining('cannot load'),
    });
    expect(textOf(stdio.logCapture.onStderr)).toContain('cannot load');
  });

  it('can be ended by a signal to its group', async () => {
    const stdio = capture({ onSpawn: jest.fn((pid) => process.kill(-pid, 'SIGTERM')) });
    await expect(run('Wait', stdio)).rejects.toThrow(
      'Connector execution failed with exit code: null (SIGTERM)',
    );
  });

  it('reports a callback that throws on the console of this test, and goes on', async () => {
    const error = jest.spyOn(console, 'error').mockImplementation(() => {});
    const onSpawn = jest.fn(() => {
      throw new Error('not now');
    });
    await expect(run('Talk', capture({ onSpawn }))).resolves.toMatchObject({ status: 'success' });
    expect(error).toHaveBeenCalledWith('Failed to call onSpawn callback: not now');
  });

  it('passes output through the process.stdout of this test', async () => {
    const write = jest.spyOn(process.stdout, 'write').mockImplementation(() => true);
    const stdio = capture();
    stdio.logCapture.passThrough = true;
    const errors = jest.spyOn(process.stderr, 'write').mockImplementation(() => true);
    await run('Talk', stdio);
    const [passed, passedErrors] = [textOf(write), textOf(errors)];
    write.mockRestore();
    errors.mockRestore();
    expect(passed).toContain('"message":"undefined"');
    expect(passedErrors).toContain('to stderr');
  });

  it.each([
    ['all of them', {}],
    ['without nextTick', { doNotFake: ['nextTick'] }],
  ])('does not wait for fake timers (%s)', async (_which, timers) => {
    const before = new Date('2020-01-01').getTime();
    jest.useFakeTimers({ now: before, ...timers });
    const stdio = capture();
    const result = await run('Talk', stdio);
    expect(result.status).toBe('success');
    expect(Date.now()).toBe(before); // they were in force all along
    expect(textOf(stdio.logCapture.onStderr)).toBe('to stderr\n');
    const much = capture();
    await run('Much', much);
    expect(textOf(much.logCapture.onStdout)).toHaveLength(500_000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('works beside another one', async () => {
    const runner = new ConnectorRunner(options);
    const results = await Promise.all([
      run('Talk', capture(), runner),
      run('Talk', capture(), runner),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['success', 'success']);
    expect(results[0].pid).not.toBe(results[1].pid);
  });

  it('goes through a spy that calls the original', async () => {
    const create = jest.spyOn(NodeJsEnvironment.prototype, 'createEnvironment');
    const execute = jest.spyOn(NodeJsEnvironment.prototype, 'executeConnector');
    const result = await run('Talk');
    expect(result.status).toBe('success');
    expect(create).toHaveBeenCalledTimes(1);
    expect(execute.mock.calls[0][0]).toBe(await create.mock.results[0].value);
  });
});

describe('an environment with methods of its own', () => {
  it('that calls super runs as usual', async () => {
    const seen = jest.fn();
    class Mine extends NodeJsEnvironment {
      async createEnvironment(...given) {
        const directory = await super.createEnvironment(...given);
        seen(directory);
        return directory;
      }
    }
    const service = new ConnectorExecutionService(new Mine(options));
    const stdio = capture();
    const config = new Config(configOf('Talk'));
    const result = await service.execute('dm', 'run', config, runConfig, stdio);
    expect(result.status).toBe('success');
    expect(seen).toHaveBeenCalledWith(expect.stringContaining(runsDir));
  });
});
