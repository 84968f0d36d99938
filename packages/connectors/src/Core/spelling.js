'use strict';

const MIXED = -1;
/** Every double has its own text of so many significant digits. */
const MOST_DIGITS = 17;
/** The least double written out has fewer characters; looking for zeros in millions would take hours. */
const LONGEST_DECIMAL = 1100;
const PLAIN = /^-?\d*(?:\.(\d+))?$/;

/**
 * Notes how the numbers of a column are written. Texts that a double gives back as they are, and
 * those that all have the same number of decimals, are different numbers where they are different
 * texts. Of others, such as 3.1 and 3.10, or 100 and 1e2, two may be the same one.
 */
class Notation {
  #areGivenBack = true;
  /** of every text, `undefined` before the first one */
  #decimals;

  /** @returns {boolean} whether two texts of the column may be one number */
  get mayMerge() {
    return !this.#areGivenBack && this.#decimals === MIXED;
  }

  /** @param {string} text a number */
  add(text) {
    const plain = PLAIN.exec(text);
    this.addDecimals(plain === null ? MIXED : (plain[1]?.length ?? 0));
    if (this.#areGivenBack && String(Number(text)) !== text) this.#areGivenBack = false;
  }

  /** Adds a number of which only this has to be known, since a double gives its text back. */
  addDecimals(decimals) {
    if (this.#decimals === undefined) this.#decimals = decimals;
    else if (this.#decimals !== decimals) this.#decimals = MIXED;
  }
}

/**
 * The look of a date or timestamp: texts of one look that differ are different moments.
 *
 * @param {string} text that has a `dateKind`
 * @returns {string | null} `null` where they need not be, since columns hold microseconds
 */
function lookOf(text) {
  const clock = text.slice(10);
  if (/\.\d{7}/.test(clock)) return null;
  const zone = /(?:Z|UTC|GMT|[+-][\d:]+)$/i.exec(clock)?.[0] ?? '';
  return `${text.length}${text.charAt(4)}${text.charAt(10)}${zone}`;
}

/**
 * Whether a double gives a decimal back with as many digits as it is written with: 0.1 is such a
 * one, and 48.053808600000004, as programs write doubles; 0.1234567890123456789 is not.
 *
 * @param {string} text a number
 * @returns {boolean}
 */
function isExactDecimal(text) {
  const number = Number(text);
  if (!Number.isFinite(number) || text.length > LONGEST_DECIMAL) return false;
  if (text.length <= 16 && !/e/i.test(text)) return true;
  const written = digitsOf(text);
  if (written.digits.length > MOST_DIGITS) return false;
  if (written.digits === '') return true;
  const given = digitsOf(number.toPrecision(written.digits.length));
  return written.digits === given.digits && written.exponent === given.exponent;
}

/** The significant digits, and the power of ten of the last one: one pair for each number. */
function digitsOf(text) {
  const [mantissa, exponent = '0'] = text.replace(/^-/, '').split(/e/i);
  const [whole, decimals = ''] = mantissa.split('.');
  const all = `${whole}${decimals}`.replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  if (digits === '') return { digits, exponent: 0 };
  return { digits, exponent: Number(exponent) - decimals.length + all.length - digits.length };
}

module.exports = { Notation, isExactDecimal, lookOf };
