'use strict';

const QUOTE = '"';

/**
 * One record of a file in which a character takes from the next one what it means, as MySQL and
 * Python write `\"` in quotes and `\,` without. `\N` stays as it is: many mean "no value" by it.
 *
 * @param {string} text
 * @param {number} start
 * @param {object} options
 * @param {boolean} options.isLast whether no more text comes
 * @param {string} options.delimiter
 * @param {string} options.escape
 * @param {string | null} options.empty what an empty field without quotes is
 * @returns {{ fields: (string | null)[], lines: number, last: number, end: number } | string | null}
 *   `null` where the record's end is not in the text yet, a text for what is wrong with it
 */
function escapedRecord(text, start, { isLast, delimiter, escape, empty }) {
  const fields = [];
  let lines = 1;
  let at = start;
  for (;;) {
    const isQuoted = text[at] === QUOTE;
    const field = isQuoted
      ? quoted(text, at + 1, escape)
      : plain(text, at, { delimiter, escape, isLast });
    if (field === null) {
      if (!isLast) return null;
      return isQuoted ? 'a quoted field is not closed' : 'the file ends in its escape character';
    }
    // A quote at the very end may be the first of a doubled one.
    if (isQuoted && !isLast && field.end === text.length) return null;
    lines += field.value.match(/\r\n|\n|\r/g)?.length ?? 0;
    fields.push(!isQuoted && field.end === at ? empty : field.value);
    at = field.end;
    if (at === text.length) return isLast ? { fields, lines, last: at, end: at } : null;
    if (text[at] === delimiter) {
      at += 1;
    } else if (text[at] === '\n') {
      return { fields, lines, last: at, end: at + 1 };
    } else if (text[at] === '\r') {
      if (at + 1 === text.length && !isLast) return null;
      return { fields, lines, last: at, end: text[at + 1] === '\n' ? at + 2 : at + 1 };
    } else {
      return `field ${fields.length} goes on after its closing quote`;
    }
  }
}

function quoted(text, start, escape) {
  let value = '';
  for (let at = start; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === escape && sign !== QUOTE) {
      at += 1;
      value += unescaped(text[at], escape);
    } else if (sign !== QUOTE) {
      value += sign;
    } else if (text[at + 1] === QUOTE) {
      value += QUOTE;
      at += 1;
    } else {
      return { value, end: at + 1 };
    }
  }
  return null;
}

function plain(text, start, { delimiter, escape }) {
  let value = '';
  for (let at = start; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === delimiter || sign === '\n' || sign === '\r') return { value, end: at };
    if (sign === escape) {
      at += 1;
      if (at === text.length) return null;
      value += unescaped(text[at], escape);
    } else {
      value += sign;
    }
  }
  return { value, end: text.length };
}

function unescaped(sign, escape) {
  return sign === 'N' ? `${escape}N` : sign;
}

module.exports = { escapedRecord };
