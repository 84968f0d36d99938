'use strict';
// The Jest suite in __test__/jest, which uses the package as a host's suite does.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { ended, root } = require('./support/host');
const { tempFolder } = require('./support/temp');

const jest = require.resolve('jest/bin/jest');
const config = path.join('__test__', 'jest', 'jest.config.js');
const suites = fs
  .readdirSync(path.join(__dirname, 'jest'))
  .filter((name) => name.endsWith('.spec.js'));

/** What Jest prints about handles that stay open, and about workers that do not end. */
const LEFT_OPEN = /open handle|did not exit|force exited|forcing exit|failed to exit gracefully/i;

for (const [how, flags] of [
  ['in one process, with open handles detected', ['--detectOpenHandles']],
  ['in workers', ['--maxWorkers=2', '--workerThreads=false']],
]) {
  test(`the Jest suite passes ${how}`, { timeout: 300_000 }, async (t) => {
    const folder = tempFolder(t);
    const outputFile = path.join(folder, 'result.json');
    const child = spawn(
      process.execPath,
      [
        jest,
        `--config=${config}`,
        '--ci', // a snapshot that is missing is a failure
        '--json',
        `--outputFile=${outputFile}`,
        `--cacheDirectory=${path.join(folder, 'cache')}`,
        ...flags,
      ],
      { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    t.after(() => child.kill('SIGKILL'));
    // Jest says so and then waits for ever: enough is known
    child.stderr.on('data', (text) => {
      if (LEFT_OPEN.test(text)) child.kill('SIGKILL');
    });
    const { stderr, code, signal } = await ended(child);
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);

    const result = JSON.parse(fs.readFileSync(outputFile, 'utf8'));
    assert.equal(result.success, true);
    assert.equal(result.numPassedTestSuites, suites.length);
    assert.equal(result.numPassedTests, result.numTotalTests, 'none is skipped');
    assert.ok(result.numTotalTests > 50, `${result.numTotalTests} tests`);
    assert.deepEqual(result.openHandles, []);
    const { added, unchecked, matched } = result.snapshot;
    assert.deepEqual({ added, unchecked }, { added: 0, unchecked: 0 });
    assert.ok(matched > 0);
    assert.doesNotMatch(stderr, LEFT_OPEN);
  });
}
