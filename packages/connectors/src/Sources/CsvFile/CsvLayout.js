'use strict';

const { ConnectorError } = require('../../Core/errors');

/** The columns of a file, and which field of a record belongs to which. */
class CsvLayout {
  #names;
  #unnamed;
  #positions;
  #nullValues;
  #longestNull;
  #readers;
  /** @type {string[]} names of the columns that are loaded */
  columns;
  #isWhole;

  /**
   * @param {string[]} header names of all fields. Many files have a delimiter at the end of each
   *   line, so a last field without name is left out; others are named by their number
   * @param {object} options
   * @param {string[]} options.fields columns to load, or `['all']`
   * @param {string[]} options.required columns that are always loaded
   * @param {string[]} options.known columns that must be in the file
   * @param {string[]} options.nullValues texts that mean "no value"
   * @param {boolean} [options.keepsEmpty] whether empty text is a value
   * @param {(column: string) => ((text: string, line: number) => string) | null} [options.readerOf]
   *   what reads the values of a column that are not meant as they are written
   * @throws {ConnectorError} when names are missing or not unique
   */
  constructor(header, options) {
    const { fields, required, known, nullValues, keepsEmpty = false, readerOf } = options;
    const last = header.length - 1;
    const names = header.map((name, index) => name || (index === last ? '' : `column${index + 1}`));
    this.#names = names;
    this.#unnamed = names[last] === '' ? last : -1;
    this.#nullValues = new Set(keepsEmpty ? nullValues : ['', ...nullValues]);
    const isAll = fields.length === 1 && fields[0].toLowerCase() === 'all';
    const wanted = new Set(isAll ? names : [...fields, ...required]);
    for (const name of [...wanted, ...required, ...known]) this.#check(name);
    const columns = names
      .map((name, index) => ({ name, index }))
      .filter(({ name }) => name !== '' && wanted.has(name));
    this.columns = columns.map(({ name }) => name);
    this.#positions = columns.map(({ index }) => index);
    this.#longestNull = Math.max(-1, ...[...this.#nullValues].map(({ length }) => length));
    const readers = this.columns.map((name) => readerOf?.(name) ?? null);
    this.#readers = readers.some((reader) => reader !== null) ? readers : null;
    const isWhole = columns.length === names.length && nullValues.length === 0;
    this.#isWhole = isWhole && this.#readers === null;
  }

  /**
   * The values of a record in the order of `columns`; a text that means "no value" is `null`.
   *
   * @param {import('./CsvParser').CsvRecord} record
   * @returns {(string | null)[]}
   * @throws {ConnectorError} when the record has more or fewer fields than there are columns
   */
  valuesOf({ fields, line }) {
    if (fields.length !== this.#names.length) this.#checkLength(fields, line);
    if (this.#unnamed !== -1 && fields[this.#unnamed]) {
      throw new ConnectorError(
        `Line ${line} has a value in field ${fields.length}, which has no name: name all by Columns`,
      );
    }
    const positions = this.#positions;
    const values = new Array(positions.length);
    for (let at = 0; at < positions.length; at += 1) {
      const value = fields[positions[at]];
      // the length first: looking a text up costs more than all the rest
      const mayBeNull = value === null || value.length <= this.#longestNull;
      values[at] = mayBeNull && this.#nullValues.has(value) ? null : value;
    }
    if (this.#readers !== null) this.#read(values, line);
    return values;
  }

  /**
   * A record as it is in the file, where that says just what `valuesOf` does.
   *
   * @param {import('./CsvParser').CsvRecord} record
   * @returns {string | null}
   */
  rawOf({ fields, raw }) {
    return this.#isWhole && fields.length === this.#names.length ? raw : null;
  }

  #read(values, line) {
    for (const [at, reader] of this.#readers.entries()) {
      if (reader !== null && values[at]) values[at] = reader(values[at], line);
    }
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
    const isTrailing = fields.length === this.#names.length + 1 && !fields.at(-1);
    if (isTrailing) return;
    throw new ConnectorError(
      `Line ${line} has ${fields.length} fields instead of ${this.#names.length}: ` +
        'correct the line, or check Delimiter',
    );
  }
}

module.exports = { CsvLayout };
