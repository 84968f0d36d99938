'use strict';
// OpenTelemetry, with its own SDK: spans and metrics of runs.

const assert = require('node:assert/strict');
const { after, beforeEach, test } = require('node:test');

const { SpanStatusCode, context, metrics, trace } = require('@opentelemetry/api');
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks');
const {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} = require('@opentelemetry/sdk-metrics');
const {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} = require('@opentelemetry/sdk-trace-base');
const { ConnectorExecutionService, ConnectorRunner } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost } = require('./support/host');
const { rejection } = require('./support/output');
const { tempFolder, writeFiles } = require('./support/temp');

const sources = {
  Works: `run() {
    console.log(JSON.stringify({ type: 'log', message: 'm', summary: { table: 't', rows: 42 } }));
    console.log(JSON.stringify({ type: 'addWarningToCurrentStatus', warning: 'w' }));
  }`,
  Fails: 'run() { throw new Error(this.config.json.source.config.AccessToken.value); }',
};
const options = {
  connectorsPackage: connectorsPackage({ after }, { sources }),
  runsDir: tempFolder({ after }),
};
const SECRET = 'tok-abcdefgh';

const spans = new InMemorySpanExporter();
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
);
const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 });
const provider = new MeterProvider({ readers: [reader] });
metrics.setGlobalMeterProvider(provider);
after(() => provider.shutdown());

beforeEach(async () => {
  await provider.forceFlush();
  exporter.reset();
  spans.reset();
});

function run(source, given = {}, stdio = 'ignore') {
  const config = { ...configOf(source, { AccessToken: { value: SECRET } }), name: 'Daily' };
  const runConfig = { type: 'INCREMENTAL' };
  return new ConnectorRunner(options).run('mart', 'run-7', config, runConfig, stdio, given);
}

const spanNamed = (name) => spans.getFinishedSpans().find((span) => span.name === name);
const milliseconds = ([seconds, nanoseconds]) => seconds * 1e3 + nanoseconds / 1e6;

/** The points of each metric, by name. */
async function measured() {
  await provider.forceFlush();
  const all = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .filter(({ scope }) => scope.name === '@owox/connector-runner')
    .flatMap((scope) => scope.metrics);
  return Object.fromEntries(all.map((one) => [one.descriptor.name, one]));
}

test('a run is a span below the active one, with a span for each phase', async () => {
  const outer = trace.getTracer('test').startSpan('outer');
  let inside;
  const result = await context.with(trace.setSpan(context.active(), outer), () =>
    run('Works', { onMessage: () => (inside = trace.getActiveSpan()) }),
  );
  outer.end();
  const span = spanNamed('connector.run');
  assert.equal(span.parentSpanContext.spanId, outer.spanContext().spanId);
  assert.equal(span.spanContext().traceId, outer.spanContext().traceId);
  assert.equal(inside.spanContext().spanId, span.spanContext().spanId, 'callbacks are within it');
  assert.equal(span.status.code, SpanStatusCode.UNSET);
  assert.equal(span.instrumentationScope.name, '@owox/connector-runner');
  assert.deepEqual(span.attributes, {
    'owox.connector.source': 'Works',
    'owox.connector.storage': 'Null',
    'owox.connector.name': 'Daily',
    'owox.run.type': 'INCREMENTAL',
    'owox.datamart.id': 'mart',
    'owox.run.id': 'run-7',
    'owox.run.verdict': 'success',
    'process.pid': result.pid,
    'process.exit.code': 0,
    'owox.run.environment.cached': result.environment.cached,
    'owox.run.memory.peak_bytes': result.resources.peakRssBytes,
    'owox.run.cpu_ms': result.resources.cpuMs,
    'owox.run.warnings': 1,
    'owox.run.rows': 42,
  });
  const phases = spans
    .getFinishedSpans()
    .filter((one) => one.parentSpanContext?.spanId === span.spanContext().spanId);
  assert.deepEqual(
    phases.map(({ name }) => name),
    ['queue', 'environment', 'spawn', 'execution', 'cleanup'].map(
      (name) => `connector.run ${name}`,
    ),
  );
  for (const [index, phase] of phases.entries()) {
    const next = phases[index + 1];
    if (next) assert.equal(milliseconds(phase.endTime), milliseconds(next.startTime));
  }
});

test('a failure is the status of its span, without secrets', async () => {
  const error = await rejection(run('Fails'));
  const span = spanNamed('connector.run');
  assert.deepEqual(span.status, { code: SpanStatusCode.ERROR, message: error.message });
  assert.equal(span.attributes['error.type'], 'CONNECTOR_FAILED');
  assert.equal(span.attributes['owox.run.verdict'], 'failed');
  const everything = spans
    .getFinishedSpans()
    .map(({ name, attributes, events, status }) => ({ name, attributes, events, status }));
  assert.ok(!JSON.stringify(everything).includes(SECRET));
});

