'use strict';
// Work in a fresh process: what one measurement leaves in memory does not touch the next.

const { fork } = require('node:child_process');
const path = require('node:path');

const HOST = path.join(__dirname, '..', 'host.js');

/**
 * Calls `cases[name](input)` of a module of bench/rows in a process of its own.
 * @param {number} limitMs after which the process is killed and the call fails
 */
function inFreshProcess(module, name, input, limitMs) {
  return new Promise((resolve, reject) => {
    const child = fork(HOST, { execArgv: ['--expose-gc'] });
    const timer = setTimeout(() => {
      reject(new Error(`${name} took longer than ${limitMs / 1000} s`));
      child.kill('SIGKILL');
    }, limitMs);
    child.once('message', (answer) => {
      if ('error' in answer) reject(new Error(answer.error));
      else resolve(answer.value);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`the process of ${name} ended with ${code ?? signal}`));
    });
    child.send({ module, name, input });
  });
}

module.exports = { inFreshProcess };
