'use strict';

const { ConnectorError } = require('../../Core/errors');
const { escapedRecord } = require('./escapedRecord');

const QUOTE = 34;
const CR = 13;
const LF = 10;

/**
 * A CSV record.
 *
 * @typedef {object} CsvRecord
 * @property {(string | null)[]} fields `null` for an empty one without quotes, where these are kept
 *   apart
 * @property {number} line where it starts in the file, counted from 1
 * @property {string | null} raw the record as it is in the file, without its line end; `null` where
 *   fields are not written as RFC 4180 has it, or empty ones are in quotes
 */

/**
 * Splits CSV text into records as RFC 4180 has it: quoted fields may hold delimiters, line ends and
 * doubled quotes. Lines may end in LF, CRLF or CR; blank lines and those of delimiters only are skipped.
 *
 * Text comes in chunks cut anywhere. A record that is not complete yet is kept as text and read
 * again with the next chunk, which keeps the parser free of state; the limit on a record's length
 * bounds both that and the memory.
 */
class CsvParser {
  /** @type {string} */
  delimiter;
  #delimiter;
  #maxRecordLength;
  #comment;
  #escape;
  #empty;
  #rest = '';
  #line;
  /** @type {{ count: number, line: number | null }} lines of delimiters only, and the first of them */
  blank = { count: 0, line: null };

  /**
   * @param {object} [options]
   * @param {string} [options.delimiter] one character
   * @param {string | null} [options.comment] what lines begin with that are no records
   * @param {string | null} [options.escape] one character
   * @param {boolean} [options.keepsEmpty] whether an empty field in quotes is none without
   * @param {number} [options.line] number of the first line
   * @param {number} [options.maxRecordLength] in characters
   */
  constructor({
    delimiter = ',',
    comment = null,
    escape = null,
    keepsEmpty = false,
    line = 1,
    maxRecordLength = 16 * 1024 * 1024,
  } = {}) {
    this.delimiter = delimiter;
    this.#delimiter = delimiter.charCodeAt(0);
    this.#comment = comment;
    this.#escape = escape;
    this.#empty = keepsEmpty ? null : '';
    this.#line = line;
    this.#maxRecordLength = maxRecordLength;
  }

  /**
   * @param {string} text
   * @returns {CsvRecord[]} the records that are complete
   * @throws {ConnectorError} naming the line
   */
  write(text) {
    return this.#parse(this.#rest + text, false);
  }

  /** @returns {CsvRecord[]} the last record, where the file does not end in a line end */
  end() {
    return this.#parse(this.#rest, true);
  }

  #parse(text, isLast) {
    const records = [];
    let start = 0;
    while (start < text.length) {
      const record =
        this.#comment === null
          ? this.#next(text, start, isLast)
          : this.#nextOrComment(text, start, isLast);
      if (record === null) break;
      const { fields, isPlain, last } = record;
      if (last - start !== fields.length - 1) {
        const raw = isPlain ? text.slice(start, last) : null;
        records.push({ fields, line: this.#line, raw });
      } else if (fields.length > 1) {
        this.#addBlank();
      }
      this.#line += record.lines;
      start = record.end;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length > this.#maxRecordLength) {
      throw this.#error(
        `the record has more than ${this.#maxRecordLength} characters`,
        'probably a quote is opened and never closed',
      );
    }
    return records;
  }

  #addBlank() {
    this.blank.count += 1;
    this.blank.line ??= this.#line;
  }

  /** As `#next`; a comment is a record without fields. */
  #nextOrComment(text, start, isLast) {
    const comment = this.#comment;
    if (!isLast && comment.startsWith(text.slice(start, start + comment.length))) {
      if (!/[\r\n]./s.test(text.slice(start))) return null;
    }
    if (!text.startsWith(comment, start)) return this.#next(text, start, isLast);
    const [line] = /^[^\r\n]*(?:\r\n|\n|\r)?/.exec(text.slice(start));
    return { fields: [''], lines: 1, last: start, end: start + line.length };
  }

  /** One record from `start` on, or `null` where its end is not in the text yet. */
  #next(text, start, isLast) {
    if (this.#escape === null) return this.#readRecord(text, start, isLast);
    const record = escapedRecord(text, start, {
      isLast,
      delimiter: this.delimiter,
      escape: this.#escape,
      empty: this.#empty,
    });
    if (typeof record !== 'string') return record;
    throw this.#error(record, 'correct it, or check Delimiter and Escape');
  }

  #readRecord(text, start, isLast) {
    const delimiter = this.#delimiter;
    const empty = this.#empty;
    const { length } = text;
    const fields = [];
    let lines = 1;
    let isPlain = true;
    let at = start;
    for (;;) {
      if (text.charCodeAt(at) === QUOTE) {
        const close = closingQuote(text, at + 1);
        // A quote at the very end may be the first of a doubled one.
        if (!isLast && (close === -1 || close + 1 === length)) return null;
        if (close === -1) {
          throw this.#error('a quoted field is not closed', 'add the missing quote');
        }
        const field = text.slice(at + 1, close);
        if (close === at + 1) isPlain = false;
        lines += lineEndsIn(field);
        fields.push(field.includes('"') ? field.replaceAll('""', '"') : field);
        at = close + 1;
      } else {
        let end = at;
        for (; end < length; end += 1) {
          const code = text.charCodeAt(end);
          if (code === delimiter || code === LF || code === CR) break;
          if (code === QUOTE) isPlain = false;
        }
        fields.push(end === at ? empty : text.slice(at, end));
        at = end;
      }

      if (at === length) return isLast ? { fields, lines, isPlain, last: at, end: at } : null;
      const code = text.charCodeAt(at);
      if (code === delimiter) {
        at += 1;
      } else if (code === LF) {
        return { fields, lines, isPlain, last: at, end: at + 1 };
      } else if (code === CR) {
        // The LF of a CRLF may be in the next chunk.
        if (at + 1 === length && !isLast) return null;
        const end = text.charCodeAt(at + 1) === LF ? at + 2 : at + 1;
        return { fields, lines, isPlain, last: at, end };
      } else {
        throw this.#error(
          `field ${fields.length} goes on after its closing quote`,
          'double the quotes inside a quoted field, or check the delimiter',
        );
      }
    }
  }

  #error(cause, remedy) {
    return new ConnectorError(`CSV record at line ${this.#line}: ${cause}; ${remedy}`);
  }
}

/** The position of the quote that ends a field: the first that is not doubled; -1 if none. */
function closingQuote(text, start) {
  let at = text.indexOf('"', start);
  while (at !== -1 && text.charCodeAt(at + 1) === QUOTE) at = text.indexOf('"', at + 2);
  return at;
}

function lineEndsIn(field) {
  if (!field.includes('\n') && !field.includes('\r')) return 0;
  return field.match(/\r\n|\n|\r/g).length;
}

module.exports = { CsvParser };