test('runs that never started, and those of custom environments, are spans as well', async () => {
  const aborted = await rejection(run('Works', { signal: AbortSignal.abort() }));
  assert.equal(aborted.code, 'ABORT_ERR');
  assert.equal(spanNamed('connector.run').attributes['owox.run.verdict'], 'cancelled');
  spans.reset();
  await rejection(new ConnectorRunner(options).run('', 'run', undefined));
  assert.equal(spanNamed('connector.run').attributes['error.type'], 'INVALID_ID');
  spans.reset();

  let thrown = null;
  const custom = new ConnectorExecutionService(
    {
      createEnvironment: () => '/nowhere',
      executeConnector() {
        if (thrown) throw thrown;
      },
      cleanup() {},
    },
    options,
  );
  const execute = () => custom.execute('mart', 'run-8', configOf('Works'), {}, 'ignore');
  await execute();
  assert.equal(spanNamed('connector.run').attributes['owox.run.verdict'], 'success');
  assert.deepEqual(
    spans.getFinishedSpans().map(({ name }) => name.replace('connector.run ', '')),
    ['queue', 'environment', 'execution', 'cleanup', 'connector.run'],
  );
  spans.reset();
  thrown = new Error(`who knows what is in here, such as ${SECRET}`);
  assert.equal(await rejection(execute()), thrown, 'the very object');
  const { status, attributes } = spanNamed('connector.run');
  assert.equal(status.code, SpanStatusCode.ERROR);
  assert.ok(!JSON.stringify([status, attributes]).includes(SECRET));
});

test('metrics: duration, rows, memory, verdicts', async () => {
  const { durationMs, resources } = await run('Works');
  await run('Works');
  await rejection(run('Fails'));
  const found = await measured();
  const of = (name, verdict) =>
    found[name].dataPoints.find(({ attributes }) => attributes['owox.run.verdict'] === verdict);
  assert.equal(of('owox.connector.runs', 'success').value, 2);
  assert.equal(of('owox.connector.runs', 'failed').value, 1);
  assert.deepEqual(of('owox.connector.runs', 'failed').attributes, {
    'owox.connector.source': 'Fails',
    'owox.connector.storage': 'Null',
    'owox.run.type': 'INCREMENTAL',
    'owox.run.verdict': 'failed',
  });
  const duration = of('owox.connector.run.duration', 'success').value;
  assert.equal(duration.count, 2);
  assert.ok(duration.sum >= durationMs / 1000 && duration.max < 600);
  assert.equal(found['owox.connector.run.duration'].descriptor.unit, 's');
  assert.ok(of('owox.connector.run.memory.peak', 'success').value.max >= resources.peakRssBytes);
  assert.equal(found['owox.connector.run.memory.peak'].descriptor.unit, 'By');
  const [rows] = found['owox.connector.run.rows'].dataPoints;
  assert.equal(rows.value, 84);
});

/** Makes the API impossible to find, and counts who looks for it. */
const WITHOUT = `
  const Module = require('node:module');
  const resolve = Module._resolveFilename;
  globalThis.looked = 0;
  Module._resolveFilename = function (request, ...rest) {
    if (request === '@opentelemetry/api') {
      globalThis.looked += 1;
      throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
    }
    return resolve.call(this, request, ...rest);
  };`;

test('without the API everything works, and nobody looks for it before or after the first run', async (t) => {
  const hook = writeFiles(tempFolder(t), { 'hook.js': WITHOUT });
  const host = `
    (async () => {
      const seen = [globalThis.looked];
      const run = (type) => new runner.ConnectorRunner(${JSON.stringify(options)}).run(
        'mart', 'run', ${JSON.stringify(configOf('Works'))}, { type }, 'ignore');
      const { status } = await run('INCREMENTAL');
      seen.push(globalThis.looked > 0);
      const after = globalThis.looked;
      await run('CUSTOM');
      seen.push(globalThis.looked - after);
      const loaded = Object.keys(require.cache).filter((name) => name.includes('opentelemetry'));
      console.log(JSON.stringify([status, seen, loaded]));
    })();`;
  const { stdout, stderr } = await runHost(t, host, { flags: ['-r', `${hook}/hook.js`] });
  assert.equal(stderr, '');
  assert.deepEqual(JSON.parse(stdout), ['success', [0, true, 0], []]);
});

test('the API of the host program is the one that is used', async (t) => {
  // a stand-in, so that it is clear which one was found
  const api = `
    const span = { isRecording: () => false, setAttribute() {}, setStatus() {}, end: () => console.log('end') };
    const instrument = { add() {}, record() {} };
    const meter = { createCounter: () => instrument, createHistogram: () => instrument };
    module.exports = {
      trace: { getTracer: () => ({ startSpan: (name) => (console.log(name), span) }), setSpan: () => ({}) },
      context: { active: () => ({}), with: (_, work) => work() },
      metrics: { getMeterProvider: () => ({ getMeter: () => meter }) },
      SpanStatusCode: {},
    };`;
  const folder = writeFiles(tempFolder(t), {
    'node_modules/@opentelemetry/api/index.js': api,
    'host.js': `
      const runner = require(${JSON.stringify(require.resolve('@owox/connector-runner'))});
      new runner.ConnectorRunner(${JSON.stringify(options)}).run(
        'mart', 'run', ${JSON.stringify(configOf('Works'))}, {}, 'ignore').then(() => console.log('done'));`,
  });
  const { spawn } = require('node:child_process');
  const { ended } = require('./support/host');
  const { stdout, stderr } = await ended(
    spawn(process.execPath, [`${folder}/host.js`], { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  assert.equal(stderr, '');
  assert.equal(stdout, 'connector.run\nend\ndone\n');
});
