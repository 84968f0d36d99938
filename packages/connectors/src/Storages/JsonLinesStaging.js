'use strict';

const { toText } = require('../Core/toText');

/** Bounds the memory where rows are very wide; in characters. */
const MAX_BUFFERED_TEXT = 16 * 1024 * 1024;

/**
 * The rows of a run as text, one JSON object a line, which a subclass sends in batches. Member n is
 * the row's number, c0, c1 and so on are the rows' columns; one without value is left out.
 */
class JsonLinesStaging {
  rowCount = 0;
  /** @type {Map<string, string>} the rows' column to the staging column */
  columns = new Map();

  #maxRows;
  #lines = [];
  #size = 0;

  /** @param {number} maxRows of a batch */
  constructor(maxRows) {
    this.#maxRows = maxRows;
  }

  /** @param {Record<string, unknown>[]} rows */
  async write(rows) {
    for (const row of rows) {
      const staged = { n: this.rowCount };
      for (const [name, value] of Object.entries(row)) {
        if (!this.columns.has(name)) this.columns.set(name, `c${this.columns.size}`);
        const text = toText(value);
        if (text !== null) staged[this.columns.get(name)] = text;
      }
      this.rowCount += 1;
      const line = `${JSON.stringify(staged)}\n`;
      this.#size += line.length;
      this.#lines.push(line);
      const isFull = this.#lines.length >= this.#maxRows;
      if (isFull || this.#size > MAX_BUFFERED_TEXT) await this.flush();
    }
  }

  /** Sends what is left. */
  async flush() {
    if (this.#lines.length === 0) return;
    const text = this.#lines.join('');
    this.#lines = [];
    this.#size = 0;
    await this.send(text);
  }
}

module.exports = { JsonLinesStaging };
