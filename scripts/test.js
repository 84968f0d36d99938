'use strict';
// Runs the JavaScript tests in __test__/ with Node's own runner. The addon must be built.
//   node scripts/test.js [--OPTION=VALUE of node's] [FILE…]
// The files are listed here because Node 20 can neither expand patterns nor find this folder.

const { spawnSync } = require('node:child_process');
const { existsSync, mkdtempSync, readdirSync, rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { root, run } = require('./tools');

const FOLDER = path.join(root, '__test__');

function everyFile() {
  return (
    readdirSync(FOLDER, { recursive: true })
      .filter((name) => name.endsWith('.test.js') && !name.includes('node_modules'))
      // these need Python: npm run test:storages
      .filter((name) => !name.startsWith('storages'))
      .sort()
  );
}

/** Node's options and the files to run, as paths from the root. */
function plan(args) {
  const options = args.filter((arg) => arg.startsWith('-'));
  const named = args.filter((arg) => !arg.startsWith('-'));
  if (named.length > 0) return { options, files: named };
  return {
    options,
    files: everyFile().map((name) => path.relative(root, path.join(FOLDER, name))),
  };
}

function main() {
  const { options, files } = plan(process.argv.slice(2));
  const lost = files.filter((file) => !existsSync(path.resolve(root, file)));
  if (files.length === 0 || lost.length > 0) {
    console.error(
      files.length === 0
        ? `There are no tests: ${FOLDER} has no file that ends with .test.js`
        : `No such test file: ${lost.join(', ')}. Name files from ${root}, options as --name=value`,
    );
    return 1;
  }
  console.log(`Node.js ${process.version}`);
  // Runs keep state and store in the user's folders: not in those of whoever tests.
  const state = mkdtempSync(path.join(os.tmpdir(), 'connector-runner-state-'));
  try {
    const env = {
      ...process.env,
      XDG_STATE_HOME: state,
      OWOX_RUNNER_STORE: path.join(state, 'store'),
    };
    return run(process.execPath, ['--test', '--test-reporter=spec', ...options, ...files], env);
  } finally {
    spawnSync('chmod', ['-R', 'u+w', state]); // what is in a store is read-only
    rmSync(state, { recursive: true, force: true });
  }
}

process.exitCode = main();
