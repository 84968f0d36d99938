'use strict';
// The state is of runs that succeeded and move it; how far any run came is its checkpoint.

const assert = require('node:assert/strict');
const { after, test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { rejection } = require('./support/output');
const { tempFolder } = require('./support/temp');

const print = (message) => `console.log(${JSON.stringify(JSON.stringify(message))});`;
const reached = (date, tables) => print({ type: 'updateLastRequstedDate', date, tables });
const DAY_1 = '2026-01-01T00:00:00.000Z';
const DAY_2 = '2026-01-02T00:00:00.000Z';
const TABLES = { fast: { date: DAY_2 }, late: { date: DAY_1, reachedAt: DAY_2 } };
const DAYS = reached(DAY_1) + reached(DAY_2);
const STAY = 'return new Promise(() => setInterval(() => {}, 1000));';

const package_ = connectorsPackage(
  { after },
  {
    sources: {
      Ends: `run() { ${DAYS} }`,
      Tables: `run() { ${reached(DAY_2, TABLES)} }`,
      OnlyTables: `run() { ${print({ type: 'isInProgress', status: true, reached: { tables: TABLES } })} }`,
      Silent: 'run() {}',
      Throws: `run() { ${DAYS} throw new Error('broke off'); }`,
      Status5: `run() { ${DAYS} ${print({ type: 'updateCurrentStatus', status: 5 })} }`,
      Killed: `run() { ${DAYS} process.kill(process.pid, 'SIGKILL'); ${STAY} }`,
      Stays: `run() { ${DAYS} ${STAY} }`,
    },
  },
);
const runner = new ConnectorRunner({
  connectorsPackage: package_,
  runsDir: tempFolder({ after }),
  isolation: 'none',
});

const run = (source, type, options, stdio = 'pipe') =>
  runner.run('id', 'run', new Config(configOf(source)), new RunConfig({ type }), stdio, options);

test('only runs that succeed and move the state have one; all have a checkpoint', async () => {
  for (const [type, moves] of [
    [undefined, true],
    ['INCREMENTAL', true],
    ['FULL_REFRESH', true],
    ['MANUAL_BACKFILL', false],
    ['CUSTOM', false],
    ['OF_THEIR_OWN', false],
  ]) {
    const { state, checkpoint } = await run('Ends', type);
    assert.deepEqual(state, moves ? { date: DAY_2 } : null, type);
    assert.deepEqual(checkpoint, { date: DAY_2 }, type);
  }
  const { state, checkpoint } = await run('Silent', 'INCREMENTAL');
  assert.deepEqual([state, checkpoint], [null, null]);
});

test('a state of several tables has the earliest date, and keeps what it does not know', async () => {
  const { state } = await run('Tables', 'INCREMENTAL');
  assert.deepEqual(state, { date: DAY_1, tables: TABLES });
  assert.deepEqual((await run('OnlyTables', 'INCREMENTAL')).state, { tables: TABLES });
});

test('a run that fails, is killed, takes too long, stalls or is cancelled has its checkpoint', async () => {
  const controller = new AbortController();
  const onMessage = ({ date }) => date === DAY_2 && controller.abort();
  for (const [source, status, options] of [
    ['Throws', 'failed'],
    ['Status5', 'failed'],
    ['Killed', 'failed'],
    ['Stays', 'cancelled', { signal: controller.signal, onMessage }],
  ]) {
    const { result, run: failed } = await rejection(run(source, 'INCREMENTAL', options));
    assert.equal(result.status, status, source);
    assert.equal(result.state, null, source);
    assert.deepEqual(result.checkpoint, { date: DAY_2 }, source);
    assert.deepEqual(failed.checkpoint, { date: DAY_2 }, source);
  }
  // long enough for the messages to come
  for (const [status, options] of [
    ['timeout', { timeoutMs: 5000 }],
    ['stalled', { stallTimeoutMs: 5000 }],
  ]) {
    const { result, run: failed } = await rejection(run('Stays', 'INCREMENTAL', options));
    assert.deepEqual(
      [result.status, result.state, result.checkpoint, failed.checkpoint],
      [status, null, { date: DAY_2 }, { date: DAY_2 }],
    );
  }
});

test('a run that never started has none', async () => {
  const { run: failed } = await rejection(
    runner.run('id', 'run', new Config(configOf('Ends', {}, 'Nowhere')), new RunConfig({})),
  );
  assert.equal(failed.checkpoint, undefined);
});
