'use strict';

const { ConnectorError } = require('../../Core/errors');
const { stringify } = require('../../Core/exactJson');
const { shown } = require('../../Core/http');

/**
 * Compares each page with the one before it. A server that does not know the parameter gives the
 * same page for ever; one that takes a page's number for the number of a record gives nearly the
 * same one. New records that come while pages are read move a few to the next page.
 */
class Overlap {
  #last = null;
  #pages = 0;
  #moved = 0;

  /** @returns {number} records that came again at the beginning of the next page */
  get moved() {
    return this.#moved;
  }

  /**
   * @param {object[]} records
   * @param {string} url
   * @returns {boolean} whether it is the page before once more, after which there is nothing new
   * @throws {ConnectorError}
   */
  observe(records, url) {
    const texts = records.map((record) => stringify(record));
    const last = this.#last;
    this.#last = texts;
    this.#pages += 1;
    if (last === null || texts.length === 0) return false;
    const again = overlapOf(last, texts);
    if (again === texts.length && again === last.length) {
      // Some servers give the last page for every number beyond it.
      if (this.#pages > 2) return true;
      throw new ConnectorError(
        `${shown(url)} gives the same page again: check Paging.Parameter, which the server seems to ignore`,
      );
    }
    // Records without anything of their own are alike by nature.
    if (new Set(texts).size < texts.length) return false;
    if (2 * again >= Math.min(texts.length, last.length) && again > 1) {
      throw new ConnectorError(
        `${shown(url)} begins with ${again} records of the page before it: check Paging.Parameter, ` +
          'and whether it counts pages (page) or records (offset, with its Step)',
      );
    }
    this.#moved += again;
    return false;
  }
}

/** How many records at the end of a page are those at the beginning of the next one. */
function overlapOf(last, next) {
  for (let count = Math.min(last.length, next.length); count > 0; count -= 1) {
    const from = last.length - count;
    if (
      next[0] === last[from] &&
      next.slice(0, count).every((text, at) => text === last[from + at])
    )
      return count;
  }
  return 0;
}

module.exports = { Overlap };
