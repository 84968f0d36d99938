'use strict';
// Host programs in a process of their own.

const { spawn } = require('node:child_process');
const path = require('node:path');

const { tempFolder, writeFiles } = require('./temp');

const root = path.join(__dirname, '..', '..');

/** Waits for a child process; gives its output and how it ended. */
function ended(child) {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name]?.setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ ...output, code, signal }));
  });
}

/** Starts a host program; `code` sees `runner`, the package, and `require`. */
function startHost(t, code, { name = 'host.js', args = [], flags = [], ...options } = {}) {
  const isModule = name.endsWith('.mjs');
  const prelude = isModule ? '' : `const runner = require(${JSON.stringify(root)});\n`;
  const file = path.join(writeFiles(tempFolder(t), { [name]: prelude + code }), name);
  const child = spawn(process.execPath, [...flags, file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** Runs a host program to its end. */
function runHost(t, code, options) {
  return ended(startHost(t, code, options));
}

/** Runs one of the package's scripts, such as the CLI, to its end. */
function runScript(script, args = [], options = {}) {
  const file = path.join(root, script);
  return ended(
    spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options }),
  );
}

/** Sets variables of this process for one test. */
function withVariables(t, variables) {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

module.exports = { ended, root, runHost, runScript, startHost, withVariables };
