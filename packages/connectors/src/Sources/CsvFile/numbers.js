'use strict';

const { ConnectorError } = require('../../Core/errors');

/** What stands for a separator: typesetters use several spaces and apostrophes. */
const ALIKE = { ' ': '[ \\u00a0\\u2009\\u202f]', "'": "['\\u2019]" };
const GROUPS = ['.', ',', "'", ' ', '_'];
const DECIMAL_POINT = /^[+-]?\d*\.\d+(?:[eE][+-]?\d+)?$/;

/**
 * How numbers are written, where that is not `1234.5`.
 *
 * @param {import('../../Core/AbstractConfig').AbstractConfig} config
 * @returns {((text: string, column: string, line: number) => string) | null} writes a number so, and
 *   leaves other texts as they are; `null` where there is nothing to do
 * @throws {ConnectorError}
 */
function numberReader(config) {
  const decimal = config.getValue('DecimalSeparator');
  const group = config.getValue('ThousandsSeparator');
  if (!['.', ','].includes(decimal)) {
    throw new ConnectorError(
      `DecimalSeparator must be "." or ",", but is "${decimal}": correct it`,
    );
  }
  if (group !== null && (!GROUPS.includes(group) || group === decimal)) {
    throw new ConnectorError(
      `ThousandsSeparator must be one of . , ' _ or a space, and not the DecimalSeparator, but is "${group}": correct it`,
    );
  }
  if (decimal === '.' && group === null) return null;
  const between = group === null ? '(?!)' : (ALIKE[group] ?? `\\${group}`);
  const whole = `[1-9]\\d{0,2}(?:${between}\\d{2,3})*${between}\\d{3}|0|[1-9]\\d*|`;
  const number = new RegExp(`^([+-]?)(${whole})(?:\\${decimal}(\\d+))?([eE][+-]?\\d+)?(-?)$`);
  const groups = new RegExp(between, 'g');
  return (text, column, line) => {
    const [, sign, digits, decimals, exponent = '', minus] = number.exec(text) ?? [];
    if (digits === undefined || (digits === '' && decimals === undefined) || (sign && minus)) {
      return decimal === ',' ? otherwise(text, column, line) : text;
    }
    const plain = digits.replace(groups, '');
    // "+49" and "007" are no numbers, here as elsewhere
    if (plain === digits && decimals === undefined && minus === '') return text;
    const isNegative = sign === '-' || minus === '-';
    const fraction = decimals === undefined ? '' : `.${decimals}`;
    return `${isNegative ? '-' : ''}${plain || '0'}${fraction}${exponent}`;
  };
}

/** A point means something else in this file, so that it must not be read as a decimal one. */
function otherwise(text, column, line) {
  if (!DECIMAL_POINT.test(text)) return text;
  throw new ConnectorError(
    `Line ${line} has the ${column} "${text}", which is no number with DecimalSeparator ",": correct ` +
      `it, set ThousandsSeparator, or declare "${column}: string" in Types`,
  );
}

module.exports = { numberReader };
