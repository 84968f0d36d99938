'use strict';
// Runs at `npm install`. In a clone it builds the addon; as a dependency it does so only where no
// prebuilt package fits, in a target folder that is deleted afterwards (it would be 200 MB).

const { existsSync, mkdtempSync, rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { build, hasCargo, root } = require('./build');

const NEEDS_RUST =
  'The native addon of @owox/connector-runner has to be built, which needs Rust. Install it with ' +
  'rustup, then run npm install again.';

function loads() {
  try {
    require('../js/native');
    return true;
  } catch {
    return false;
  }
}

async function main() {
  const isClone = existsSync(path.join(root, '.git')) || existsSync(path.join(root, '__test__'));
  if (!isClone && loads()) return;
  if (!hasCargo()) {
    console.error(NEEDS_RUST);
    // a dependency must not make its host's install fail; require() will say what is missing
    process.exitCode = isClone ? 1 : 0;
    return;
  }
  console.error('Building the native addon with cargo (about half a minute on two cores) …');
  if (isClone) {
    await build();
    return;
  }
  const targetDir = mkdtempSync(path.join(os.tmpdir(), 'connector-runner-build-'));
  try {
    await build({ targetDir });
  } finally {
    rmSync(targetDir, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
