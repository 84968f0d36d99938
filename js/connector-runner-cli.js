'use strict';
// The command line. What to do and what to print is decided natively; this file only moves
// arguments, files and texts.

const path = require('node:path');

const { Config } = require('./config');
const ConnectorExecutionService = require('./connector-execution-service');
const { OWN, STATE_RUN, request } = require('./host');
const { native } = require('./native');
const { ConnectorRunError, inCallersRealm, settle } = require('./realm');
const { RunConfig } = require('./run-config');
const { Screen } = require('./screen');

/** What decides how texts look. */
const VARIABLES = ['CI', 'FORCE_COLOR', 'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'NO_COLOR', 'TERM'];

const now = () => new Date().toISOString();

/**
 * SIGINT, SIGTERM and SIGHUP end the run as everything else does: the first lets the connector end
 * by itself, the second kills it, and a third does not wait for anything.
 */
function catchSignals() {
  const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  const names = Object.keys(codes);
  const received = [];
  const controller = new AbortController();
  const stop = (name) => {
    received.push(name);
    if (received.length === 1) {
      stops.say?.(name);
      controller.abort(name);
    } else if (received.length === 2 && stops.force) {
      stops.force();
    } else {
      stops.leave?.();
      process.exit(codes[name]);
    }
  };
  const stops = {
    signal: controller.signal,
    received: () => received[0],
    say: undefined,
    force: undefined,
    leave: undefined,
    wasCalled: false, // whether the run itself was
    release: () => names.forEach((name) => process.removeListener(name, stop)),
  };
  for (const name of names) process.on(name, stop);
  return stops;
}

class ConnectorRunnerCli extends native.ConnectorRunnerCli {
  constructor() {
    const given = VARIABLES.filter((name) => process.env[name] !== undefined);
    super(
      JSON.stringify({
        stdout: Boolean(process.stdout.isTTY),
        stderr: Boolean(process.stderr.isTTY),
        columns: process.stderr.columns || process.stdout.columns || undefined,
        variables: Object.fromEntries(given.map((name) => [name, String(process.env[name])])),
      }),
    );
  }

  /**
   * Runs what `process.argv` asks for. Never rejects.
   * @returns {Promise<number>} the exit code, also set as `process.exitCode`
   */
  async run(argv) {
    const plan = JSON.parse(super.plan([...argv], now()));
    const isRun = plan.action === 'run';
    const stops = isRun || plan.action === 'connect' ? catchSignals() : undefined;
    const isLive = isRun && super.isLive();
    const screen = new Screen(isLive && ((...moment) => super.liveLine(...moment)));
    let exitCode = 0;
    let page; // where the page about the run is, if it was written
    try {
      if (isRun) {
        page = (await this.#runConnector(plan, stops, screen)).report;
      } else if (plan.action === 'connect') {
        exitCode = await this.#connect(argv, plan, stops, screen);
      } else {
        const printed = plan.action === 'perform' ? await this.#perform(argv) : plan;
        await screen.write([printed.stdout, printed.stderr]);
        ({ exitCode } = printed);
      }
    } catch (error) {
      const {
        message = String(error),
        code,
        hint,
        stderrTail,
        result,
        run,
        findings,
      } = error ?? {};
      const signal = stops?.received();
      const facts = { message, code, hint, stderrTail, result, run, signal, findings };
      const told = JSON.stringify(facts);
      const failed = JSON.parse(super.failed(told, now()));
      screen.stop();
      await screen.say(failed.texts);
      ({ exitCode } = failed);
      page = run?.report;
      if (isRun && !stops.wasCalled) {
        page = await this.#reportRefusal(plan, { message, code, hint });
      }
    }
    const isShown = page && !plan.look.json && !plan.look.quiet;
    // as it was typed
    if (isShown) await screen.say(super.reported(plan.options.report));
    screen.stop();
    if (screen.loss) {
      await screen.say(['', `Error: stdout could not be written: ${screen.loss.message}\n`]);
      exitCode ||= 1;
    }
    stops?.release();
    process.exitCode = exitCode;
    return exitCode;
  }

  /** A report of an earlier run must not be taken for this one's, which was refused. */
  async #reportRefusal({ config, options }, { message, code = 'INTERNAL', hint }) {
    if (!options.report) return undefined;
    const asked = { report: options.report, config, message, code, hint };
    try {
      return (await settle(super.reportRefusal(request([], asked)))).value;
    } catch {
      return undefined; // the first error counts
    }
  }

  /** Commands other than `run`. */
  async #perform(argv) {
    const asked = request([], { argv: JSON.stringify(argv) });
    const { value } = await settle(inCallersRealm(() => super.perform(asked)));
    return JSON.parse(value);
  }

  /** `check --connect`: after what can be known without it, source and storage are asked. */
  async #connect(argv, { config: file, runType: type, options, look }, stops, screen) {
    const checked = await this.#perform(argv);
    const isForProgram = look.quiet;
    if (checked.exitCode !== 0 || !isForProgram) {
      await screen.write([checked.stdout, checked.stderr]);
      if (checked.exitCode !== 0) return checked.exitCode;
    }
    const read = this.#readConfig(file);
    const { paths } = await this.#precheck(file, read, options);
    const config = this.#complete(file, read.given, paths);
    super.begun(JSON.stringify({ storage: config.storage.name }), now()); // which its steps name
    const runId = now();
    let lines = '';
    const onStdout = (text) => void (lines += text);
    const onProgress = (step) => void screen.say(super.step(JSON.stringify(step), now()));
    const service = new ConnectorExecutionService(null, options);
    stops.force = () => service.cancel(runId, { graceMs: 0 });
    const asked = { names: [config.source.name, config.storage.name] };
    if (isForProgram) asked.answer = checked.stdout;
    try {
      await service.prove(
        'cli-runner',
        runId,
        config,
        new RunConfig({ type, data: [], state: {} }),
        { logCapture: { onStdout, onStderr() {} } },
        { onProgress, signal: stops.signal },
      );
    } catch (error) {
      if (stops.received()) throw error;
      asked.error = [error.message, error.stderrTail || error.hint || null];
    }
    const printed = JSON.parse(super.connections(JSON.stringify({ ...asked, lines })));
    await screen.write([printed.stdout, printed.stderr]);
    return printed.exitCode;
  }

  /** The configuration, and its text. */
  #readConfig(file) {
    const text = inCallersRealm(() => super.readConfig(request([], { config: file })));
    try {
      return { given: JSON.parse(text), text };
    } catch (cause) {
      throw new ConnectorRunError(`${file} is not valid JSON`, {
        code: 'INVALID_CONFIG',
        hint: super.explain(text) ?? cause.message,
      });
    }
  }

  /** Takes the run's state, or waits for it where that was asked for. */
  async #takeState({ options, wait }, config, stops, screen) {
    const take = async (waits) => {
      const asked = request([options], { config: JSON.stringify(config), at: now(), wait: waits });
      return JSON.parse((await settle(inCallersRealm(() => super.beginState(asked)))).value);
    };
    const taken = await take(false);
    if (!wait || !taken.busy) return taken;
    const stop = () => super.stopWaiting();
    stops.signal.addEventListener('abort', stop, { once: true });
    try {
      await screen.say(super.waiting(taken.busy));
      if (stops.signal.aborted) stop();
      return await take(true);
    } finally {
      stops.signal.removeEventListener('abort', stop);
    }
  }

  /** What is known of the configuration before anything starts, or why it is refused then. */
  async #precheck(file, { given, text }, options) {
    new Config({ datamartId: 'cli-runner', ...given }); // what is missing is said first
    const checked = await settle(
      inCallersRealm(() => super.precheck(request([options], { config: given, file, text }))),
    );
    const { refusal, ...known } = JSON.parse(checked.value);
    if (refusal === undefined || refusal === null) return known;
    const [message, hint] = refusal;
    const error = new ConnectorRunError(message, { code: 'INVALID_CONFIG', hint });
    throw Object.assign(error, { findings: known.findings });
  }

  /** The configuration as a run gets it. */
  #complete(file, given, paths, date) {
    const folder = path.dirname(path.resolve(file));
    inCallersRealm(() =>
      super.completeConfig(
        request([], { config: given, folder, paths: JSON.stringify(paths), date }),
      ),
    );
    return new Config({ datamartId: 'cli-runner', ...given });
  }

  async #runConnector(plan, stops, screen) {
    stops.say = (name) => screen.say(super.stopping(name));
    stops.leave = () => screen.stop();
    const read = this.#readConfig(plan.config);
    const checked = await this.#precheck(plan.config, read, plan.options);
    const taken = await this.#takeState(plan, read.given, stops, screen);
    try {
      return await this.#runWithState(plan, { given: read.given, checked, taken }, stops, screen);
    } finally {
      super.endState(taken.token);
    }
  }

  async #runWithState(plan, { given, checked, taken }, stops, screen) {
    const { runType, data, options } = plan;
    const { paths, notice, connectors, findings } = checked;
    const config = this.#complete(plan.config, given, paths, taken.date);
    const runConfig = new RunConfig({ type: runType, data, state: JSON.parse(taken.state) });
    const runId = now();
    const beginning = {
      runId,
      source: config.source.name,
      storage: config.storage.name,
      connectors,
      notice,
      stateFile: taken.file,
      stateDate: taken.date,
      noState: taken.none,
      stateNotices: taken.notices,
      findings,
    };
    await screen.say(super.begun(JSON.stringify(beginning), now()));

    const onStdout = (text) => screen.write(super.stdout(text, now()) ?? [text, '']);
    const onStderr = (text) => screen.write(super.stderr(text, now()) ?? ['', text]);
    const onSpawn = (pid) => void screen.say(super.spawned(pid, now()));
    const onProgress = (step) => void screen.say(super.step(JSON.stringify(step), now()));
    const onUsage = (usage) => void screen.say(super.usage(JSON.stringify(usage), now()));
    const service = new ConnectorExecutionService(null, options);
    stops.wasCalled = true;
    stops.force = () => service.cancel(runId, { graceMs: 0 });
    const result = await service.execute(
      'cli-runner',
      runId,
      config,
      runConfig,
      { logCapture: { onStdout, onStderr, [OWN]: true }, onSpawn },
      {
        onProgress,
        onUsage: plan.look.json || super.isLive() ? onUsage : undefined,
        signal: stops.signal,
        [STATE_RUN]: taken.token,
      },
    );
    screen.stop();
    await screen.say(super.succeeded(JSON.stringify(result), now()));
    return result;
  }
}

module.exports = ConnectorRunnerCli;
