'use strict';
// What the machine of these tests was made to lack (scripts/degraded.js), and what that takes away.

const { test } = require('node:test');

/** The part that is missing, such as `landlock`; none on a machine as it is. */
const missing = process.env.DEGRADED_MACHINE?.split(':')[0];

/** Which part of a kernel each layer of isolation stands on. */
const STANDS_ON = {
  processes: 'namespaces',
  files: 'landlock',
  signals: 'landlock',
  tcpPorts: 'landlock',
  unixSockets: 'seccomp',
  systemCalls: 'seccomp',
};

/** Whether the machine was made to lack this part. */
function lacks(part) {
  return missing === part || (missing === 'all' && part !== 'seccomp');
}

/** For a test that needs these layers in full: why it is skipped, or false. */
function needs(...layers) {
  const gone = layers.filter((layer) => lacks(STANDS_ON[layer]));
  return gone.length > 0 && `layer ${gone.join(', ')}: this machine was made to lack ${missing}`;
}

/** `test` for tests that need these layers in full, or all of them: skipped where one is missing. */
function testWith(...layers) {
  const skip = needs(...(layers.length > 0 ? layers : Object.keys(STANDS_ON)));
  return (name, ...more) => {
    const [options, work] = more.length > 1 ? more : [{}, more[0]];
    return test(name, skip ? { skip } : options, work);
  };
}

module.exports = { lacks, missing, needs, testWith };
