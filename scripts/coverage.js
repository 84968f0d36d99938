'use strict';
// Measures what the tests reach: Rust with cargo-tarpaulin, which needs no component of rustup
// with its LLVM engine, and JavaScript with Node's own coverage.
//   node scripts/coverage.js [rust|js]

const { cargo, root, run, takeAll } = require('./tools');
const path = require('node:path');

const rust = cargo(
  'tarpaulin',
  [
    ...['--engine', 'llvm', '--locked', '--no-default-features', '--skip-clean'],
    // a folder of its own, since its flags would make cargo build everything anew each time
    ...['--target-dir', path.join(root, 'target', 'tarpaulin')],
    ...['--out', 'Stdout', '--out', 'Html', '--output-dir', path.join(root, 'coverage')],
  ],
  'cargo install cargo-tarpaulin --locked',
);

const js = () =>
  run(process.execPath, [path.join(__dirname, 'test.js'), '--experimental-test-coverage']);

const steps = { rust, js };
const wanted = process.argv[2];
takeAll(steps[wanted] ? [steps[wanted]] : Object.values(steps));
