'use strict';
// A host like OWOX's backend, as a process of its own, from its start to its shutdown.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { connectorsPackage } = require('./support/connectors');
const { isAlive } = require('./support/processes');
const { tempFolder } = require('./support/temp');

const SAY = `
    const say = (type, fields) => process.stdout.write(JSON.stringify({ type, at: 'now', ...fields }) + '\\n');`;

const SOURCES = {
  Plain: `async run() {${SAY}
    say('updateCurrentStatus', { status: 1 });
    process.stdout.write('plain text from a library\\n');
    say('log', { message: 'curly } brace { and "quote"' });
    process.stdout.write('{"type":"log","message":"a"}{"type":"log","message":"b"}\\n');
    say('updateLastRequstedDate', { date: '2026-01-02T00:00:00.000Z' });
    say('updateCurrentStatus', { status: 3 });
  }`,
  Large: `async run() {${SAY}
    for (let i = 0; i < 20000; i += 1) say('log', { message: 'ж'.repeat(i % 50), i });
  }`,
  Fails: `async run() {${SAY}
    say('updateCurrentStatus', { status: 5 });
    throw new Error('no access');
  }`,
  Waits: `run() {${SAY}
    return new Promise((resolve) => {
      const timer = setInterval(() => {}, 1000);
      process.on('SIGTERM', () => {
        clearInterval(timer);
        say('updateCurrentStatus', { status: 3 });
        say('log', { message: 'finished cleanly' });
        resolve();
      });
      say('updateCurrentStatus', { status: 1 });
    });
  }`,
};

test('a long-lived host runs, counts, and shuts down', { timeout: 60_000 }, async (t) => {
  const runsDir = tempFolder(t);
  const settings = {
    connectorsPackage: connectorsPackage(t, { sources: SOURCES }),
    runsDir,
    sources: ['Plain', 'Large', 'Fails', 'Waits', 'Plain'],
  };
  const host = fork(path.join(__dirname, 'host', 'data-mart-host.js'), [JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  t.after(() => host.kill('SIGKILL'));
  let printed = '';
  for (const stream of [host.stdout, host.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      printed += text;
    });
  }
  const reports = new Map();
  const pids = [];
  let stopped = false;
  let asked = false;
  const closed = once(host, 'close');
  host.on('message', ({ event, name, pid, report }) => {
    if (event === 'spawned') pids.push(pid);
    // it says so when it is ready for the signal
    if (event === 'output' && name === 'Waits' && !asked) asked = host.kill('SIGTERM');
    if (event === 'ended') reports.set(report.name, report);
    if (event === 'stopped') stopped = true;
  });

  const [code] = await closed;

  assert.equal(code, 0);
  assert.ok(stopped);
  assert.equal(printed, '', 'a library call prints nothing');
  assert.deepEqual([...reports.keys()], ['Plain', 'Large', 'Fails', 'Waits']);

  const plain = reports.get('Plain');
  assert.deepEqual(plain.errors, []);
  assert.deepEqual(plain.text, ['plain text from a library\n']);
  assert.deepEqual(
    plain.messages.map(({ message, status, date }) => message ?? status ?? date),
    [1, 'curly } brace { and "quote"', 'a', 'b', '2026-01-02T00:00:00.000Z', 3],
  );
  assert.equal(plain.result.status, 'success');
  assert.deepEqual(plain.result.state, { date: '2026-01-02T00:00:00.000Z' });

  const large = reports.get('Large');
  assert.deepEqual([large.text, large.errors], [[], []]);
  assert.deepEqual(
    large.messages.map(({ i }) => i),
    Array.from({ length: 20_000 }, (_, i) => i),
  );

  const fails = reports.get('Fails');
  assert.equal(fails.failure.code, 'CONNECTOR_FAILED');
  assert.match(fails.errors.join(''), /no access/);
  assert.equal(fails.failure.result.lastStatus, 5);

  const waits = reports.get('Waits');
  assert.equal(waits.messages.at(-1).message, 'finished cleanly');
  assert.deepEqual(waits.errors, []);
  assert.equal(waits.result.status, 'success');

  assert.equal(pids.length, 4);
  assert.deepEqual(pids.filter(isAlive), []);
  assert.deepEqual(fs.readdirSync(runsDir), []);
});
