'use strict';
// OpenTelemetry, where the host has `@opentelemetry/api`: a span for each run with one for each
// phase, and metrics. Never asked for before the first run, and only its API: what becomes of the
// figures is the host's to say.

const path = require('node:path');

const { packageRoot } = require('./native');
const { ConnectorRunError } = require('./realm');
const { name: NAME, version: VERSION } = require('../package.json');

const API = '@opentelemetry/api';

/** Folders from which the API is looked for: the host program's, the current one, ours. */
function* places() {
  if (process.argv[1]) yield path.dirname(process.argv[1]);
  yield process.cwd();
  yield packageRoot;
}

function load() {
  try {
    for (const folder of places()) {
      try {
        const api = require(require.resolve(API, { paths: [folder] }));
        // 1.3 and later have all of these
        if (api.trace && api.context && api.metrics) return api;
      } catch {
        // not there, or broken: the host's affair
      }
    }
  } catch {
    // the current folder is gone
  }
  return null;
}

let found;

/** The API; null where there is none. Looked for once. */
function openTelemetry() {
  if (found === undefined) found = load();
  return found;
}

const RUN_TYPES = ['INCREMENTAL', 'MANUAL_BACKFILL', 'FULL_REFRESH', 'CUSTOM'];

/** What spans and metrics tell of a run; metrics have few values of each. */
const lowAttributes = ({ source, storage, runType }) => ({
  'owox.connector.source': source,
  'owox.connector.storage': storage,
  'owox.run.type': RUN_TYPES.includes(runType) ? runType : 'OTHER',
});

/** How a run ended that has no result, or a custom environment's. */
function verdictOf(error, result) {
  if (result?.status) return result.status;
  return error ? (error.run?.status ?? 'failed') : 'success';
}

const BOUNDARIES = {
  seconds: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400],
  bytes: [64, 128, 256, 512, 1024, 2048, 4096, 8192].map((megabytes) => megabytes * 2 ** 20),
};

const instrumentsOf = new WeakMap();

/** The instruments of a meter provider, which the host may set at any time. */
function instruments({ metrics }) {
  const provider = metrics.getMeterProvider();
  let known = instrumentsOf.get(provider);
  if (!known) {
    const meter = provider.getMeter(NAME, VERSION);
    known = {
      runs: meter.createCounter('owox.connector.runs', {
        description: 'Runs by verdict',
        unit: '{run}',
      }),
      rows: meter.createCounter('owox.connector.run.rows', {
        description: 'Rows saved, as far as connectors say',
        unit: '{row}',
      }),
      duration: meter.createHistogram('owox.connector.run.duration', {
        description: 'From the call to the end of clean-up',
        unit: 's',
        advice: { explicitBucketBoundaries: BOUNDARIES.seconds },
      }),
      memory: meter.createHistogram('owox.connector.run.memory.peak', {
        description: 'Largest resident size of all processes of a run together',
        unit: 'By',
        advice: { explicitBucketBoundaries: BOUNDARIES.bytes },
      }),
    };
    instrumentsOf.set(provider, known);
  }
  return known;
}

/** One run as OpenTelemetry sees it. */
class RunTelemetry {
  #api;
  #run;
  #span;
  #context;
  #phase;
  #begun = performance.now();

  constructor(api, run) {
    this.#api = api;
    this.#run = run;
    const outer = api.context.active();
    const attributes = {
      ...lowAttributes(run),
      'owox.run.type': String(run.runType ?? 'OTHER').slice(0, 100),
      'owox.connector.name': run.name,
      'owox.datamart.id': run.datamartId,
      'owox.run.id': run.runId,
    };
    this.#span = this.#tracer.startSpan('connector.run', { attributes }, outer);
    this.#context = api.trace.setSpan(outer, this.#span);
  }

  get #tracer() {
    return this.#api.trace.getTracer(NAME, VERSION);
  }

  /** Whether anybody wants spans of phases. */
  get isRecording() {
    return this.#span.isRecording();
  }

  /** Works with the run's span as the active one. */
  within(work) {
    return this.#api.context.with(this.#context, work);
  }

  /** A phase begins, and the one before it ends; `time` is milliseconds since 1970. */
  phase({ phase, time }) {
    this.#phase?.end(time);
    this.#phase = this.#tracer.startSpan(
      `connector.run ${phase}`,
      { startTime: time },
      this.#context,
    );
  }

  /** What takes time in it. */
  step({ phase, pid, seconds }) {
    if (seconds > 0) return; // told each second
    this.#phase?.addEvent(phase, { ...(pid && { 'process.pid': pid }) });
  }

  /** The run has ended. What an SDK throws must not become its outcome. */
  end(error, result = error?.result) {
    try {
      this.#end(error, result);
    } catch {
      // the host's affair
    }
  }

  #end(error, result) {
    const verdict = verdictOf(error, result);
    const attributes = { ...lowAttributes(this.#run), 'owox.run.verdict': verdict };
    this.#phase?.end();
    const span = this.#span;
    span.setAttribute('owox.run.verdict', verdict);
    if (result) {
      const { exitCode, signal, pid, environment, resources, warnings, rows } = result;
      const known = {
        'process.pid': pid,
        'process.exit.code': exitCode,
        'owox.run.signal': signal,
        'owox.run.environment.cached': environment?.cached,
        'owox.run.memory.peak_bytes': resources.peakRssBytes,
        'owox.run.cpu_ms': resources.cpuMs,
        'owox.run.warnings': warnings.length,
        'owox.run.rows': rows,
      };
      for (const [name, value] of Object.entries(known)) {
        if (value !== null && value !== undefined) span.setAttribute(name, value);
      }
    }
    if (error) {
      if (error.run?.phase) span.setAttribute('owox.run.phase', error.run.phase);
      // ours hold no secret; what an object of the host's has thrown may
      const isOurs = error instanceof ConnectorRunError;
      span.setAttribute('error.type', String(error.code ?? error.name ?? typeof error));
      span.setStatus({
        code: this.#api.SpanStatusCode.ERROR,
        message: isOurs ? error.message : undefined,
      });
    }
    span.end();
    this.#measure(attributes, result);
  }

  #measure(attributes, result) {
    const { runs, rows, duration, memory } = instruments(this.#api);
    const milliseconds = result?.durationMs ?? performance.now() - this.#begun;
    // with the run's context, for exemplars
    this.within(() => {
      runs.add(1, attributes);
      duration.record(milliseconds / 1000, attributes);
      if (result) memory.record(result.resources.peakRssBytes, attributes);
      if (result?.rows > 0) rows.add(result.rows, lowAttributes(this.#run));
    });
  }
}

/** A run that begins, for OpenTelemetry; undefined where the host has none that works. */
function beginTelemetry(run) {
  try {
    const api = openTelemetry();
    return api ? new RunTelemetry(api, run) : undefined;
  } catch {
    return undefined;
  }
}

module.exports = { beginTelemetry };
