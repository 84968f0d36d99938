'use strict';

const { native } = require('./native');
const { inCallersRealm, makeObject, showGetters } = require('./realm');

class RunConfig extends native.RunConfig {
  constructor(input) {
    inCallersRealm(() => super(input, makeObject));
    showGetters(this, ['type', 'data', 'state']);
  }

  toObject() {
    return inCallersRealm(() => super.toObject(makeObject));
  }
}

module.exports = { RunConfig };
