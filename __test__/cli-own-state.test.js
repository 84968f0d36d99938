'use strict';
// The state that each configuration has of its own, and the command `state`.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const DATE = '2026-03-04T00:00:00.000Z';
const sources = {
  Moves: `run() {
    console.log(JSON.stringify({ state: JSON.parse(process.env.OW_RUN_CONFIG).state }));
    console.log(JSON.stringify({ type: 'updateLastRequstedDate', date: '${DATE}' }));
    if (process.env.FAILS) throw new Error('x');
    if (process.env.DIES) process.kill(process.pid, 'SIGKILL');
  }`,
};
const package_ = connectorsPackage({ after }, { sources });

/** A configuration with a folder for state of its own. */
function workspace(t) {
  const folder = writeFiles(tempFolder(t), {
    'a/config.json': configOf('Moves'),
    'b/config.json': configOf('Moves'),
  });
  const env = {
    ...process.env,
    OWOX_CONNECTORS_PACKAGE: package_,
    OWOX_RUNNER_RUNS_DIR: tempFolder(t),
    XDG_STATE_HOME: path.join(folder, 'state'),
  };
  const cli = (args, more = {}) =>
    runScript('src/cli-wrapper.js', args, { cwd: folder, env: { ...env, ...more } });
  /** Runs a configuration; gives the state that it was told. */
  const run = async (args, more) => {
    const { stdout, code } = await cli(args, more);
    return { code, told: JSON.parse(stdout.split('\n')[0]).state };
  };
  const files = () => {
    const kept = path.join(folder, 'state', 'owox-connector-runner');
    return fs.existsSync(kept) ? fs.readdirSync(kept) : [];
  };
  return { cli, files, folder, run };
}

test('the second run goes on from the first, and each configuration by itself', async (t) => {
  const { files, run } = workspace(t);
  assert.deepEqual(await run(['a/config.json']), { code: 0, told: {} });
  assert.deepEqual(await run(['a/config.json']), { code: 0, told: { date: DATE } });
  assert.deepEqual(await run(['b/config.json']), { code: 0, told: {} });
  assert.equal(files().length, 2);
});

test('only an incremental run reads it, and a backfill does not move it', async (t) => {
  const { cli, files, run } = workspace(t);
  await run(['a/config.json', '--run-type', 'MANUAL_BACKFILL']);
  await run(['a/config.json', '--run-type', 'CUSTOM']);
  await run(['a/config.json', '--no-state']);
  assert.deepEqual(files(), []);
  await cli(['state', 'set', 'a/config.json', '2026-01-01']);
  for (const args of [['--run-type', 'MANUAL_BACKFILL'], ['--no-state']]) {
    assert.deepEqual(await run(['a/config.json', ...args]), { code: 0, told: {} });
  }
  const { stdout } = await cli(['state', 'get', 'a/config.json']);
  assert.equal(stdout, '{"date":"2026-01-01T00:00:00.000Z"}\n');
  await run(['a/config.json', '--run-type', 'FULL_REFRESH']);
  assert.equal((await cli(['state', 'get', 'a/config.json'])).stdout, `{"date":"${DATE}"}\n`);
});

test('a run that fails or is killed leaves it whole and as it was', async (t) => {
  const { cli, files, run } = workspace(t);
  await cli(['state', 'set', 'a/config.json', '2026-01-01']);
  for (const how of ['FAILS', 'DIES']) {
    assert.equal((await run(['a/config.json'], { [how]: '1' })).code, 1);
    const { stdout } = await cli(['state', 'get', 'a/config.json']);
    assert.equal(stdout, '{"date":"2026-01-01T00:00:00.000Z"}\n');
  }
  assert.equal(files().length, 1);
});

test('state get, set and clear', async (t) => {
  const { cli, folder } = workspace(t);
  const get = () => cli(['state', 'get', 'a/config.json']);
  assert.equal((await get()).stdout, '{}\n');
  assert.equal((await cli(['state', 'set', 'a/config.json', '{"date":null,"mine":[1]}'])).code, 0);
  assert.deepEqual(JSON.parse((await get()).stdout), { date: null, mine: [1] });
  assert.match((await cli(['state', 'clear', 'a/config.json'])).stdout, /begins anew/);
  assert.match((await cli(['state', 'clear', 'a/config.json'])).stdout, /no state/);
  assert.equal((await get()).stdout, '{}\n');

  const file = path.join(folder, 'mine.json');
  const set = await cli(['state', 'set', 'a/config.json', '2026-02-03', '--state', 'mine.json']);
  assert.equal(set.code, 0);
  assert.equal(JSON.parse(fs.readFileSync(file, 'utf8')).date, '2026-02-03T00:00:00.000Z');
  assert.equal((await get()).stdout, '{}\n');
});

test('state says what it did, in words beside what a program reads', async (t) => {
  const { cli } = workspace(t);
  const none = await cli(['state', 'get', 'a/config.json']);
  assert.deepEqual([none.stdout, none.code], ['{}\n', 0]);
  assert.match(none.stderr, /^No state yet: /);
  const set = await cli(['state', 'set', 'a/config.json', '2026-01-01']);
  assert.match(set.stdout, /^Set \{"date":"2026-01-01T00:00:00\.000Z"\} in \/.*\.json\n$/);
  const there = await cli(['state', 'get', 'a/config.json']);
  assert.equal(`Set ${there.stdout.trim()} in ${there.stderr}`, set.stdout);
});

test('state says what is wrong', async (t) => {
  const { cli } = workspace(t);
  for (const [args, said] of [
    [['get', 'a/confg.json'], /no configuration a\/confg\.json/],
    [['set', 'a/config.json', 'yesterday'], /2026-01-31/],
    [['set', 'a/config.json', '{"date":'], /not valid JSON/],
    [['set', 'a/config.json'], /<STATE>/],
  ]) {
    const { stdout, stderr, code } = await cli(['state', ...args]);
    assert.deepEqual({ stdout, code }, { stdout: '', code: 1 }, args.join(' '));
    assert.match(stderr, said);
  }
});
