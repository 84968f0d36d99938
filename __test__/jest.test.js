'use strict';
// Runs the Jest suite in __test__/jest as a host runs its own, with the check for open handles.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');

const { root } = require('./support/host');

function jest(args) {
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const program = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  return spawnSync(process.execPath, [program, ...args], { cwd: root, env, encoding: 'utf8' });
}

test('a host’s Jest suite passes, and leaves nothing open', () => {
  const config = path.join(__dirname, 'jest', 'jest.config.js');
  const { status, stderr } = jest(['--config', config, '--ci', '--detectOpenHandles']);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Tests: +\d+ passed, \d+ total$/m);
  assert.doesNotMatch(stderr, /open handle|did not exit|force exited/i);
});
