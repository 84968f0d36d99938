/* eslint-disable no-unused-vars */
'use strict';
// What the cores of both styles have in common.

const EXECUTION_STATUS = {
  IMPORT_IN_PROGRESS: 1,
  CLEANUP_IN_PROGRESS: 2,
  IMPORT_DONE: 3,
  CLEANUP_DONE: 4,
  ERROR: 5,
};

const DAY_MS = 86400000;

class AbstractConfig {
  constructor(data) {
    this.addParameter('Environment', { value: 2, requiredType: 'number' });
    for (const name in data) this.addParameter(name, data[name]);
  }

  mergeParameters(definitions) {
    for (const name in definitions) this.addParameter(name, definitions[name]);
    return this;
  }

  addParameter(name, definition) {
    const plain = name.replaceAll(/[^a-zA-Z0-9]/g, '');
    // what was configured comes last, so that it wins
    this[plain] = plain in this ? { ...definition, ...this[plain] } : { ...definition };
    return this;
  }

  validate() {
    for (const name in this) {
      const parameter = this[name];
      if (parameter.value === undefined && 'default' in parameter) {
        parameter.value = parameter.default;
      }
      if (parameter.isRequired === true && !parameter.value && parameter.value !== 0) {
        throw new Error(`Unable to load the configuration. The parameter ‘${name}’ is required`);
      }
    }
    return this;
  }

  handleStatusUpdate() {
    throw new Error('handleStatusUpdate must be implemented');
  }
}

class AbstractRunConfig {
  constructor({ type = 'INCREMENTAL', data = [], state = {} } = {}) {
    Object.assign(this, { type, data, state });
  }
}

class AbstractSource {
  constructor(config) {
    this.config = config;
  }
}

class AbstractStorage {
  constructor(config, uniqueKeyColumns, schema = null, description = null) {
    Object.assign(this, { config, uniqueKeyColumns, schema, description });
  }

  keyOf(record) {
    return this.uniqueKeyColumns.map((column) => String(record[column])).join('|');
  }
}
