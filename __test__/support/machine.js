'use strict';
// What the machine of these tests was made to lack (scripts/degraded.js), and what that takes away.

const { test } = require('node:test');

/** The part that is missing, such as `landlock`; none on a machine as it is. */
const missing = process.env.DEGRADED_MACHINE?.split(':')[0];

/** Which parts of a kernel each layer of isolation stands on, to be there in full. */
const STANDS_ON = {
  processes: ['namespaces'],
  files: ['landlock', 'seccomp'], // the second for mode and times
  signals: ['landlock'],
  tcpPorts: ['landlock', 'seccomp'],
  unixSockets: ['seccomp'],
  systemCalls: ['seccomp'],
};

/** Whether the machine was made to lack this part. */
function lacks(part) {
  return missing === part || (missing === 'all' && part !== 'seccomp');
}

/** For a test that needs these layers in full, or parts of a kernel: why it is skipped, or false. */
function needs(...wanted) {
  const gone = wanted.filter((name) => (STANDS_ON[name] ?? [name]).some(lacks));
  return gone.length > 0 && `needs ${gone.join(', ')}: this machine was made to lack ${missing}`;
}

/** What isolation `strict` needs. */
const STRICT = Object.keys(STANDS_ON);

/** The modes of isolation that can be had here, beside `none`. */
const modes = needs(...STRICT) ? ['standard'] : ['standard', 'strict'];

/** `test` for tests that need these in full, or all layers: skipped where one is missing. */
function testWith(...wanted) {
  const skip = needs(...(wanted.length > 0 ? wanted : STRICT));
  return (name, ...more) => {
    const [options, work] = more.length > 1 ? more : [{}, more[0]];
    return test(name, skip ? { skip } : options, work);
  };
}

module.exports = { lacks, missing, modes, needs, testWith };
