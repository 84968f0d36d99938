'use strict';

const { toDay } = require('./dates');
const { TextRows } = require('./TextRows');

/** The first and the last day among the rows of a run. */
class DateSpan {
  /** @type {string | null} YYYY-MM-DD */
  first = null;
  /** @type {string | null} YYYY-MM-DD */
  last = null;

  /**
   * @param {Record<string, unknown>[] | TextRows} rows
   * @param {string} dateColumn
   */
  observe(rows, dateColumn) {
    if (rows instanceof TextRows) {
      const at = rows.columns.indexOf(dateColumn);
      for (const record of rows.records) this.#add(record[at]);
    } else {
      for (const row of rows) this.#add(row[dateColumn]);
    }
  }

  /** @param {DateSpan} other */
  include({ first, last }) {
    this.#add(first);
    this.#add(last);
  }

  #add(value) {
    const day = toDay(value);
    if (day === null) return;
    if (this.first === null || day < this.first) this.first = day;
    if (this.last === null || day > this.last) this.last = day;
  }
}

module.exports = { DateSpan };
