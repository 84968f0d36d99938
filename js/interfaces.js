'use strict';
// The abstract bases. Native methods throw; the asynchronous ones reject, as callers expect.

const { native } = require('./native');
const { inCallersRealm } = require('./realm');

class ExecutionEnvironment extends native.ExecutionEnvironment {
  async createEnvironment() {
    inCallersRealm(() => super.createEnvironment());
  }

  async executeConnector() {
    inCallersRealm(() => super.executeConnector());
  }

  async cleanup() {
    inCallersRealm(() => super.cleanup());
  }
}

class DependencyManager extends native.DependencyManager {
  async installDependencies() {
    inCallersRealm(() => super.installDependencies());
  }

  getDefaultDependencies() {
    return inCallersRealm(() => super.getDefaultDependencies());
  }

  generatePackageJson() {
    return inCallersRealm(() => super.generatePackageJson());
  }
}

class TemplateRenderer extends native.TemplateRenderer {
  render() {
    return inCallersRealm(() => super.render());
  }
}

module.exports = { DependencyManager, ExecutionEnvironment, TemplateRenderer };
