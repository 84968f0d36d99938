'use strict';
// What is known of a run that failed, also where it has no process and so no result: on the error,
// on diagnostics_channel, for OpenTelemetry, in the report.

const assert = require('node:assert/strict');
const { tracingChannel } = require('node:diagnostics_channel');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { trace } = require('@opentelemetry/api');
const {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} = require('@opentelemetry/sdk-trace-base');
const {
  Config,
  ConnectorExecutionService,
  ConnectorRunError,
  ConnectorRunner,
  NodeJsEnvironment,
} = require('@owox/connector-runner');
const { configOf, connectorsPackage, NODE_MANIFEST } = require('./support/connectors');
const { rejection } = require('./support/output');
const { tempFolder } = require('./support/temp');

const package_ = connectorsPackage(
  { after },
  {
    sources: {
      Ok: 'run() {}',
      Fails: 'run() { throw new Error("it broke"); }',
      Waits: 'run() { return new Promise(() => setInterval(() => {}, 1000)); }',
    },
    storages: {
      Null: NODE_MANIFEST,
      Missing: {
        environment: {
          node: {
            enabled: true,
            dependencies: [
              { name: 'x', version: 'file:/missing/package', global: ['x'], global_is: true },
            ],
          },
        },
      },
    },
  },
);
const options = { connectorsPackage: package_, runsDir: tempFolder({ after }) };
const NONE = { queueMs: 0, environmentMs: 0, spawnMs: 0, executionMs: 0, cleanupMs: 0 };
const ids = { datamartId: 'mart', runId: 'run' };

const spans = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
);

/** Runs to the failure, with everybody watching. */
async function failing(t, { config = configOf('Ok'), stdio = 'ignore', ...given }) {
  const { datamartId = 'mart', runId = 'run', service, ...more } = given;
  const report = path.join(tempFolder(t), 'run.html');
  fs.writeFileSync(report, 'of an earlier run');
  const traced = [];
  const subscriber = { error: ({ error }) => void traced.push(error) };
  tracingChannel('owox:connector-runner:run').subscribe(subscriber);
  spans.reset();
  const runner = service ?? new ConnectorRunner(options).executionService;
  const run = runner.execute(datamartId, runId, config, {}, stdio, { report, ...more });
  const error = await rejection(run);
  tracingChannel('owox:connector-runner:run').unsubscribe(subscriber);
  const span = spans.getFinishedSpans().find(({ name }) => name === 'connector.run');
  return { error, traced, span, page: fs.readFileSync(report, 'utf8') };
}

/** The same on all ways. */
function assertSeen({ error, traced, span, page }) {
  assert.equal(traced[0], error);
  assert.equal(span.attributes['owox.run.verdict'], error.run.status);
  assert.equal(span.attributes['owox.run.phase'], error.run.phase);
  assert.equal(span.attributes['error.type'], error.code);
  assert.ok(page.includes(`<code>${error.code}</code>`), page.slice(0, 2000));
}

for (const [what, given, code, phase, status = 'failed'] of [
  ['an id is missing', { datamartId: '' }, 'INVALID_ID'],
  ['a plain configuration lacks a field', { config: { name: 'x' } }, 'INVALID_CONFIG'],
  ['an option is wrong', { timeoutMs: 'soon' }, 'INVALID_CONFIG'],
  ['stdio is of a wrong type', { stdio: 'nonsense' }, 'INVALID_CONFIG'],
  [
    'a storage is missing',
    { config: configOf('Ok', {}, 'No') },
    'STORAGE_NOT_FOUND',
    'environment',
  ],
  [
    'a connectors package is missing',
    { connectorsPackage: './nowhere' },
    'CONNECTORS_NOT_FOUND',
    'environment',
  ],
  [
    'npm fails',
    { config: configOf('Ok', {}, 'Missing'), allowSpecs: ['file'] },
    'INSTALL_FAILED',
    'environment',
  ],
  [
    'its time is over before it has a process',
    { config: configOf('Ok', {}, 'Missing'), allowSpecs: ['file'], timeoutMs: 1 },
    'TIMEOUT',
    'environment',
    'timeout',
  ],
  ['it was cancelled', { signal: AbortSignal.abort() }, 'ABORT_ERR', 'queue', 'cancelled'],
]) {
  test(`${what}: no process, and everybody knows of it`, async (t) => {
    const seen = await failing(t, given);
    const { error } = seen;
    assert.deepEqual([error.code, error.result], [code, undefined]);
    const { durationMs, timings, report, ...rest } = error.run;
    assert.match(report, /run\.html$/);
    const runIds = { ...ids, ...(given.datamartId === '' && { datamartId: '' }) };
    assert.deepEqual(rest, { ...runIds, status, ...(phase && { phase }) });
    if (phase) {
      const parts = Object.values(timings).reduce((sum, part) => sum + part, 0);
      assert.ok(durationMs >= timings.environmentMs && parts <= durationMs, String(durationMs));
      assert.deepEqual([timings.spawnMs, timings.executionMs, timings.cleanupMs], [0, 0, 0]);
    } else {
      assert.deepEqual([durationMs, timings], [0, NONE]);
    }
    assert.equal(Object.keys(error).includes('run'), false, 'as all fields');
    assertSeen(seen);
  });
}

