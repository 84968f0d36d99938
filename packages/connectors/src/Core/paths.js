'use strict';
// Dotted paths into JSON, such as `data.items`. Of what an object has by nature nothing is found.

const { ConnectorError } = require('./errors');

/**
 * What is found by a path; `undefined` where it leads nowhere. `-1` is the last item of a list.
 *
 * @param {unknown} value
 * @param {string} path
 */
function valueAt(value, path) {
  let at = value;
  for (const name of path.split('.')) {
    if (at === null || typeof at !== 'object') return undefined;
    const key = Array.isArray(at) ? placeIn(at, name) : name;
    if (!Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** Of a list only items are found; -1 stands for none. */
function placeIn(list, name) {
  if (!/^-?\d+$/.test(name)) return -1;
  return name.startsWith('-') ? list.length + Number(name) : name;
}

/**
 * A copy with another value at a path; objects on the way to it are made where they are missing.
 *
 * @param {object} object
 * @param {string} path
 * @param {unknown} value
 * @returns {object}
 * @throws {ConnectorError} where the path leads through something that is no object
 */
function placeValue(object, path, value) {
  return placeAt(object, path.split('.'), value, path);
}

function placeAt(object, [name, ...rest], value, path) {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    throw new ConnectorError(
      `"${path}" leads through what is no object in Body: correct one of them`,
    );
  }
  const own = Object.hasOwn(object, name) ? object[name] : {};
  const placed = rest.length === 0 ? value : placeAt(own ?? {}, rest, value, path);
  return Object.fromEntries([
    ...Object.entries(object).filter(([key]) => key !== name),
    [name, placed],
  ]);
}

module.exports = { placeValue, valueAt };
