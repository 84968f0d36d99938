'use strict';

const { isPlainDate } = require('./dates');
const { Notation, lookOf } = require('./spelling');

const DATES = ['date', 'timestamp', 'timestamptz'];

/**
 * The type of a column, as far as the rows so far show it.
 *
 * Nothing is lost by it: where two texts would become one value, the column stays text. That is so
 * for unique keys with decimals (3.1 and 3.10 are two versions) or with dates that are written in
 * two ways, for spellings of true and false, and for numbers where a storage finds two texts of one
 * (`mayMerge`).
 *
 * @typedef {'string' | 'integer' | 'number' | 'boolean' | 'date' | 'timestamp' | 'timestamptz'
 *   | 'json'} ColumnType
 *   integer: 64 bits; number: a double; timestamp: without a zone; timestamptz: a moment
 */
class Column {
  /** @type {unknown} the value that made the type what it is, for messages */
  example;
  /** @type {boolean | undefined} whether it has integers that a double cannot hold */
  hasBigInteger;
  /** @type {boolean} whether the source knows the type */
  isDeclared;
  /** @type {boolean} whether it has dates that not every database reads as they are written */
  hasOddDates = false;
  /** @type {boolean} whether it has empty texts, which are no value unless the column is text */
  hasEmpty = false;
  /** @type {boolean} whether it has texts and other values: a storage cannot tell them apart */
  isMixed = false;
  /** @type {number} how many values it had while it had a type of its own */
  typed = 0;

  /** @type {ColumnType | null} what the values are, whatever their spelling says */
  #kind;
  #isKey;
  #isText;
  #mergesTexts = false;
  #notation = null;
  #booleans = null;
  #look;
  /** whether it has values other than texts */
  #isOther = false;
  /** whether it has dates or timestamps without a zone */
  #hasUnzoned = false;

  /**
   * @param {ColumnType | null} declared
   * @param {{ isKey: boolean, isText: boolean }} options
   */
  constructor(declared, { isKey, isText }) {
    this.#kind = declared;
    this.isDeclared = declared !== null;
    this.#isKey = isKey;
    this.#isText = isText;
  }

  /** @returns {ColumnType | null} `null` while no row has a value */
  get type() {
    if (this.isDeclared || this.#kind === null) return this.#kind;
    const isVersion = this.#isKey && this.#isText && this.#kind === 'number';
    return isVersion || this.#mergesTexts ? 'string' : this.#kind;
  }

  /** @returns {ColumnType | null} what the values are; `type` unless the spelling says more */
  get kind() {
    return this.#kind;
  }

  /**
   * @returns {ColumnType | undefined} the type of the values where the column stays text for their
   *   spelling; a table that has this type already keeps it
   */
  get narrow() {
    return this.type === this.#kind ? undefined : this.#kind;
  }

  /** @returns {boolean} whether two of its texts may be one number, which only all rows tell */
  get mayMerge() {
    return this.type === 'number' && this.#notation !== null && this.#notation.mayMerge;
  }

  /** @returns {boolean} whether one more text of its type changes nothing but how many there are */
  get isIndifferent() {
    if (this.isDeclared) return false;
    return !this.#isKey || this.#kind === 'integer' || this.#kind === 'date';
  }

  /** @returns {boolean} whether some of its moments name a zone and others do not: these are UTC */
  get isPartlyZoned() {
    return this.type === 'timestamptz' && this.#hasUnzoned;
  }

  /** @returns {boolean} whether an empty text of it is no value */
  get takesEmpty() {
    return this.#kind !== 'string' && !this.#isKey;
  }

  /**
   * @returns {'value' | 'text' | null} how its staged texts become JSON: as they are, or as JSON's
   *   texts; `null` where nobody knows
   */
  get jsonForm() {
    if (this.isDeclared || this.#isText) return this.type === 'json' ? 'value' : null;
    if (['json', 'integer', 'number', 'boolean'].includes(this.type)) return 'value';
    return this.isMixed ? null : 'text';
  }

  /** Two texts of it are one value, which a storage has found: it stays text. */
  keepText() {
    this.#mergesTexts = true;
  }

  /**
   * @param {unknown} value
   * @param {ColumnType} found its type
   * @param {ColumnType} kind that of the column with it
   */
  add(value, found, kind) {
    if (kind === 'string' && (typeof value !== 'string' || this.#isOther)) this.isMixed = true;
    if (typeof value !== 'string') this.#isOther = true;
    if (kind !== this.#kind) {
      if (kind === 'number' && this.#kind === 'integer') this.addNumber(0);
      this.#kind = kind;
      this.example = value;
    }
    if (typeof value === 'string') this.#addSpelling(value, found);
  }

  /** A number of so many decimals that a double gives back as it is written. */
  addNumber(decimals) {
    this.#notation ??= new Notation();
    this.#notation.addDecimals(decimals);
  }

  #addSpelling(text, found) {
    if (this.#isText && this.#kind === 'number') {
      this.#notation ??= new Notation();
      this.#notation.add(text);
    } else if (this.#isText && found === 'boolean') {
      this.#booleans ??= new Map();
      const value = text.toLowerCase();
      const other = this.#booleans.get(value);
      if (other === undefined) this.#booleans.set(value, text);
      else if (other !== text) this.#mergesTexts = true;
    } else if (DATES.includes(found)) {
      this.addDate(text, found);
      if (!this.#isKey) return;
      const look = lookOf(text);
      this.#look ??= look;
      if (look === null || look !== this.#look) this.#mergesTexts = true;
    }
  }

  /**
   * Notes how a date is written.
   *
   * @param {string} text
   * @param {ColumnType} kind
   */
  addDate(text, kind) {
    if (kind !== 'timestamptz') this.#hasUnzoned = true;
    if (!this.hasOddDates && !isPlainDate(text)) this.hasOddDates = true;
  }
}

module.exports = { Column };