test('isolation that cannot be had, and a process that cannot be started: phase spawn', async (t) => {
  process.env.OWOX_RUNNER_SUPERVISION = 'portable'; // without a namespace
  t.after(() => delete process.env.OWOX_RUNNER_SUPERVISION);
  const strict = await failing(t, { isolation: 'strict' });
  assert.equal(strict.error.code, 'ISOLATION_UNAVAILABLE');
  assert.equal(strict.error.run.phase, 'spawn');
  assert.ok(strict.error.run.durationMs >= strict.error.run.timings.spawnMs);
  assertSeen(strict);

  process.env.OWOX_TEST_LARGE = 'x'.repeat(256 * 1024); // more than the kernel takes
  t.after(() => delete process.env.OWOX_TEST_LARGE);
  const large = await failing(t, { isolation: 'none' });
  assert.deepEqual([large.error.code, large.error.run.phase], ['SPAWN_FAILED', 'spawn']);
  assertSeen(large);
});

test('a run that had a process: the same facts as its result', async (t) => {
  const seen = await failing(t, { config: configOf('Fails') });
  const { result, run } = seen.error;
  assert.deepEqual(run, {
    ...{ ...ids, status: 'failed', phase: 'execution' },
    ...{ durationMs: result.durationMs, timings: result.timings, report: result.report },
  });
  assertSeen(seen);
  const stopped = await failing(t, { config: configOf('Waits'), timeoutMs: 3000, graceMs: 0 });
  assert.deepEqual([stopped.error.run.status, stopped.error.run.phase], ['timeout', 'execution']);
});

test('errors of arguments are of the classes of the contract all the same', async (t) => {
  const plain = (await failing(t, { config: { name: 'x' } })).error;
  assert.equal(plain.constructor, Error);
  const type = (await failing(t, { stdio: 'nonsense' })).error;
  assert.equal(type.constructor, TypeError);
  const code = (await failing(t, { datamartId: '' })).error;
  assert.ok(code instanceof ConnectorRunError);
});

test('an environment that derives from ours adds its phases; what the caller throws stays', async (t) => {
  class Derived extends NodeJsEnvironment {
    async executeConnector(...given) {
      return super.executeConnector(...given);
    }
  }
  const service = new ConnectorExecutionService(new Derived(options), options);
  const { error } = await failing(t, { service, config: configOf('Fails') });
  assert.equal(error.code, 'CONNECTOR_FAILED');
  const { runId, status, phase, timings } = error.run;
  assert.deepEqual([runId, status, phase], ['run', 'failed', 'execution']);
  assert.ok(timings.executionMs >= error.result.timings.executionMs, JSON.stringify(timings));

  const mine = Object.freeze(Object.assign(new Error('mine'), { code: 'MINE' }));
  const foreign = new ConnectorExecutionService({
    createEnvironment: () => Promise.reject(mine),
    executeConnector() {},
    cleanup() {},
  });
  const thrown = await rejection(
    foreign.execute('mart', 'run', new Config(configOf('Ok')), {}, 'ignore', {
      connectorsPackage: package_,
    }),
  );
  assert.equal(thrown, mine);
  assert.equal(thrown.run, undefined);
});
