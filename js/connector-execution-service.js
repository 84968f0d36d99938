'use strict';

const { Config } = require('./config');
const { messageCallback, outputHandlers, port, progressHandlers, request } = require('./host');
const { native } = require('./native');
const {
  NodeJsEnvironment,
  hasOwnCleanup,
  isUntouched,
  withRunOptions,
} = require('./nodejs-environment');
const { ConnectorRunError, inCallersRealm, makeObject, settle } = require('./realm');
const RunContext = require('./run-context');

/** A plain object as the documentation shows it becomes a Config; anything else stays. */
function asConfig(config) {
  const isPlain = config !== null && typeof config === 'object' && !('toObject' in config);
  return isPlain ? new Config(config) : config;
}

class ConnectorExecutionService extends native.ConnectorExecutionService {
  #options;

  constructor(executionEnvironment = null, options = undefined) {
    inCallersRealm(() => super(options, makeObject));
    this.#options = options;
    this.executionEnvironment = executionEnvironment ?? new NodeJsEnvironment(options);
  }

  async execute(datamartId, runId, givenConfig, runConfig, stdio = 'inherit', options = undefined) {
    const environment = this.executionEnvironment;
    const isOurs = environment instanceof NodeJsEnvironment;
    const config = datamartId && runId ? asConfig(givenConfig) : givenConfig;
    const context = new RunContext(datamartId, runId, config, runConfig, stdio);
    const layers = [
      isOurs ? NodeJsEnvironment.optionsOf(environment) : undefined,
      this.#options,
      options,
    ];
    const asked = request(layers, {
      datamartId,
      runId,
      config,
      stdio,
      ownEnvironment: !isUntouched(environment),
      nodeEnvironment: isOurs,
      environmentVariables: () => context.getEnvironmentVariables(),
    });

    let directory;
    let reported;
    const thrown = {};
    const onMessage = messageCallback(layers);
    // The last three call the user's object; native code says when.
    const handlers = {
      ...outputHandlers(stdio, onMessage),
      ...progressHandlers(layers),
      createEnvironment: async (dependencies) => {
        directory = await environment.createEnvironment(
          datamartId,
          runId,
          JSON.parse(dependencies),
        );
      },
      executeConnector: async () => {
        const variables = context.getEnvironmentVariables();
        reported = await withRunOptions({ onMessage }, () =>
          environment.executeConnector(directory, variables, stdio),
        );
      },
      cleanup: async () => {
        if (!hasOwnCleanup(environment)) await environment.cleanup(datamartId, runId);
        else if (directory) await NodeJsEnvironment.removeDirectory(environment, directory);
      },
    };
    const { result } = await settle(
      inCallersRealm(() => super.execute(asked, port(handlers, thrown)), ConnectorRunError),
      thrown,
    );
    return isOurs ? (result ?? reported) : undefined;
  }
}

module.exports = ConnectorExecutionService;
