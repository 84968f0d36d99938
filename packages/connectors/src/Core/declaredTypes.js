'use strict';

const { ConnectorError } = require('./errors');

/**
 * The types that `Types` declares. It is a list and not an object, because a configuration takes
 * objects for one-of choices.
 *
 * @param {import('./AbstractConfig').AbstractConfig} config
 * @returns {Record<string, string>}
 * @throws {ConnectorError}
 */
function declaredTypes(config) {
  const entries = config.getValue('Types').map((entry) => {
    const match = /^(.+):\s*(\w+)$/s.exec(entry);
    if (match === null) {
      throw new ConnectorError(`Types has the entry "${entry}": write it like "zip: string"`);
    }
    return [match[1].trim(), match[2]];
  });
  return Object.fromEntries(entries);
}

module.exports = { declaredTypes };
