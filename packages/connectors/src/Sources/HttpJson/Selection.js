'use strict';

const { ConnectorError } = require('../../Core/errors');
const { stringify } = require('../../Core/exactJson');
const { dateFormats } = require('../../Core/DateFormat');
const { declaredTypes } = require('../../Core/declaredTypes');
const { valueAt } = require('../../Core/paths');

/** The wanted fields of records, as the storage gets them. */
class Selection {
  #wanted;
  #paths;
  #nullValues;
  #json;
  #dates;
  #missing;
  #hasRecords = false;

  /** @param {import('../../Core/AbstractConfig').AbstractConfig} config */
  constructor(config) {
    const fields = config.getValue('Fields');
    const dateColumn = config.getValue('DateColumn');
    const required = [
      ...config.getValue('UniqueKeys'),
      ...(dateColumn === null ? [] : [dateColumn]),
    ];
    const types = declaredTypes(config);
    const isAll = fields.some((field) => field.toLowerCase() === 'all');
    this.#dates = dateFormats(config);
    this.#wanted = isAll ? null : [...new Set([...required, ...fields])];
    // fields within fields that become columns of their own
    this.#paths = [
      ...new Set(
        [...required, ...Object.keys(types), ...this.#dates.keys()].filter((name) =>
          name.includes('.'),
        ),
      ),
    ];
    this.#nullValues = new Set(config.getValue('NullValues'));
    // columns that are JSON whatever their values are
    this.#json = Object.keys(types).filter((name) => types[name] === 'json');
    this.#missing = new Set(this.#wanted ?? []);
  }

  /** @returns {string[]} names that no record had, where there were any */
  get missing() {
    return this.#hasRecords ? [...this.#missing] : [];
  }

  /**
   * @param {object} record
   * @returns {Record<string, unknown>}
   * @throws {ConnectorError} where a date is not in the format that is given for it
   */
  take(record) {
    this.#hasRecords = true;
    for (const name of this.#missing) {
      if (findField(record, name) !== undefined) this.#missing.delete(name);
    }
    const names = this.#wanted ?? this.#paths;
    const own = names.map((name) => [name, findField(record, name) ?? null]);
    const isAsItIs = this.#wanted === null && own.length === 0;
    const row = isAsItIs
      ? { ...record }
      : Object.fromEntries([...(this.#wanted === null ? Object.entries(record) : []), ...own]);
    if (this.#nullValues.size > 0) {
      for (const name of Object.keys(row)) if (this.#nullValues.has(row[name])) row[name] = null;
    }
    for (const [name, format] of this.#dates) readDate(row, name, format);
    // A text in a JSON column has to be JSON, too.
    for (const name of this.#json) {
      if (typeof row[name] === 'string' && row[name] !== '') row[name] = stringify(row[name]);
    }
    return row;
  }
}

function readDate(row, name, format) {
  const value = Object.hasOwn(row, name) ? row[name] : null;
  if (value === null || value === undefined || value === '') return;
  const date = format.read(value);
  if (date === null) {
    throw new ConnectorError(
      `A record has the ${name} ${stringify(value)}, which is not in the format ${format}: ` +
        'correct DateFormat, or name the value in NullValues',
    );
  }
  row[name] = date;
}

/** A field of a record, or by a path such as `a.b` one within it; not what every object has. */
function findField(record, name) {
  return Object.hasOwn(record, name) ? record[name] : valueAt(record, name);
}

module.exports = { Selection };
