'use strict';

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

  #maxRows;
  #positions = new Map();
  #lines = [];
  #size = 0;

  /** @param {number} maxRows of a batch */
  constructor(maxRows) {
    this.#maxRows = maxRows;
  }

  /** @param {Record<string, unknown>[]} rows */
  async write(rows) {
    for (const row of rows) {
      const texts = [];
      for (const name of Object.keys(row)) {
        // Half of a character cannot be stored anywhere, and makes JSON that some refuse.
        texts[this.#positionOf(name)] = toText(row[name])?.toWellFormed() ?? null;
      }
      const line = this.lineOf(this.rowCount, texts);
      this.rowCount += 1;
      this.#size += line.length;
      this.#lines.push(line);
      const isFull = this.#lines.length >= this.#maxRows;
      if (isFull || this.#size > MAX_BUFFERED_TEXT) await this.flush();
    }
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
      position = this.#positions.size;
      this.#positions.set(name, position);
      this.columns.set(name, `c${position}`);
    }
    return position;
  }
}

module.exports = { TextStaging };
