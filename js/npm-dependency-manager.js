'use strict';

const { request } = require('./host');
const { DependencyManager } = require('./interfaces');
const { native } = require('./native');
const { inCallersRealm, makeObject, settle } = require('./realm');

class NpmDependencyManager extends DependencyManager {
  #native;
  #options;

  constructor(options) {
    super();
    this.#native = inCallersRealm(() => new native.NpmDependencyManager(options, makeObject));
    this.#options = options;
  }

  getDefaultDependencies() {
    const asked = request([this.#options]);
    return JSON.parse(inCallersRealm(() => this.#native.getDefaultDependencies(asked)));
  }

  generatePackageJson(connectorId, dependencies) {
    const asked = request([this.#options], {
      connectorId,
      dependencies: JSON.stringify(dependencies ?? null),
    });
    return JSON.parse(inCallersRealm(() => this.#native.generatePackageJson(asked)));
  }

  async installDependencies(workDir) {
    const asked = request([this.#options], { directory: workDir });
    await settle(inCallersRealm(() => this.#native.installDependencies(asked)));
  }
}

module.exports = NpmDependencyManager;
