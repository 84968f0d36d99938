'use strict';
// Runs what takes too long for `npm test`: the programs in __test__/heavy/, one after the other.
// The addon must be built.
//   node scripts/heavy.js                 all of them
//   node scripts/heavy.js NAME [ARG…]     one of them, with its arguments
// A new file in that folder is found by itself.

const { readdirSync } = require('node:fs');
const path = require('node:path');

const { root, run } = require('./tools');

const FOLDER = path.join(root, '__test__', 'heavy');
const every = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.js'))
  .map((name) => name.slice(0, -3))
  .sort();

function main([name, ...args]) {
  if (name && !every.includes(name)) {
    console.error(`There is no heavy test ${name}; there are ${every.join(', ')}`);
    return 1;
  }
  const failed = (name ? [name] : every).filter(
    (one) =>
      run(process.execPath, [
        '--expose-gc',
        path.join('__test__', 'heavy', `${one}.js`),
        ...args,
      ]) !== 0,
  );
  if (failed.length > 0) console.error(`Failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
