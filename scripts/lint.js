'use strict';
// Clippy with and without the JavaScript binding, ESLint, and what others see of the packed
// package: entry points (publint) and types (attw). Warnings are errors.
//   node scripts/lint.js [--fix]

const { cargo, nodeTool, takeAll } = require('./tools');

const fix = process.argv.includes('--fix');

function clippy(...features) {
  const fixing = fix ? ['--fix', '--allow-dirty', '--allow-staged'] : [];
  const args = [...fixing, '--all-targets', '--locked', ...features, '--', '-D', 'warnings'];
  return cargo('clippy', args, 'rustup component add clippy');
}

takeAll([
  clippy(),
  clippy('--no-default-features'),
  nodeTool('eslint', ['--max-warnings=0', ...(fix ? ['--fix'] : []), '.']),
  nodeTool('publint', ['--strict']),
  nodeTool('@arethetypeswrong/cli', ['--pack', '.', '--format', 'ascii', '--no-color', '--quiet']),
]);
