'use strict';

const { ConnectorError } = require('../../Core/errors');
const { parse } = require('../../Core/exactJson');
const { shown } = require('../../Core/http');
const { valueAt } = require('../../Core/paths');

/**
 * How the records of an answer are read.
 *
 * @typedef {object} Format
 * @property {(text: string) => unknown} parse
 * @property {(body: unknown, url: string) => object[]} recordsOf
 *
 * @param {import('../../Core/AbstractConfig').AbstractConfig} config
 * @returns {Format}
 */
function formatOf(config) {
  const path = config.getValue('RecordsPath');
  const at = (value) => (path === null ? value : valueAt(value, path));
  switch (config.getValue('Format')) {
    case 'ndjson':
      return {
        parse: linesOf,
        recordsOf: (lines, url) => objectsOnly(lines.map(at), url),
      };
    case 'map': {
      const key = config.getValue('Format', 'Key');
      return { parse, recordsOf: (body, url) => recordsOfMap(at(body), key, { path, url }) };
    }
    default:
      return { parse, recordsOf: (body, url) => objectsOnly(listAt(at(body), { path, url }), url) };
  }
}

/** One JSON value a line; lines without anything are none. */
function linesOf(text) {
  const values = [];
  for (const [at, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.trim() === '') continue;
    try {
      values.push(parse(line));
    } catch (cause) {
      if (cause instanceof ConnectorError) throw cause;
      const start = line.length > 60 ? `${line.slice(0, 60)}…` : line;
      throw new ConnectorError(
        `answered with a line ${at + 1} that is not JSON, "${start}": check Format, and whether the answer is whole`,
        { cause },
      );
    }
  }
  return values;
}

function listAt(list, { path, url }) {
  if (Array.isArray(list)) return list;
  const where = path === null ? 'The answer' : `${path} in the answer`;
  const remedy =
    kindOf(list) === 'an object'
      ? 'correct RecordsPath, or set Format to map'
      : 'correct RecordsPath';
  throw new ConnectorError(`${where} of ${shown(url)} is ${kindOf(list)} and no list: ${remedy}`);
}

/** Each member is a record, with its name as a field; what is no object is the field `value`. */
function recordsOfMap(map, key, { path, url }) {
  if (kindOf(map) !== 'an object') {
    const where = path === null ? 'The answer' : `${path} in the answer`;
    throw new ConnectorError(
      `${where} of ${shown(url)} is ${kindOf(map)} and no object: correct RecordsPath or Format`,
    );
  }
  return Object.entries(map).map(([name, value]) => {
    const fields = kindOf(value) === 'an object' ? Object.entries(value) : [['value', value]];
    if (fields.some(([field, own]) => field === key && own !== name)) {
      throw new ConnectorError(
        `A record of ${shown(url)} has a field "${key}" of its own, which is not its name "${name}": ` +
          'set Format.Key to another name',
      );
    }
    return Object.fromEntries([[key, name], ...fields]);
  });
}

function objectsOnly(records, url) {
  const odd = records.find((record) => kindOf(record) !== 'an object');
  if (odd === undefined && !records.includes(undefined)) return records;
  throw new ConnectorError(
    `A record of ${shown(url)} is ${kindOf(odd)} and no object: correct RecordsPath`,
  );
}

function kindOf(value) {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

module.exports = { formatOf };
