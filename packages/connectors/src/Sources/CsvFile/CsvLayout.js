'use strict';

const { ConnectorError } = require('../../Core/errors');

/** Which field of a record is which column, and how a record becomes a row. */
class CsvLayout {
  #names;
  #unnamed;
  #columns;
  #nullValues;
  #blank;

  /**
   * @param {string[]} header names of all fields. Many files have a delimiter at the end of each
   *   line, so a last field without name is left out; others are named by their number
   * @param {object} options
   * @param {string[]} options.fields columns to load, or `['all']`
   * @param {string[]} options.required columns that are always loaded
   * @param {string[]} options.known columns that must be in the file
   * @param {string[]} options.nullValues texts that mean "no value"
   * @throws {ConnectorError} when names are missing or not unique
   */
  constructor(header, { fields, required, known, nullValues }) {
    const last = header.length - 1;
    const names = header.map((name, index) => name || (index === last ? '' : `column${index + 1}`));
    this.#names = names;
    this.#unnamed = names[last] === '' ? last : -1;
    this.#nullValues = new Set(['', ...nullValues]);
    const isAll = fields.length === 1 && fields[0].toLowerCase() === 'all';
    const wanted = new Set(isAll ? names : [...fields, ...required]);
    for (const name of [...wanted, ...required, ...known]) this.#check(name);
    this.#columns = names
      .map((name, index) => ({ name, index }))
      .filter(({ name }) => name !== '' && wanted.has(name));
    // Copied for each row, so that all rows have the same shape and stay fast. JSON makes it,
    // because a column may be called "__proto__".
    const entries = this.#columns.map(({ name }) => `${JSON.stringify(name)}:null`);
    this.#blank = JSON.parse(`{${entries.join(',')}}`);
  }

  /**
   * @param {import('./CsvParser').CsvRecord} record
   * @returns {Record<string, string | null>}
   * @throws {ConnectorError} when the record has more or fewer fields than there are columns
   */
  toRow({ fields, line }) {
    if (fields.length !== this.#names.length) this.#checkLength(fields, line);
    if (this.#unnamed !== -1 && fields[this.#unnamed] !== '') {
      throw new ConnectorError(
        `Line ${line} has a value in field ${fields.length}, which has no name: name all by Columns`,
      );
    }
    const row = { ...this.#blank };
    for (const { name, index } of this.#columns) {
      const value = fields[index];
      if (!this.#nullValues.has(value)) row[name] = value;
    }
    return row;
  }

  #check(name) {
    const times = this.#names.filter((other) => other === name).length;
    if (name === '' || times === 1) return;
    const all = this.#names.filter((other) => other !== '').join(', ');
    throw new ConnectorError(
      times === 0
        ? `The file has no column "${name}", only ${all}: correct the name, or check Delimiter`
        : `The file has ${times} columns named "${name}": name all columns by Columns`,
    );
  }

  #checkLength(fields, line) {
    // Some writers end each line, but not the header, in a delimiter.
    const isTrailing = fields.length === this.#names.length + 1 && fields.at(-1) === '';
    if (isTrailing) return;
    throw new ConnectorError(
      `Line ${line} has ${fields.length} fields instead of ${this.#names.length}: ` +
        'correct the line, or check Delimiter',
    );
  }
}

module.exports = { CsvLayout };
