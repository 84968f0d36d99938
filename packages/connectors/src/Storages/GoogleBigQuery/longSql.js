'use strict';

const { castTo } = require('./sql');

/** BigQuery takes 1,024 K characters; less, for what is added to a statement on its way. */
const MOST_CHARACTERS = 1_000_000;

/**
 * A statement over typed columns. Where it would be too long for BigQuery, what casts a text is a
 * function for all columns that are cast alike.
 *
 * @param {object[]} columns as planned
 * @param {(valueOf: (column: object) => string) => string} statementFor
 * @returns {string} SQL
 */
function withFunctions(columns, statementFor) {
  const plain = statementFor(({ sqlType, staged, inferred }) => castTo(sqlType, staged, inferred));
  if (plain.length <= MOST_CHARACTERS) return plain;
  const names = new Map();
  for (const { sqlType, inferred } of columns) {
    const body = castTo(sqlType, 'x', inferred);
    if (body !== 'x' && !names.has(body)) names.set(body, `owox_cast_${names.size}`);
  }
  const functions = [...names].map(
    ([body, name]) => `CREATE TEMP FUNCTION ${name}(x STRING) AS (${body}); `,
  );
  const statement = statementFor(({ sqlType, staged, inferred }) => {
    const name = names.get(castTo(sqlType, 'x', inferred));
    return name === undefined ? staged : `${name}(${staged})`;
  });
  return `${functions.join('')}${statement}`;
}

module.exports = { withFunctions };
