'use strict';
// What a host would do without a store and a supervisor: npm, child_process, fs.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

/** The flags that the runner gives to npm, so that the difference is not in them. */
const NPM_FLAGS = [
  '--ignore-scripts',
  '--install-links',
  '--omit=dev',
  '--prefer-offline',
  '--no-audit',
  '--no-fund',
  '--no-progress',
  '--no-update-notifier',
];

/**
 * Starts a program, gives each chunk of its stdout to `onChunk`, and waits for its end.
 * @param {object} options as for `child_process.spawn`
 */
function spawned(program, args, options, onChunk = () => {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let errors = '';
    child.stdout.on('data', onChunk);
    child.stderr.on('data', (chunk) => {
      errors = (errors + chunk).slice(-4096);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}: ${errors}`));
    });
  });
}

/** `npm install` of what this text of a package.json names. */
async function npmInstall(directory, manifest) {
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, 'package.json'), manifest);
  await spawned('npm', ['install', ...NPM_FLAGS], { cwd: directory });
}

/** A whole run as without a runner: a folder, npm install, node main.js, and away with it. */
async function installSpawnRemove(directory, { manifest, script, variables }) {
  await npmInstall(directory, manifest);
  fs.writeFileSync(path.join(directory, 'main.js'), script);
  await spawned(process.execPath, ['main.js'], { cwd: directory, env: variables });
  fs.rmSync(directory, { recursive: true });
}

module.exports = { installSpawnRemove, npmInstall, spawned };
