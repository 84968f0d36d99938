'use strict';
// diagnostics_channel: what subscribers are told of runs.

const assert = require('node:assert/strict');
const { AsyncLocalStorage } = require('node:async_hooks');
const { channel, tracingChannel } = require('node:diagnostics_channel');
const { after, test } = require('node:test');

const { ConnectorRunner, NodeJsEnvironment } = require('@owox/connector-runner');
const { ConnectorExecutionService } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { rejection } = require('./support/output');
const { tempFolder } = require('./support/temp');

const sources = {
  Works: `run() { console.log(JSON.stringify({ type: 'log', message: 'hello' })); }`,
  Fails: 'run() { throw new Error("it broke"); }',
};
const options = {
  connectorsPackage: connectorsPackage({ after }, { sources }),
  runsDir: tempFolder({ after }),
};
const NAME = 'owox:connector-runner:run';
const DESCRIPTION = {
  datamartId: 'mart',
  runId: 'run-7',
  name: 'Test',
  source: 'Works',
  storage: 'Null',
  runType: 'CUSTOM',
};

const run = (source, given, runId = 'run-7') =>
  new ConnectorRunner(options).run(
    'mart',
    runId,
    configOf(source),
    { type: 'CUSTOM' },
    'ignore',
    given,
  );

/** Subscribes for the time of a test. */
function listen(t, name, listener) {
  channel(name).subscribe(listener);
  t.after(() => channel(name).unsubscribe(listener));
}

test('a run is traced from its start to its end', async (t) => {
  const events = [];
  for (const event of ['start', 'end', 'asyncStart', 'asyncEnd', 'error']) {
    listen(t, `tracing:${NAME}:${event}`, (payload) =>
      events.push([event, { ...payload }, payload]),
    );
  }
  const result = await run('Works');
  assert.deepEqual(
    events.map(([event]) => event),
    ['start', 'end', 'asyncStart', 'asyncEnd'],
  );
  assert.deepEqual(events[0][1], DESCRIPTION);
  assert.deepEqual(events[3][1], { ...DESCRIPTION, result });
  assert.ok(
    events.every(([, , payload]) => payload === events[0][2]),
    'one object for one run',
  );

  events.length = 0;
  const error = await rejection(run('Fails'));
  assert.deepEqual(
    events.map(([event]) => event),
    ['start', 'end', 'error', 'asyncStart', 'asyncEnd'],
  );
  assert.equal(events[2][1].error, error);
  assert.equal(events[2][1].error.result.status, 'failed');

  events.length = 0;
  await rejection(new ConnectorRunner(options).run('', 'run', undefined));
  assert.equal(events.find(([event]) => event === 'error')[1].error.code, 'INVALID_ID');
});

test('phases come with their times, messages as they are', async (t) => {
  const phases = [];
  const messages = [];
  const order = [];
  listen(t, `${NAME}:phase`, (event) => phases.push(event));
  listen(t, `${NAME}:message`, (event) => {
    messages.push(event);
    order.push('channel');
  });
  const before = Date.now();
  await run('Works', { onMessage: () => order.push('callback') });
  assert.deepEqual(
    phases.map(({ phase }) => phase),
    ['queue', 'environment', 'spawn', 'execution', 'cleanup'],
  );
  const times = phases.map(({ time }) => time);
  assert.deepEqual(
    times,
    [...times].sort((one, other) => one - other),
  );
  assert.ok(times[0] >= before - 1 && times[4] <= Date.now() + 1);
  assert.deepEqual(phases[0].run, DESCRIPTION);
  assert.deepEqual(
    messages.map(({ message }) => message),
    [{ type: 'log', message: 'hello' }],
  );
  assert.equal(messages[0].run, phases[0].run);
  assert.deepEqual(order, ['channel', 'callback']);

  messages.length = 0;
  await run('Works');
  assert.equal(messages.length, 1, 'without a callback as well');

  messages.length = 0;
  class Own extends NodeJsEnvironment {
    cleanup(...ids) {
      return super.cleanup(...ids);
    }
  }
  const service = new ConnectorExecutionService(new Own(options), options);
  await service.execute('mart', 'run-8', configOf('Works'), {}, 'ignore');
  assert.equal(messages.length, 1, 'from an environment that derives from ours');
});

test('a store that is bound to the start is there in callbacks', async (t) => {
  const store = new AsyncLocalStorage();
  const { start } = tracingChannel(NAME);
  start.bindStore(store, ({ runId }) => runId);
  t.after(() => start.unbindStore(store));
  const seen = [];
  await Promise.all(
    ['one', 'two'].map((runId) =>
      run('Works', { onMessage: () => seen.push([runId, store.getStore()]) }, runId),
    ),
  );
  assert.deepEqual(seen.sort(), [
    ['one', 'one'],
    ['two', 'two'],
  ]);
});

test('without subscribers nothing is told: no phases are asked for', async () => {
  const { native } = require('../js/native');
  const asked = [];
  const { execute } = native.ConnectorExecutionService.prototype;
  native.ConnectorExecutionService.prototype.execute = function (request, port) {
    asked.push([request.wantsPhases, request.wantsMessages]);
    return execute.call(this, request, (question, payload) => {
      asked.push(question);
      return port(question, payload);
    });
  };
  try {
    await run('Works');
  } finally {
    native.ConnectorExecutionService.prototype.execute = execute;
  }
  assert.deepEqual(asked, [[false, false]], 'and nobody wants to know the process id');
});
