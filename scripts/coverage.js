'use strict';
// Measures what the tests reach: Rust with cargo-tarpaulin, whose LLVM engine needs no component
// of rustup, and JavaScript with Node's own coverage. What only JavaScript tests reach in Rust is
// not counted: the addon that they load is the ordinary one.
//   node scripts/coverage.js [rust|js]

const { readdirSync, rmSync } = require('node:fs');
const path = require('node:path');

const { cargo, root, run, takeAll } = require('./tools');

const tarpaulin = cargo(
  'tarpaulin',
  [
    ...['--engine', 'llvm', '--locked', '--no-default-features', '--skip-clean'],
    ...['--timeout', '300'],
    // a folder of its own: its flags would make cargo build everything anew each time
    ...['--target-dir', path.join(root, 'target', 'tarpaulin')],
    ...['--out', 'Stdout', '--out', 'Html', '--output-dir', path.join(root, 'coverage')],
  ],
  'cargo install cargo-tarpaulin --locked',
);

/** Processes started with variables of their own do not hear where profiles go, and litter. */
function removeStrayProfiles() {
  for (const name of readdirSync(root)) {
    if (name.endsWith('.profraw')) rmSync(path.join(root, name));
  }
}

const steps = {
  rust() {
    const status = tarpaulin();
    removeStrayProfiles();
    return status;
  },
  js: () => run(process.execPath, ['scripts/test.js', '--experimental-test-coverage']),
};

const wanted = process.argv[2];
takeAll(wanted in steps ? [steps[wanted]] : Object.values(steps));
