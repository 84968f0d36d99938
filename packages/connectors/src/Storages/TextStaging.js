'use strict';

const { TextRows } = require('../Core/TextRows');
const { toText } = require('../Core/toText');

/** Bounds the memory where rows are very wide; in characters. */
const MAX_BUFFERED_TEXT = 16 * 1024 * 1024;

/**
 * The rows of a run as lines of text, which a subclass stages in batches by `send(text)`: each has
 * the row's number, called n, and the row's values, called c0, c1 and so on, so that no name from
 * outside can clash with a storage's own.
 */
class TextStaging {
  rowCount = 0;
  /** @type {Map<string, string>} the rows' column to the staging column */
  columns = new Map();
  /** @type {(name: string) => void} told of each of the rows' columns once, before it is staged */
  onColumn = () => {};

  #maxRows;
  #positions = new Map();
  #lines = [];
  #size = 0;

  /** @param {number} maxRows of a batch */
  constructor(maxRows) {
    this.#maxRows = maxRows;
  }

  /** @param {Record<string, unknown>[] | TextRows} rows */
  async write(rows) {
    if (rows instanceof TextRows) {
      await this.#writeTexts(rows);
      return;
    }
    for (const row of rows) {
      const texts = [];
      for (const name of Object.keys(row)) {
        texts[this.#positionOf(name)] = wellFormed(toText(row[name]));
      }
      const full = this.#add(this.lineOf(this.rowCount, texts));
      if (full !== null) await full;
    }
  }

  async #writeTexts({ columns, records, raw }) {
    const positions = columns.map((name) => this.#positionOf(name));
    const isInOrder = positions.every((position, at) => position === at);
    const raws = isInOrder && raw !== undefined && this.takesRaw(raw.delimiter) ? raw.texts : [];
    for (let index = 0; index < records.length; index += 1) {
      const record = records[index];
      const text = raws[index] ?? null;
      if (text !== null) {
        const full = this.#add(this.lineOfRaw(this.rowCount, text));
        if (full !== null) await full;
        continue;
      }
      let texts = record;
      if (!isInOrder) {
        texts = new Array(this.columns.size);
        positions.forEach((position, at) => (texts[position] = record[at]));
      }
      const full = this.#add(this.lineOf(this.rowCount, texts.map(wellFormed)));
      if (full !== null) await full;
    }
  }

  /** Adds a line; gives a promise where the batch is full and is being sent. */
  #add(line) {
    this.rowCount += 1;
    this.#size += line.length;
    this.#lines.push(line);
    const isFull = this.#lines.length >= this.#maxRows || this.#size > MAX_BUFFERED_TEXT;
    return isFull ? this.flush() : null;
  }

  /**
   * One JSON object, without the columns that have no value; other formats override it.
   *
   * @param {number} n
   * @param {(string | null)[]} texts by the position of their column; the last ones may be missing
   * @returns {string} with its line end
   */
  lineOf(n, texts) {
    const staged = { n };
    texts.forEach((text, position) => {
      if (text !== null) staged[`c${position}`] = text;
    });
    return `${JSON.stringify(staged)}\n`;
  }

  /** Tells whether records are staged as the CSV that they are; see `TextRows`. */
  takesRaw(_delimiter) {
    return false;
  }

  /** Sends what is left. */
  async flush() {
    if (this.#lines.length === 0) return;
    const text = this.#lines.join('');
    this.#lines = [];
    this.#size = 0;
    await this.send(text);
  }

  #positionOf(name) {
    let position = this.#positions.get(name);
    if (position === undefined) {
      this.onColumn(name);
      position = this.#positions.size;
      this.#positions.set(name, position);
      this.columns.set(name, `c${position}`);
    }
    return position;
  }
}

/** Half of a character cannot be stored anywhere, and makes JSON that some refuse. */
function wellFormed(text) {
  return text === null || text === undefined ? null : text.toWellFormed();
}

module.exports = { TextStaging };
