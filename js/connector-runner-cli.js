'use strict';
// The command line. What to do and what to print is decided natively; this file only moves
// arguments, files and texts.

const { existsSync, readFileSync } = require('node:fs');
const path = require('node:path');

const { Config } = require('./config');
const ConnectorExecutionService = require('./connector-execution-service');
const { request } = require('./host');
const { native } = require('./native');
const { ConnectorRunError, inCallersRealm, settle } = require('./realm');
const { RunConfig } = require('./run-config');

/** Writes and waits until the stream takes more. */
function write(stream, text) {
  if (!text) return undefined;
  return new Promise((resolve) => {
    stream.write(text, () => resolve());
  });
}

let shown;

/** Shows a line that changes each second on a terminal, or once elsewhere. */
function showProgress(textAt) {
  if (!process.stderr.isTTY) {
    const text = textAt(0);
    if (text !== shown) process.stderr.write(`${text}\n`);
    shown = text;
    return () => {};
  }
  const begun = Date.now();
  const show = () => {
    const seconds = Math.floor((Date.now() - begun) / 1000);
    process.stderr.write(`\r\u001b[2K${textAt(seconds)}`);
  };
  show();
  let timer = setInterval(show, 1000);
  return () => {
    if (!timer) return;
    clearInterval(timer);
    timer = undefined;
    process.stderr.write('\r\u001b[2K');
  };
}

/**
 * SIGINT and SIGTERM end the run as everything else does: the first lets the connector end by
 * itself, the second kills it, and a third does not wait for anything.
 */
function catchSignals() {
  const names = ['SIGINT', 'SIGTERM'];
  const received = [];
  const controller = new AbortController();
  const stop = (name) => {
    received.push(name);
    if (received.length === 1) {
      process.stderr.write(`Stopping (${name}); once more kills the connector\n`);
      controller.abort(name);
    } else if (received.length === 2 && stops.force) {
      stops.force();
    } else {
      process.exit(name === 'SIGINT' ? 130 : 143);
    }
  };
  const stops = {
    signal: controller.signal,
    received: () => received[0],
    force: undefined,
    wasCalled: false, // whether the run itself was
    release: () => names.forEach((name) => process.removeListener(name, stop)),
  };
  for (const name of names) process.on(name, stop);
  return stops;
}

class ConnectorRunnerCli extends native.ConnectorRunnerCli {
  constructor() {
    super(Boolean(process.stderr.isTTY) && !process.env.NO_COLOR);
  }

  /**
   * Runs what `process.argv` asks for. Never rejects.
   * @returns {Promise<number>} the exit code, also set as `process.exitCode`
   */
  async run(argv) {
    const plan = JSON.parse(super.plan([...argv]));
    const stops = plan.action === 'run' ? catchSignals() : undefined;
    let exitCode = 0;
    try {
      if (stops) await this.#runConnector(plan, stops);
      else
        exitCode = await this.#print(plan.action === 'perform' ? await this.#perform(argv) : plan);
    } catch (error) {
      const { message = String(error), hint, code } = error ?? {};
      await write(process.stderr, super.failure(message, plan.config, hint, code));
      if (stops && !stops.wasCalled) await this.#reportRefusal(plan, { message, hint, code });
      exitCode = super.exitCode(code, stops?.received());
    }
    stops?.release();
    if (plan.options?.report && existsSync(plan.options.report)) {
      await write(process.stderr, `  Report   ${plan.options.report}\n`);
    }
    process.exitCode = exitCode;
    return exitCode;
  }

  /** An older report must not be taken for this run's, which was refused. */
  async #reportRefusal({ config, options }, { message, hint, code = 'INTERNAL' }) {
    if (!options.report) return;
    const asked = { report: options.report, config, message, hint, code };
    await settle(super.reportRefusal(request([], asked))).catch(() => {}); // the first error counts
  }

  async #print({ stdout, stderr, exitCode }) {
    await write(process.stdout, stdout);
    await write(process.stderr, stderr);
    return exitCode;
  }

  /** Commands other than `run`. */
  async #perform(argv) {
    const asked = request([], {
      argv: JSON.stringify(argv),
      colours: Boolean(process.stdout.isTTY) && !process.env.NO_COLOR,
    });
    const { value } = await settle(inCallersRealm(() => super.perform(asked)));
    return JSON.parse(value);
  }

  /** The class; also runs it where `entry` is the program that was started. */
  static asScript(entry) {
    if (require.main === entry) new this().run(process.argv);
    return this;
  }

  #readConfig(file) {
    let text;
    try {
      text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
    } catch (cause) {
      throw new ConnectorRunError(`the configuration ${file} cannot be read: ${cause.message}`, {
        code: 'INVALID_CONFIG',
      });
    }
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new ConnectorRunError(`${file} is not valid JSON`, {
        code: 'INVALID_CONFIG',
        hint: super.explain(text) ?? cause.message,
      });
    }
  }

  async #runConnector(plan, stops) {
    const { config: file, runType, data, state: givenState, ownState, options } = plan;
    const given = this.#readConfig(file);
    const stateFile =
      givenState ?? (ownState ? super.ownStateFile(request([], { config: file })) : undefined);
    const readsState = givenState || (stateFile && runType === 'INCREMENTAL');
    const state = readsState ? JSON.parse(inCallersRealm(() => super.readState(stateFile))) : {};
    new Config({ datamartId: 'cli-runner', ...given }); // what is missing is said before anything starts

    const found = await settle(
      inCallersRealm(() => super.findPathParameters(request([options], { config: given }))),
    );
    const { paths, notice } = JSON.parse(found.value);
    if (notice) await write(process.stderr, `${notice}\n`);
    const folder = path.dirname(path.resolve(file));
    inCallersRealm(() =>
      super.completeConfig(
        request([], { config: given, folder, paths: JSON.stringify(paths), date: state.date }),
      ),
    );
    const config = new Config({ datamartId: 'cli-runner', ...given });
    const runConfig = new RunConfig({ type: runType, data, state });

    let stopProgress = () => {};
    const onProgress = (step) => {
      stopProgress();
      stopProgress = showProgress((seconds) =>
        super.preparing(config.storage.name, JSON.stringify(step), seconds),
      );
    };
    // A terminal gets what a person reads; anything else gets the connector's lines unchanged.
    const rendered = (text) => super.render(text);
    const onStdout = (text) => {
      const readable = rendered(text); // also remembers the connector's summary
      return write(process.stdout, process.stdout.isTTY ? readable : text);
    };
    const onStderr = (text) => write(process.stderr, text);
    const service = new ConnectorExecutionService(null, options);
    const runId = new Date().toISOString();
    stops.wasCalled = true;
    stops.force = () => service.cancel(runId, { graceMs: 0 });
    let result;
    try {
      result = await service.execute(
        'cli-runner',
        runId,
        config,
        runConfig,
        { logCapture: { onStdout, onStderr }, onSpawn: () => stopProgress() },
        { onProgress, signal: stops.signal },
      );
    } finally {
      stopProgress();
    }
    const written =
      stateFile && inCallersRealm(() => super.writeState(stateFile, runType, result.state?.date));
    result.warnings = result.warnings.filter((warning) => warning !== notice);
    await write(process.stderr, super.summary(result, written ? stateFile : undefined));
  }
}

module.exports = ConnectorRunnerCli;
