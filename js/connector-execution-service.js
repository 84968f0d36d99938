'use strict';

const { Config } = require('./config');
const {
  STATE_RUN,
  messageCallback,
  optionOf,
  outputHandlers,
  packed,
  port,
  progressHandlers,
  request,
  wantsPid,
} = require('./host');
const { native } = require('./native');
const {
  NodeJsEnvironment,
  hasOwnCleanup,
  isUntouched,
  withRunOptions,
} = require('./nodejs-environment');
const { observed } = require('./observe');
const { ConnectorRunError, inCallersRealm, isOurs, makeObject, ofRun, settle } = require('./realm');
const RunContext = require('./run-context');
const { listen } = require('./signals');

/** A plain object as the documentation shows it becomes a Config; anything else stays. */
function asConfig(config) {
  const isPlain =
    config !== null && typeof config === 'object' && typeof config.toObject !== 'function';
  return isPlain ? new Config(config) : config;
}

const LIMITS = [
  'timeoutMs',
  'stallTimeoutMs',
  'graceMs',
  'memoryLimitMb',
  'isolation',
  'onUsage',
  'report',
];

/** The options of a run that are about its process, for an environment that derives from ours. */
function limitsOf(layers) {
  const valueOf = (name) =>
    layers.map((layer) => optionOf(layer, name)).findLast((value) => value !== undefined);
  return Object.fromEntries(LIMITS.map((name) => [name, valueOf(name)]));
}

class ConnectorExecutionService extends native.ConnectorExecutionService {
  #options;

  /** The last one is a runner whose runs these are, so that they share its turns. */
  constructor(executionEnvironment = null, options = undefined, runner = undefined) {
    inCallersRealm(() => super(options, makeObject, runner));
    this.#options = options;
    this.executionEnvironment = executionEnvironment ?? new NodeJsEnvironment(options);
  }

  async execute(datamartId, runId, config, runConfig, stdio = 'inherit', options = undefined) {
    return observed({ datamartId, runId, config, runConfig }, async (watcher) => {
      try {
        return await this.#execute(watcher, datamartId, runId, config, runConfig, stdio, options);
      } catch (error) {
        const isRefused = isOurs(error) && !error.run;
        const report = isRefused && (await this.#reportRefusal(options, config, error));
        throw ofRun(error, { datamartId, runId }, report ? { report } : error?.run);
      }
    });
  }

  /**
   * As `execute`, but source and storage only say whether a run could begin: one line each, for the
   * command line.
   */
  async prove(datamartId, runId, config, runConfig, stdio, options) {
    return observed({ datamartId, runId, config, runConfig }, (watcher) =>
      this.#execute(watcher, datamartId, runId, config, runConfig, stdio, options, true),
    );
  }

  /** The options of a run: later ones win. */
  #layers(options) {
    const environment = this.executionEnvironment;
    const isBuiltIn = environment instanceof NodeJsEnvironment;
    return [
      isBuiltIn ? NodeJsEnvironment.optionsOf(environment) : undefined,
      this.#options,
      options,
    ];
  }

  /** Writes the report of a run that was refused before it began, and gives its path. */
  async #reportRefusal(options, config, { code, message }) {
    const report = this.#layers(options)
      .map((layer) => optionOf(layer, 'report'))
      .findLast(Boolean);
    if (typeof report !== 'string') return undefined;
    try {
      const name = typeof config?.name === 'string' ? config.name : '';
      const asked = request([], { report, config: name, code, message });
      return (await settle(super.reportRefusal(asked))).value;
    } catch {
      return undefined; // what the run was refused for counts
    }
  }

  async #execute(watcher, datamartId, runId, givenConfig, runConfig, stdio, options, proves) {
    const environment = this.executionEnvironment;
    const isBuiltIn = environment instanceof NodeJsEnvironment;
    const layers = this.#layers(options);
    const config = datamartId && runId ? asConfig(givenConfig) : givenConfig;
    const context = new RunContext(datamartId, runId, config, runConfig, stdio);
    const signals = listen(layers);
    const inner = new AbortController(); // ends a run in an environment that derives from ours
    const asked = request(layers, {
      datamartId,
      runId,
      config,
      stdio,
      ownEnvironment: !isUntouched(environment),
      nodeEnvironment: isBuiltIn,
      environmentVariables: () => packed(context.getEnvironmentVariables()),
      wantsPhases: watcher.wantsPhases,
      wantsPid: wantsPid(stdio),
      wantsMessages: watcher.wantsMessages,
      stateRun: options?.[STATE_RUN],
      proves,
    });

    let directory;
    let reported;
    const thrown = {};
    const onMessage = messageCallback(layers, watcher);
    // The last three call the user's object; native code says when.
    const handlers = {
      ...outputHandlers(stdio, onMessage),
      ...progressHandlers(layers, watcher),
      ...signals.handlers,
      stop: () => inner.abort(),
      createEnvironment: async (dependencies) => {
        directory = await environment.createEnvironment(
          datamartId,
          runId,
          JSON.parse(dependencies),
        );
      },
      executeConnector: async () => {
        const variables = context.getEnvironmentVariables();
        const more = { onMessage, ...limitsOf(layers), signal: inner.signal };
        reported = await withRunOptions(more, () =>
          environment.executeConnector(directory, variables, stdio),
        );
      },
      cleanup: async () => {
        if (!hasOwnCleanup(environment)) await environment.cleanup(datamartId, runId);
        else if (directory) await NodeJsEnvironment.removeDirectory(environment, directory);
      },
    };
    const { result } = await settle(
      inCallersRealm(() => super.execute(asked, port(handlers, thrown)), ConnectorRunError, thrown),
      thrown,
      signals,
    );
    return isBuiltIn ? (result ?? reported) : undefined;
  }

  /** Asks every run of this id to stop, also one that waits for its turn; gives their number. */
  cancel(runId, options = undefined) {
    return inCallersRealm(() => super.cancel(String(runId), options, makeObject));
  }
}

module.exports = ConnectorExecutionService;
