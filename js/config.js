'use strict';
// Config, SourceConfig, StorageConfig: the rules are native; JavaScript supplies objects and
// errors of the caller's realm.

const { native } = require('./native');
const { inCallersRealm, makeObject, showGetters } = require('./realm');

class SourceConfig extends native.SourceConfig {
  constructor(input) {
    inCallersRealm(() => super(input, makeObject));
    showGetters(this, ['name', 'config']);
  }

  toObject() {
    return inCallersRealm(() => super.toObject(makeObject));
  }

  validate() {
    return inCallersRealm(() => super.validate(makeObject));
  }
}

class StorageConfig extends native.StorageConfig {
  constructor(input) {
    inCallersRealm(() => super(input, makeObject));
    showGetters(this, ['name', 'config']);
  }

  toObject() {
    return inCallersRealm(() => super.toObject(makeObject));
  }

  validate() {
    return inCallersRealm(() => super.validate(makeObject));
  }
}

// Native code makes the halves by these, so that `config.source instanceof SourceConfig`.
const makeSource = (input) => new SourceConfig(input);
const makeStorage = (input) => new StorageConfig(input);

class Config extends native.Config {
  constructor(input) {
    inCallersRealm(() => super(input, makeObject, makeSource, makeStorage));
    showGetters(this, ['datamartId', 'name', 'source', 'storage']);
  }

  static fromObject(input) {
    return new this(input);
  }

  toObject() {
    return inCallersRealm(() => super.toObject(makeObject));
  }

  validate() {
    return inCallersRealm(() => super.validate(makeObject));
  }
}

module.exports = { Config, SourceConfig, StorageConfig };
