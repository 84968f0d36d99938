'use strict';

const { ConnectorError } = require('../../Core/errors');

const LONGEST = 16 * 1024 * 1024;
const LINE_END = /\r\n|\n|\r/g;
/** What spreadsheets write above a file, and understand there. */
const SEPARATOR = /^"?sep=(.)"?$/is;

/**
 * What is not CSV above and below a file's records: lines to skip, whatever quotes are in them, and a
 * line such as `sep=;`. Text comes in chunks cut anywhere; little more than these lines is held.
 */
class Edges {
  #skip;
  #skipAtEnd;
  #held = '';
  #isBegun = false;
  /** @type {number} of the first line that `write` gave */
  line = 1;
  /** @type {string | null} the delimiter that the file itself names */
  delimiter = null;

  /** @param {{ skip?: number, skipAtEnd?: number }} options numbers of lines; blank ones at the end
   *   do not count */
  constructor({ skip = 0, skipAtEnd = 0 }) {
    this.#skip = skip;
    this.#skipAtEnd = skipAtEnd;
  }

  /**
   * @param {string} text
   * @returns {string} what is surely none of the lines to skip
   * @throws {ConnectorError}
   */
  write(text) {
    return this.#read(text, false);
  }

  /** @returns {string} what is left */
  end() {
    return this.#read('', true);
  }

  #read(text, isLast) {
    if (this.#isBegun && this.#skipAtEnd === 0) return text;
    this.#held += text;
    if (!this.#isBegun && !this.#begin(isLast)) return '';
    // one more where the last line is not complete yet
    const lines = this.#skipAtEnd + (isLast ? 0 : 1);
    const cut = this.#skipAtEnd === 0 ? this.#held.length : startOfLast(this.#held, lines);
    const given = this.#held.slice(0, cut);
    this.#held = this.#held.slice(cut);
    if (this.#held.length > LONGEST) {
      throw new ConnectorError(
        `The last ${lines} lines have more than ${LONGEST} characters: correct SkipLinesAtEnd`,
      );
    }
    return given;
  }

  /** Reads the lines above; false where they are not complete. */
  #begin(isLast) {
    const text = this.#held;
    let start = 0;
    let line = 1;
    LINE_END.lastIndex = 0;
    for (;;) {
      const end = LINE_END.exec(text);
      const isCut = end === null || (end[0] === '\r' && LINE_END.lastIndex === text.length);
      if (isCut && !isLast) return this.#tooLong(text.length - start);
      const next = end === null ? text.length : LINE_END.lastIndex;
      if (line > this.#skip) {
        const own = SEPARATOR.exec(text.slice(start, end?.index ?? text.length));
        if (own !== null) [start, line, this.delimiter] = [next, line + 1, own[1]];
        break;
      }
      start = next;
      line += 1;
      if (end === null) break;
    }
    this.#held = text.slice(start);
    this.line = line;
    this.#isBegun = true;
    return true;
  }

  #tooLong(length) {
    // A first line that long is a record, and its parser knows what to say of it.
    if (length <= LONGEST) return false;
    this.#isBegun = this.#skip === 0;
    if (this.#isBegun) return true;
    throw new ConnectorError(
      `A line of the first ${this.#skip} has more than ${LONGEST} characters: correct SkipLines`,
    );
  }
}

/** Where the last so many lines begin that are not blank. */
function startOfLast(text, count) {
  let end = text.length;
  let left = count;
  while (left > 0 && end > 0) {
    const start = Math.max(text.lastIndexOf('\n', end - 1), text.lastIndexOf('\r', end - 1)) + 1;
    if (text.slice(start, end).trim() !== '') left -= 1;
    if (left === 0) return start;
    end = start - 1;
  }
  return 0;
}

module.exports = { Edges };
