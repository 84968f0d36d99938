'use strict';

const ConnectorExecutionService = require('./connector-execution-service');
const { MessageStream } = require('./message-stream');
const { optionOf } = require('./host');
const { native } = require('./native');
const { inCallersRealm, makeObject } = require('./realm');
const { eitherOf } = require('./signals');

class ConnectorRunner extends native.ConnectorRunner {
  constructor(options) {
    inCallersRealm(() => super(options, makeObject));
    this.executionService = new ConnectorExecutionService(null, options, this);
  }

  // `...options` keeps the call as the original made it where no options are given.
  async run(datamartId, runId, config, runConfig, stdio = 'inherit', ...options) {
    return this.executionService.execute(datamartId, runId, config, runConfig, stdio, ...options);
  }

  /** Asks every run of this id to stop, also one that waits for its turn; gives their number. */
  cancel(runId, options) {
    return this.executionService.cancel(runId, options);
  }

  stream(datamartId, runId, config, runConfig, stdio = 'ignore', options = undefined) {
    const start = (more) => {
      const given = optionOf(options, 'signal');
      return this.executionService.execute(datamartId, runId, config, runConfig, stdio, {
        ...options,
        ...more,
        signal: given === undefined ? more.signal : eitherOf(more.signal, given),
      });
    };
    return new MessageStream(start, stdio);
  }
}

module.exports = ConnectorRunner;
