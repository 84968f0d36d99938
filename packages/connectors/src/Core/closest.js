'use strict';

/**
 * The known name that a mistyped one most likely means: letters apart from case, spaces and
 * underscores, or a few typing errors.
 *
 * @param {string} name
 * @param {string[]} known
 * @returns {string | undefined}
 */
function closest(name, known) {
  const wanted = plain(name);
  const [best] = known
    .map((candidate) => ({ candidate, errors: distance(wanted, plain(candidate)) }))
    .filter(({ candidate, errors }) => errors <= Math.ceil(Math.max(candidate.length, 4) / 4))
    .sort((a, b) => a.errors - b.errors);
  return best?.candidate;
}

function plain(name) {
  return name.toLowerCase().replace(/[\s_-]/g, '');
}

/** Levenshtein's distance: how many letters to add, drop or change. */
function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const changed = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row.at(-1);
}

module.exports = { closest };
