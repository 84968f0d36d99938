'use strict';

/**
 * Rows of texts that all have the same columns: a list of records and no objects, which is several
 * times as fast where a file has millions of them. Whoever wants objects iterates.
 */
class TextRows {
  /**
   * @param {string[]} columns
   * @param {(string | null)[][]} records the values of each row in the order of `columns`
   * @param {number[]} [lines] of each record, for messages
   * @param {{ texts: (string | null)[], delimiter: string }} [raw] the records as CSV (RFC 4180) that
   *   says just what their values do, where it is known: an empty field is `null`, none is empty text
   */
  constructor(columns, records, lines, raw) {
    this.columns = columns;
    this.records = records;
    this.lines = lines;
    this.raw = raw;
  }

  get length() {
    return this.records.length;
  }

  /** @yields {Record<string, string | null>} a row as an object */
  *[Symbol.iterator]() {
    const { columns } = this;
    // JSON makes the shape, because a column may be called "__proto__"
    const blank = JSON.parse(
      `{${columns.map((name) => `${JSON.stringify(name)}:null`).join(',')}}`,
    );
    for (const record of this.records) {
      const row = { ...blank };
      for (let at = 0; at < columns.length; at += 1) {
        if (record[at] !== null) row[columns[at]] = record[at];
      }
      yield row;
    }
  }
}

module.exports = { TextRows };
