'use strict';

const { ConnectorError } = require('../Core/errors');

/**
 * The names that a table has for the rows' columns. What cannot be told apart in it is refused when
 * the second of two comes, before the rows are staged.
 */
class ColumnNames {
  #title;
  #columnName;
  #reservedBy;
  #warn;
  /** the rows' column by the table's, in lower case */
  #sources = new Map();
  #names = new Map();

  /**
   * @param {object} dialect
   * @param {string} dialect.title of the service, for messages
   * @param {(source: string) => string} dialect.columnName
   * @param {(name: string) => string | null} [dialect.reservedBy] what a name begins with that the
   *   service keeps for itself
   * @param {(message: string) => void} warn
   */
  constructor({ title, columnName, reservedBy = () => null }, warn) {
    this.#title = title;
    this.#columnName = columnName;
    this.#reservedBy = reservedBy;
    this.#warn = warn;
  }

  /**
   * @param {string} source
   * @returns {string}
   * @throws {ConnectorError} where another column has the same name
   */
  nameOf(source) {
    const known = this.#names.get(source);
    if (known !== undefined) return known;
    const name = this.#free(source, this.#columnName(source));
    const other = this.#sources.get(name.toLowerCase());
    if (other !== undefined) {
      throw new ConnectorError(
        `Columns "${other}" and "${source}" have the same name in ${this.#title}: rename one of them`,
      );
    }
    this.#sources.set(name.toLowerCase(), source);
    this.#names.set(source, name);
    return name;
  }

  #free(source, name) {
    const prefix = this.#reservedBy(name);
    if (prefix === null) return name;
    const free = `column${name}`;
    this.#warn(
      `Column "${source}" is called "${free}" in ${this.#title}, which keeps names that begin with ` +
        `"${prefix}" for itself`,
    );
    return free;
  }
}

module.exports = { ColumnNames };
