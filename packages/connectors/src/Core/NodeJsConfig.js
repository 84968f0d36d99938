'use strict';

const { once } = require('node:events');
const { AbstractConfig } = require('./AbstractConfig');
const { ConnectorError } = require('./errors');

/** The config of a run in Node: reads what the runner hands over, prints messages on stdout. */
class NodeJsConfig extends AbstractConfig {
  #sourceName;
  #storageName;
  #drained = null;

  /**
   * @param {object} runnerConfig the variable OW_CONFIG, parsed:
   *   `{ name, source: { name, config }, storage: { name, config } }`
   * @throws {ConnectorError} when source and storage give one parameter different values
   */
  constructor({ source, storage }) {
    super(bothOf(source.config ?? {}, storage.config ?? {}));
    this.#sourceName = source.name;
    this.#storageName = storage.name;
  }

  getSourceName() {
    return this.#sourceName;
  }

  getStorageName() {
    return this.#storageName;
  }

  /** One JSON object a line on stdout; `at` is the time. Await it where much is printed. */
  print(type, fields = {}) {
    const line = JSON.stringify({ type, at: new Date().toISOString(), ...fields });
    if (!process.stdout.write(`${line}\n`) && this.#drained === null) {
      // One listener for all who wait: many would make Node warn on stderr.
      this.#drained = once(process.stdout, 'drain').then(() => {
        this.#drained = null;
      });
    }
    return this.#drained ?? Promise.resolve();
  }
}

function bothOf(source, storage) {
  for (const name of Object.keys(source)) {
    const isGivenTwice = Object.hasOwn(storage, name);
    if (isGivenTwice && JSON.stringify(source[name]) !== JSON.stringify(storage[name])) {
      throw new ConnectorError(
        `Parameter "${name}" has one value in the source and another in the storage: remove one`,
      );
    }
  }
  return { ...storage, ...source };
}

module.exports = { NodeJsConfig };
