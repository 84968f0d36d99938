'use strict';

const { closest } = require('../../Core/closest');
const { ConnectorError } = require('../../Core/errors');
const { OBJECTS } = require('./objects');
const { REPORT, USUAL_METRICS, levelOf, reportAt } = require('./report');

const NAMES = [...Object.keys(OBJECTS), REPORT];
const ALL = 'all';

/**
 * What a run loads, from `Objects` ("campaigns, ads") and `Fields` ("campaigns campaign_name, …").
 *
 * @typedef {import('./objects').ApiObject & { name: string, columns: string[] | null }} Selected
 *   `columns` is null where everything is wanted that the API gives
 *
 * @param {import('../../Core/AbstractConfig').AbstractConfig} config
 * @returns {Selected[]}
 * @throws {ConnectorError} when a name is unknown
 */
function selectionOf(config) {
  const level = config.getValue('DataLevel');
  const objects = config
    .getValue('Objects')
    .map((given) => known(given, NAMES, 'object', 'Objects'));
  const wanted = fieldsByObject(config.getValue('Fields'), objects);
  const names = objects.length > 0 ? new Set(objects) : wanted.keys();
  const selected = [...names].map((name) => {
    const object = name === REPORT ? reportAt(level) : OBJECTS[name];
    return { ...object, name, columns: columnsOf(name, object, wanted.get(name) ?? [], level) };
  });
  if (selected.length === 0) {
    throw new ConnectorError(
      `Objects says nothing to load: set it to one or more of ${list(NAMES)}`,
    );
  }
  return selected;
}

/** @returns {Map<string, string[]>} fields as they are written in `Fields` */
function fieldsByObject(entries, objects) {
  const byObject = new Map();
  for (const entry of entries) {
    const words = String(entry).trim().split(/\s+/);
    if (words.length > 2) {
      throw new ConnectorError(
        `Fields has the entry "${entry}": write each as object and field, like ` +
          '"campaigns campaign_name", with a comma between entries',
      );
    }
    if (words.length === 1) words.unshift(onlyObject(entry, objects));
    const object = known(words[0], NAMES, 'object', 'Fields');
    if (objects.length > 0 && !objects.includes(object)) {
      throw new ConnectorError(
        `Fields asks for ${object}, but Objects is ${list(objects)}: add ${object} to Objects, or ` +
          `take "${entry}" out of Fields`,
      );
    }
    byObject.set(object, [...(byObject.get(object) ?? []), words[1]]);
  }
  return byObject;
}

function onlyObject(entry, objects) {
  if (objects.length === 1) return objects[0];
  throw new ConnectorError(
    `Fields has "${entry}" without its object: write it like "campaigns campaign_name"`,
  );
}

/** The columns of an object: its keys, then the wanted fields in the order given. */
function columnsOf(name, { types, uniqueKeys }, fields, level) {
  const isReport = name === REPORT;
  const isAll = fields.includes(ALL);
  for (const field of fields.filter((each) => each !== ALL && !Object.hasOwn(types, each))) {
    const needed = isReport ? levelOf(field) : undefined;
    if (needed !== undefined) {
      throw new ConnectorError(
        `${name} has no ${field} at DataLevel ${level}: set DataLevel to ${needed} or a finer one, ` +
          `or take ${field} out of Fields`,
      );
    }
    known(field, [...Object.keys(types), ALL], `field of ${name}`, 'Fields');
  }
  // A report has to name its metrics; other answers have all fields unless some are named.
  if (!isReport && (isAll || fields.length === 0)) return null;
  const chosen = isReport && fields.length === 0 ? USUAL_METRICS : fields;
  return [...new Set([...uniqueKeys, ...(isAll ? Object.keys(types) : chosen)])];
}

function known(given, names, kind, parameter) {
  const name = String(given).trim();
  if (names.includes(name)) return name;
  const meant = closest(name, names);
  const hint = meant === undefined ? '' : `did you mean ${meant}? `;
  throw new ConnectorError(
    `${parameter} has "${name}", which is no ${kind}: ${hint}There are ${list(names)}`,
  );
}

function list(names) {
  return names.join(', ');
}

module.exports = { selectionOf };
