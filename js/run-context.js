'use strict';

const { native } = require('./native');
const { inCallersRealm, makeObject } = require('./realm');

class RunContext extends native.RunContext {
  constructor(datamartId, runId, config, runConfig, stdio = 'inherit') {
    inCallersRealm(() => super(datamartId, runId, config, runConfig, stdio, makeObject));
  }

  getUniqueId() {
    return inCallersRealm(() => super.getUniqueId());
  }

  getEnvironmentVariables() {
    // process.env is read here, since Jest and others replace it; JSON.stringify is JavaScript's
    // own, so that what it makes of the caller's values is never parsed and printed again.
    return inCallersRealm(() =>
      super.getEnvironmentVariables({ ...process.env }, makeObject, JSON.stringify),
    );
  }
}

module.exports = RunContext;
