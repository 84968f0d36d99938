'use strict';

const { stringify } = require('./exactJson');

/**
 * A row's value as text that a storage can cast without loss.
 *
 * @param {unknown} value
 * @returns {string | null}
 */
function toText(value) {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? stringify(value) : String(value);
}

module.exports = { toText };
