'use strict';

const { AsyncLocalStorage } = require('node:async_hooks');

const {
  messageCallback,
  outputHandlers,
  packed,
  port,
  progressHandlers,
  request,
  wantsPid,
} = require('./host');
const { ExecutionEnvironment } = require('./interfaces');
const { native } = require('./native');
const NodeJsTemplateRenderer = require('./nodejs-template-renderer');
const NpmDependencyManager = require('./npm-dependency-manager');
const { ConnectorRunError, inCallersRealm, makeObject, settle } = require('./realm');
const { listen } = require('./signals');

const MANAGER_METHODS = ['getDefaultDependencies', 'generatePackageJson', 'installDependencies'];
const originals = {
  manager: MANAGER_METHODS.map((name) => NpmDependencyManager.prototype[name]),
  render: NodeJsTemplateRenderer.prototype.render,
};

// A subclass is called with the original's arguments only; what else the run asks for goes
// around them.
const runOptions = new AsyncLocalStorage();

/** Calls an environment, which also gets these options. */
function withRunOptions(options, work) {
  return runOptions.run(options, work);
}

class NodeJsEnvironment extends ExecutionEnvironment {
  #native;
  #options;

  constructor(options) {
    super();
    this.#native = inCallersRealm(() => new native.NodeJsEnvironment(options, makeObject));
    this.#options = options;
    this.dependencyManager = new NpmDependencyManager(options);
    this.templateRenderer = new NodeJsTemplateRenderer();
  }

  async createEnvironment(connectorId, runId, dependencies = []) {
    const { dependencyManager: manager, templateRenderer: renderer } = this;
    const thrown = {};
    const signals = listen([this.#options]);
    // These call the user's objects; native code says which and when.
    const handlers = {
      ...signals.handlers,
      ...progressHandlers([this.#options]),
      generatePackageJson: async () =>
        JSON.stringify(await manager.generatePackageJson(connectorId, dependencies), null, 2),
      installDependencies: (directory) => manager.installDependencies(directory),
      render: async () =>
        renderer.render([...(await manager.getDefaultDependencies()), ...dependencies]),
    };
    const asked = request([this.#options], {
      connectorId,
      runId,
      dependencies: JSON.stringify(dependencies),
      replaced: partsAreReplaced(this),
    });
    const { value } = await settle(
      inCallersRealm(
        () => this.#native.createEnvironment(asked, port(handlers, thrown)),
        ConnectorRunError,
        thrown,
      ),
      thrown,
      signals,
    );
    return value;
  }

  async executeConnector(directory, env, stdio = 'inherit', options = undefined) {
    const layers = [this.#options, runOptions.getStore(), options];
    const signals = listen(layers);
    const asked = request(layers, {
      directory,
      stdio,
      wantsPid: wantsPid(stdio),
      variables: env === undefined || env === null ? undefined : packed(env), // the host's
    });
    const thrown = {};
    const handlers = {
      ...signals.handlers,
      ...progressHandlers(layers),
      ...outputHandlers(stdio, messageCallback(layers)),
    };
    const { result } = await settle(
      inCallersRealm(
        () => this.#native.executeConnector(asked, port(handlers, thrown)),
        ConnectorRunError,
        thrown,
      ),
      thrown,
      signals,
    );
    return result;
  }

  async cleanup(connectorId, runId) {
    await this.#cleanup({ connectorId, runId });
  }

  async #cleanup(which) {
    const asked = request([this.#options], which);
    await settle(inCallersRealm(() => this.#native.cleanup(asked), ConnectorRunError));
  }

  /** @internal The options, for the service. */
  static optionsOf(environment) {
    return environment.#options;
  }

  /** @internal Removes one directory: runs with equal ids at the same time stay apart. */
  static removeDirectory(environment, directory) {
    return environment.#cleanup({ directory });
  }
}

/** Whether the user replaced a part or overrode one of its methods, in whatever way. */
function partsAreReplaced({ dependencyManager: manager, templateRenderer: renderer }) {
  return (
    !(manager instanceof NpmDependencyManager) ||
    MANAGER_METHODS.some((name, index) => manager[name] !== originals.manager[index]) ||
    renderer?.render !== originals.render
  );
}

const STEPS = ['createEnvironment', 'executeConnector', 'cleanup'];
const originalSteps = STEPS.map((name) => NodeJsEnvironment.prototype[name]);

/** Whether a run in this environment can stay native from start to end. */
function isUntouched(environment) {
  return (
    environment instanceof NodeJsEnvironment &&
    STEPS.every((name, index) => environment[name] === originalSteps[index]) &&
    !partsAreReplaced(environment)
  );
}

/** Whether clean-up is ours, so that it can go by path. */
function hasOwnCleanup(environment) {
  return environment instanceof NodeJsEnvironment && environment.cleanup === originalSteps[2];
}

module.exports = { NodeJsEnvironment, hasOwnCleanup, isUntouched, withRunOptions };
