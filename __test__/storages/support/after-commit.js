'use strict';
// Between COMMIT and the state, for a storage behind an emulator.

const { after, before } = require('node:test');

const { afterCommit } = require('../../support/after-commit');
const { target: targetOf } = require('./targets');

/** Declares the tests of one storage. */
function afterCommitOf(storage) {
  const { options, target } = targetOf(storage, { before, after });
  afterCommit(options, (place) => ({
    storage: target.storage(place, { DestinationTableName: 't' }),
    digest: () => target.read(place, 't', { id: 'string', day: 'date', v: 'string' }),
  }));
}

module.exports = { afterCommitOf };
