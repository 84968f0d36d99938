'use strict';
// `run --resume`: what a run that failed had reached is kept beside the state, for the same run.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { root, runScript } = require('./support/host');
const { until } = require('./support/processes');
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
    for (const said of JSON.parse(process.env.SAYS ?? '[]')) console.log(JSON.stringify(said));
    if (process.env.HANGS) return new Promise(() => setInterval(() => {}, 1000));
    if (process.env.FAILS) throw new Error('broke off');
  }`,
};
const package_ = connectorsPackage({ after }, { sources });
const says = (...states) => ({
  SAYS: JSON.stringify(states.map((state) => ({ type: 'updateLastRequstedDate', ...state }))),
});

function workspace(t) {
  const folder = writeFiles(tempFolder(t), { 'c.json': configOf('Moves') });
  const env = {
    ...process.env,
    OWOX_CONNECTORS_PACKAGE: package_,
    OWOX_RUNNER_RUNS_DIR: tempFolder(t),
  };
  const command = ['run', 'c.json', '--state', 's.json', '--isolation', 'none'];
  const state = path.join(folder, 's.json');
  const run = async (args, more = {}) => {
    const { stdout, stderr, code } = await runScript('src/cli-wrapper.js', [...command, ...args], {
      cwd: folder,
      env: { ...env, ...more },
    });
    const { date } = fs.existsSync(state) ? JSON.parse(fs.readFileSync(state, 'utf8')) : {};
    return { code, stderr, date, ...JSON.parse(stdout.split('\n')[0]) };
  };
  /** Kills the command, without any chance to say goodbye, when its checkpoint is there. */
  const killed = async (args, more) => {
    const child = spawn(
      process.execPath,
      [path.join(root, 'src/cli-wrapper.js'), ...command, ...args],
      {
        cwd: folder,
        env: { ...env, ...more, HANGS: '1' },
        stdio: 'ignore',
      },
    );
    const end = once(child, 'exit');
    const kept = () =>
      fs.existsSync(state) && fs.readFileSync(state, 'utf8').includes('2026-01-10');
    await until(() => kept() || child.exitCode !== null, 'a checkpoint is kept');
    child.kill('SIGKILL');
    assert.deepEqual(await end, [null, 'SIGKILL']);
  };
  return Object.assign(run, { killed });
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

test('kill -9 of the command itself: what it had reached is kept as it goes on', async (t) => {
  const run = workspace(t);
  await run.killed([], says({ date: stamp('2026-01-09') }, REACHED));
  const ordinary = await run([], { FAILS: '1' });
  assert.deepEqual([ordinary.told, ordinary.date], [{}, undefined], 'the state has not moved');
  const resumed = await run(['--resume', '--wait'], says({ date: stamp('2026-01-30') }));
  assert.deepEqual([resumed.code, resumed.told, resumed.date], [0, REACHED, stamp('2026-01-30')]);
  const again = await run(['--resume']);
  assert.deepEqual(again.told, { date: stamp('2026-01-30') });
});

test('a backfill that was killed outlives incremental runs, but no full refresh', async (t) => {
  const run = workspace(t);
  const backfill = ['--run-type', 'MANUAL_BACKFILL', '--data', 'StartDate=2026-01-01'];
  await run.killed(backfill, says(REACHED));
  await run([], says({ date: stamp('2026-03-01') }));
  const failed = await run([], { ...says({ ...REACHED, date: stamp('2026-03-02') }), FAILS: '1' });
  assert.deepEqual([failed.code, failed.date], [1, stamp('2026-03-01')]);
  const resumed = await run([...backfill, '--resume'], { FAILS: '1' });
  assert.deepEqual(resumed.told, REACHED);
  // it has replaced what the backfill had saved
  await run(['--run-type', 'FULL_REFRESH'], says({ date: stamp('2026-03-03') }));
  const late = await run([...backfill, '--resume']);
  assert.deepEqual(late.told, { date: stamp('2026-03-03') });
  assert.match(late.stderr.replace(/\s+/g, ' '), /there is nothing to resume/);
});

// Connectors of 0.11: those that load one account or node after the other print the dates of each,
// and a backfill that went on at such a date would leave the later ones out.
test('one date for everything resumes no backfill, and one that went back nothing at all', async (t) => {
  const run = workspace(t);
  const one = { date: stamp('2026-01-10') };
  const backfill = ['--run-type', 'MANUAL_BACKFILL', '--data', 'StartDate=2026-01-01'];
  await run(backfill, { ...says(one), FAILS: '1' });
  const late = await run([...backfill, '--resume']);
  assert.deepEqual(late.told, {});
  assert.match(
    late.stderr.replace(/\s+/g, ' '),
    /gave one date \(2026-01-10\) .* not enough to go on/,
  );

  await run([], { ...says(one), FAILS: '1' });
  const warned = await run(['--resume'], { FAILS: '1' });
  assert.deepEqual(warned.told, one);
  assert.match(warned.stderr.replace(/\s+/g, ' '), /gave one date .* without --resume nothing/);

  const back = { ...says(one, { date: stamp('2026-01-01') }), FAILS: '1' };
  const full = ['--run-type', 'FULL_REFRESH'];
  const failed = await run(full, back);
  assert.doesNotMatch(failed.stderr, /Reached/);
  assert.match((await run([...full, '--resume'])).stderr.replace(/\s+/g, ' '), /nothing to resume/);
});
