'use strict';

const { ConnectorError } = require('./errors');

/** The package's storages, each with its classes; the package's index registers them. */
let registered = {};

/** @param {Record<string, Record<string, Function>>} storages */
function registerStorages(storages) {
  registered = storages;
}

/**
 * @param {string} className such as `DuckDbStorage`
 * @returns {Function} the class of a registered storage, or a global one
 */
function storageOf(className) {
  for (const members of Object.values(registered)) {
    if (Object.hasOwn(members, className)) return members[className];
  }
  if (typeof globalThis[className] === 'function') return globalThis[className];
  throw new ConnectorError(
    `There is no storage class ${className}: use one of ${Object.keys(registered).join(', ')}`,
  );
}

module.exports = { registerStorages, storageOf };
