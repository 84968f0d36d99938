'use strict';

const { toDay } = require('./dates');

/** The first and the last day among the rows of a run. */
class DateSpan {
  /** @type {string | null} YYYY-MM-DD */
  first = null;
  /** @type {string | null} YYYY-MM-DD */
  last = null;

  /**
   * @param {Record<string, unknown>[]} rows
   * @param {string} dateColumn
   */
  observe(rows, dateColumn) {
    for (const row of rows) {
      const day = toDay(row[dateColumn]);
      if (day === null) continue;
      if (this.first === null || day < this.first) this.first = day;
      if (this.last === null || day > this.last) this.last = day;
    }
  }
}

module.exports = { DateSpan };
