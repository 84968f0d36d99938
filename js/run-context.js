'use strict';

const { packed } = require('./host');
const { native } = require('./native');
const { inCallersRealm, makeObject, withHidden } = require('./realm');

/** What JSON cannot hold, such as a BigInt, stays a TypeError of JavaScript's, and gets a code. */
function stringify(value) {
  try {
    return JSON.stringify(value);
  } catch (error) {
    const isUnmarked = error instanceof TypeError && error.code === undefined;
    throw isUnmarked ? withHidden(error, { code: 'INVALID_CONFIG' }) : error;
  }
}

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
      super.getEnvironmentVariables(packed(process.env), makeObject, stringify),
    );
  }
}

module.exports = RunContext;
