'use strict';
// What Node.js itself warns of is no stderr of the connector's: hosts fail a run on any text there.

const assert = require('node:assert/strict');
const { after, test } = require('node:test');

const { sharedEnvironment } = require('./support/environment');

const sources = {
  // of Node's own, in whichever version
  Deprecated: `run() {
    for (let i = 0; i < 2; i += 1) {
      process.emitWarning('The old way is deprecated', { type: 'DeprecationWarning', code: 'DEP0042' });
    }
    process.emitWarning('It may change\\nat any time', 'ExperimentalWarning');
  }`,
  OwnWords: `run() {
    process.emitWarning('mine', { type: 'DeprecationWarning', code: 'MY_CODE' });
    process.emitWarning('of mine');
    console.error('an error');
    process.on('warning', (warning) => console.log('heard ' + warning.message));
  }`,
  Many: `run() {
    for (let i = 0; i < 500; i += 1) {
      process.emitWarning('x'.repeat(500) + i, { type: 'DeprecationWarning', code: 'DEP0001' });
    }
  }`,
};
const play = sharedEnvironment({ after }, { sources });

test('deprecations and experiments of Node.js are warnings of the run', async () => {
  const { result, stdout, stderr } = await play('Deprecated');
  assert.equal(stderr, '');
  assert.equal(stdout, '');
  assert.equal(result.warnings.length, 2, result.warnings.join());
  assert.equal(
    result.warnings[0],
    'Node.js: [DEP0042] DeprecationWarning: The old way is deprecated',
  );
  assert.equal(result.warnings[1], 'Node.js: ExperimentalWarning: It may change at any time');
});

test('what the connector warns of stays on stderr', async () => {
  const { result, stdout, stderr } = await play('OwnWords');
  assert.deepEqual(result.warnings, []);
  assert.match(stderr, /an error\n/);
  assert.match(stderr, /\[MY_CODE\] DeprecationWarning: mine\n/);
  assert.match(stderr, /Warning: of mine\n/);
  assert.equal(stdout, 'heard mine\nheard of mine\n');
});

test('whoever asks Node.js to trace or hide warnings gets that', async () => {
  const traced = await play('Deprecated', { NODE_OPTIONS: '--trace-deprecation' });
  assert.match(traced.stderr, /DeprecationWarning: The old way is deprecated\n\s+at /);
  const hidden = await play('Deprecated', { NODE_OPTIONS: '--no-warnings' });
  assert.deepEqual([hidden.stderr, hidden.result.warnings], ['', []]);
});

test('warnings without end take little', async () => {
  const { result, stderr } = await play('Many');
  assert.equal(stderr, '');
  assert.ok(result.warnings.length > 10 && result.warnings.length < 40, result.warnings.length);
});
