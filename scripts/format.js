'use strict';
// Formats Rust with rustfmt and the rest with Prettier, or says what is not formatted.
//   node scripts/format.js [--check]

const { cargo, nodeTool, takeAll } = require('./tools');

const check = process.argv.includes('--check');

takeAll([
  cargo('fmt', check ? ['--check'] : [], 'rustup component add rustfmt'),
  nodeTool('prettier', [check ? '--check' : '--write', '--log-level=warn', '.']),
]);
