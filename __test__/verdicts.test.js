'use strict';
// Contract, section 6: what counts as success, and what a failure tells.

const assert = require('node:assert/strict');
const { after, test } = require('node:test');

const { Config, ConnectorRunError, ConnectorRunner } = require('@owox/connector-runner');
const { RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { sharedEnvironment } = require('./support/environment');
const { capture, rejection } = require('./support/output');
const { tempFolder } = require('./support/temp');

const status = (code) =>
  `console.log(JSON.stringify({ type: 'updateCurrentStatus', status: ${code} }))`;
const MANY = `for (let i = 0; i < 20000; i += 1) console.log('line ' + i);`;

const sources = {
  ThrowsSync: `run() { throw new Error('went wrong: ✓'); }`,
  ThrowsAsync: `async run() { await null; throw new TypeError('went wrong: ✓'); }`,
  ThrowsLate: `run() { return new Promise((_, reject) => setTimeout(reject, 5, new Error('went wrong: ✓'))); }`,
  ThrowsText: `run() { throw 'went wrong: ✓'; }`,
  ThrowsUndefined: `async run() { throw undefined; }`,
  ThrowsCause: `run() { throw new Error('outer', { cause: new Error('went wrong: ✓') }); }`,
  ThrowsCycle: `run() { const e = new Error('went wrong: ✓'); e.cause = e; throw e; }`,
  ThrowsForeign: `async run() { require('node:vm').runInNewContext('throw new Error("went wrong: ✓")'); }`,
  ThrowsNoStack: `run() { throw Object.assign(new Error('went wrong: ✓'), { stack: undefined }); }`,
  ThrowsLater: `run() { setTimeout(() => { throw new Error('went wrong: ✓'); }, 5); }`,
  ThrowsAfterOutput: `run() { ${MANY} throw new Error('went wrong: ✓'); }`,
  ThrowsWithHandles: `run() { setInterval(() => {}, 1000); throw new Error('went wrong: ✓'); }`,
  Status5: `run() { ${status(1)}; ${status(5)}; }`,
  Status5Text: `run() { ${status("'5'")}; }`,
  ExitsInMidImport: `run() { ${status(3)}; ${status(1)}; process.exit(0); }`,
  EndsInMidImport: `run() { ${status("'1'")}; }`,
  ExitsInCleanUp: `run() { ${status(1)}; ${status(2)}; process.exit(0); }`,
  Status5Recovered: `run() { ${status(5)}; ${status(3)}; }`,
  NeverSettles: `run() { return new Promise(() => {}); }`,
  Exit3: `run() { process.exit(3); }`,
  Exit0: `run() { process.exit(0); }`,
  ExitCode: `run() { process.exitCode = 4; }`,
  Killed: `run() { setInterval(() => {}, 1000); process.kill(process.pid, 'SIGTERM'); }`,
  Unhandled: `run() { Promise.reject(new Error('went wrong: ✓')); setInterval(() => {}, 1000); }`,
  MissingModule: `run() { require('a-module-that-is-missing'); }`,
  Handles: `run() { setTimeout(() => console.log('finished'), 30); }`,
  Thenable: `run() { return { then(resolve) { setTimeout(resolve, 5); } }; }`,
  Full: `run() {
    ${status(1)};
    console.log(JSON.stringify({ type: 'addWarningToCurrentStatus', warning: 'slow' }));
    console.log(JSON.stringify({ type: 'updateLastRequstedDate', date: '2026-01-01T00:00:00.000Z' }));
    console.log(JSON.stringify({ type: 'updateLastRequstedDate', date: '2026-01-02T00:00:00.000Z' }));
    ${status(3)};
  }`,
};
const play = sharedEnvironment({ after }, { sources });

/** Fields that every failed run has in common. */
function assertFailed(error, exitCode) {
  assert.ok(error instanceof ConnectorRunError, String(error));
  assert.equal(error.code, 'CONNECTOR_FAILED');
  assert.equal(error.result.status, 'failed');
  assert.equal(error.result.exitCode, exitCode);
  assert.equal(typeof error.stderrTail, 'string');
}

const THROWING = ['ThrowsSync', 'ThrowsAsync', 'ThrowsLate', 'ThrowsText', 'ThrowsCause'];
THROWING.push('ThrowsAfterOutput', 'ThrowsWithHandles', 'Unhandled', 'ThrowsLater');
THROWING.push('ThrowsCycle', 'ThrowsForeign', 'ThrowsNoStack');
for (const source of THROWING) {
  test(`${source}: exit code 1, and the stack on stderr`, async () => {
    const { error, stdout, stderr } = await play(source);
    assertFailed(error, 1);
    assert.equal(error.message, 'Connector execution failed with exit code: 1');
    assert.match(error.stderrTail, /went wrong: ✓/);
    assert.match(stderr, /went wrong: ✓/);
    if (!['ThrowsText', 'ThrowsNoStack'].includes(source)) assert.match(stderr, /\n\s+at /);
    if (source === 'ThrowsAfterOutput') {
      assert.equal(stdout.split('\n').length, 20001);
      assert.ok(stdout.endsWith('line 19999\n'));
    }
  });
}

test('undefined that is thrown is a failure too', async () => {
  const { error, stderr } = await play('ThrowsUndefined');
  assertFailed(error, 1);
  assert.match(stderr, /undefined/);
});

for (const source of ['Status5', 'Status5Text']) {
  test(`${source}: exit 0 after status 5 is a failure`, async () => {
    const { error } = await play(source);
    assertFailed(error, 0);
    assert.equal(error.result.lastStatus, 5);
    assert.match(error.message, /status was 5/);
  });
}

for (const source of ['ExitsInMidImport', 'EndsInMidImport']) {
  test(`${source}: exit 0 while the import is in progress is a failure that says so`, async () => {
    const { error } = await play(source);
    assertFailed(error, 0);
    assert.equal(error.result.lastStatus, 1);
    assert.match(error.message, /ended in mid-import: its last status was 1 .*exited with code 0/);
  });
}

test('the last status counts, not an earlier one', async () => {
  assert.equal((await play('ExitsInCleanUp')).result.status, 'success');
  const { result } = await play('Status5Recovered');
  assert.deepEqual([result.status, result.lastStatus], ['success', 3]);
});

test('a run() that never settles is a failure that says so', async () => {
  const { error, stderr } = await play('NeverSettles');
  assert.ok(error instanceof ConnectorRunError);
  assert.equal(error.code, 'CONNECTOR_FAILED');
  assert.equal(error.result.status, 'failed');
  assert.match(stderr, /never settled/);
});

test('process.exit and process.exitCode decide', async () => {
  const three = await play('Exit3');
  assertFailed(three.error, 3);
  assert.equal(three.error.message, 'Connector execution failed with exit code: 3');
  assertFailed((await play('ExitCode')).error, 4);
  assert.equal((await play('Exit0')).result.exitCode, 0);
});

test('a signal is named', async () => {
  const { error } = await play('Killed');
  assertFailed(error, null);
  assert.equal(error.message, 'Connector execution failed with exit code: null (SIGTERM)');
  assert.equal(error.result.signal, 'SIGTERM');
});

test('a missing module is named on stderr', async () => {
  const { error } = await play('MissingModule');
  assertFailed(error, 1);
  assert.match(error.stderrTail, /a-module-that-is-missing/);
});

test('a source that the package lacks is named', async () => {
  const { error } = await play('Absent');
  assertFailed(error, 1);
  assert.match(error.stderrTail, /Source class Absent not found/);
});

test('open handles on success finish as before', async () => {
  const { result, stdout } = await play('Handles');
  assert.equal(result.exitCode, 0);
  assert.equal(stdout, 'finished\n');
});

test('a thenable is awaited', async () => {
  assert.equal((await play('Thenable')).result.status, 'success');
});

test('stderrTail is the end of stderr, and bounded', async (t) => {
  const lines = `async run() {
    for (let i = 0; i < 20000; i += 1) process.stderr.write('ж line ' + i + '\\n');
    throw new Error('the end');
  }`;
  const { error, stderr } = await sharedEnvironment(t, { sources: { Loud: lines } })('Loud');
  assert.match(error.stderrTail, /line 19999\n[^]*the end/);
  assert.ok(error.stderrTail.length < 64 * 1024);
  assert.ok(stderr.endsWith(error.stderrTail) || error.stderrTail.includes('ж line 19999'));
  assert.doesNotMatch(error.stderrTail, /\ufffd/);
});

const options = {
  connectorsPackage: connectorsPackage({ after }, { sources }),
  runsDir: tempFolder({ after }),
};
const run = (source, stdio) =>
  new ConnectorRunner(options).run(
    'dm',
    'run',
    new Config(configOf(source)),
    new RunConfig({ type: 'INCREMENTAL' }),
    stdio,
  );

test('the result of a success has every field', async () => {
  const { pids, stdio } = capture();
  const result = await run('Full', stdio);
  assert.equal(result.status, 'success');
  assert.equal(result.exitCode, 0);
  assert.equal(result.signal, null);
  assert.deepEqual([result.pid], pids);
  for (const phase of ['environmentMs', 'spawnMs', 'executionMs', 'cleanupMs']) {
    assert.ok(Number.isInteger(result.timings[phase]) && result.timings[phase] >= 0, phase);
  }
  assert.ok(Number.isInteger(result.durationMs));
  assert.ok(result.durationMs >= result.timings.environmentMs + result.timings.executionMs);
  assert.match(result.environment.key, /^\S+$/);
  assert.equal(typeof result.environment.cached, 'boolean');
  assert.ok(result.resources.peakRssBytes > 10 * 2 ** 20);
  assert.ok(result.resources.cpuMs > 0);
  assert.equal(result.lastStatus, 3);
  assert.deepEqual(result.warnings, ['slow']);
  assert.deepEqual(result.state, { date: '2026-01-02T00:00:00.000Z' });
  assert.equal(typeof result.isolation, 'object');
});

test('a result without messages has null for status and state', async () => {
  const { lastStatus, state, warnings } = await run('Exit0', 'pipe');
  assert.deepEqual(
    { lastStatus, state, warnings },
    { lastStatus: null, state: null, warnings: [] },
  );
});

test('ConnectorRunner.run rejects with the same facts', async () => {
  const { stderr, stdio } = capture();
  const error = await rejection(run('ThrowsAsync', stdio));
  assertFailed(error, 1);
  assert.match(error.stderrTail, /TypeError: went wrong: ✓/);
  assert.equal(stderr.join(''), error.stderrTail);
  assert.match(error.result.environment.key, /^\S+$/);
  assert.equal(JSON.stringify(error), '{}');
});

test('verdict, state and stderrTail are there also with inherit-like stdio', async () => {
  for (const stdio of ['pipe', 'ignore']) {
    const error = await rejection(run('Status5', stdio));
    assertFailed(error, 0);
    const thrown = await rejection(run('ThrowsSync', stdio));
    assert.match(thrown.stderrTail, /went wrong: ✓/);
    assert.deepEqual((await run('Full', stdio)).state, { date: '2026-01-02T00:00:00.000Z' });
  }
});
