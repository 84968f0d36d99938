'use strict';
// `run --resume`: what a run that failed had reached is kept beside the state, for the same run.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const stamp = (day) => `${day}T00:00:00.000Z`;
const REACHED = {
  date: stamp('2026-01-10'),
  tables: { t: { date: stamp('2026-01-10'), reachedAt: stamp('2026-02-01') } },
};
const sources = {
  Moves: `run() {
    console.log(JSON.stringify({
      told: JSON.parse(process.env.OW_RUN_CONFIG).state,
      last: this.config.json.source.config.LastRequestedDate?.value,
    }));
    const said = process.env.SAYS && JSON.parse(process.env.SAYS);
    if (said) console.log(JSON.stringify(said));
    if (process.env.FAILS) throw new Error('broke off');
  }`,
};
const package_ = connectorsPackage({ after }, { sources });
const says = (state) => ({
  SAYS: JSON.stringify({ type: 'updateLastRequstedDate', ...state }),
});

function workspace(t) {
  const folder = writeFiles(tempFolder(t), { 'c.json': configOf('Moves') });
  const env = {
    ...process.env,
    OWOX_CONNECTORS_PACKAGE: package_,
    OWOX_RUNNER_RUNS_DIR: tempFolder(t),
  };
  return async (args, more = {}) => {
    const { stdout, stderr, code } = await runScript(
      'src/cli-wrapper.js',
      ['run', 'c.json', '--state', 's.json', '--isolation', 'none', ...args],
      { cwd: folder, env: { ...env, ...more } },
    );
    const state = path.join(folder, 's.json');
    const { date } = fs.existsSync(state) ? JSON.parse(fs.readFileSync(state, 'utf8')) : {};
    return { code, stderr, date, ...JSON.parse(stdout.split('\n')[0]) };
  };
}

test('a run that failed is resumed; the state has not moved, and an ordinary run goes on from that', async (t) => {
  const run = workspace(t);
  await run([], says({ date: stamp('2026-01-01') }));
  const failed = await run([], { ...says(REACHED), FAILS: '1' });
  assert.deepEqual([failed.code, failed.date], [1, stamp('2026-01-01')]);
  assert.match(failed.stderr, /Reached +to 2026-01-10: the same command with --resume/);
  const ordinary = await run([], { FAILS: '1' });
  assert.deepEqual([ordinary.told, ordinary.last], [{ date: stamp('2026-01-01') }, '2026-01-01']);
  const resumed = await run(['--resume'], says({ date: stamp('2026-01-30') }));
  assert.deepEqual([resumed.told, resumed.last], [REACHED, '2026-01-10']);
  assert.equal(resumed.date, stamp('2026-01-30'));
  // it is done: nothing is left to resume
  const again = await run(['--resume']);
  assert.deepEqual(again.told, { date: stamp('2026-01-30') });
  assert.match(again.stderr.replace(/\s+/g, ' '), /there is nothing to resume/);
});

test('a backfill is resumed by the same backfill only, and never moves the state', async (t) => {
  const run = workspace(t);
  await run([], says({ date: stamp('2026-03-01') }));
  const backfill = ['--run-type', 'MANUAL_BACKFILL', '--data', 'StartDate=2026-01-01'];
  const failed = await run(backfill, { ...says(REACHED), FAILS: '1' });
  assert.deepEqual([failed.code, failed.date], [1, stamp('2026-03-01')]);
  const { told: other } = await run([...backfill, '--data', 'EndDate=2026-02-01', '--resume']);
  assert.deepEqual(other, { date: stamp('2026-03-01') });
  const { told, date } = await run([...backfill, '--resume'], says({ date: stamp('2026-01-31') }));
  assert.deepEqual([told, date], [REACHED, stamp('2026-03-01')]);
  assert.deepEqual((await run([...backfill, '--resume'])).told, { date: stamp('2026-03-01') });
});
