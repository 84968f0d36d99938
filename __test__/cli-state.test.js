'use strict';
// Contract, section 9: state files, LastRequestedDate, and paths in a configuration.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const DATE = '2026-03-04T00:00:00.000Z';
const dated = `console.log(JSON.stringify({ type: 'updateLastRequstedDate', date: '${DATE}' }));`;
const sources = {
  Moves: `run() { ${dated} }`,
  MovesThenFails: `run() { ${dated} throw new Error('x'); }`,
  Nothing: 'run() {}',
  Echo: `run() { console.log(JSON.stringify({
    source: JSON.parse(process.env.OW_CONFIG).source.config,
    storage: JSON.parse(process.env.OW_CONFIG).storage.config,
    state: JSON.parse(process.env.OW_RUN_CONFIG).state,
  })); }`,
};
const paths = (...names) =>
  JSON.stringify({
    parameters: Object.fromEntries(names.map((name) => [name, { format: 'path' }])),
    environment: { node: { enabled: true, dependencies: [] } },
  });
const env = {
  ...process.env,
  OWOX_CONNECTORS_PACKAGE: connectorsPackage(
    { after },
    {
      sources,
      after: `
        const others = { P: {}, LastRequestedDate: {}, Other: {} };
        Connectors.Echo.manifest = ${paths('File', 'Wrapped', 'Url', 'Absolute', 'Number', 'Absent')};
        Storages.Null.manifest = ${paths('Database')};
        Object.assign(Connectors.Echo.manifest.parameters, others);
        Object.assign(Storages.Null.manifest.parameters, others);`,
    },
  ),
  OWOX_RUNNER_RUNS_DIR: tempFolder({ after }),
};

/** A folder with this config.json and a state file, and a way to run the CLI there. */
function workspace(t, config, state = undefined) {
  const files = { 'deep/config.json': config };
  if (state !== undefined) files['state.json'] = state;
  const folder = writeFiles(tempFolder(t), files);
  const run = (...args) =>
    runScript('src/cli-wrapper.js', ['deep/config.json', ...args], { cwd: folder, env });
  const stateFile = path.join(folder, 'state.json');
  return { folder, run, state: () => JSON.parse(fs.readFileSync(stateFile, 'utf8')), stateFile };
}

test('the state is written after a successful run', async (t) => {
  const { folder, run, state } = workspace(t, configOf('Moves'));
  assert.equal((await run('--state', 'state.json')).code, 0);
  assert.equal(state().date, DATE); // what hosts and people read
  assert.deepEqual(fs.readdirSync(folder).sort(), ['deep', 'state.json']);
});

test('the state is not written after a failure', async (t) => {
  const before = { date: '2026-01-01T00:00:00.000Z', mine: 1 };
  const { run, state } = workspace(t, configOf('MovesThenFails'), before);
  assert.equal((await run('--state', 'state.json')).code, 1);
  const { connectorRunner, ...after } = state();
  assert.deepEqual(after, before);
  assert.equal(connectorRunner.others[0].checkpoints[0].state.date, DATE); // for --resume
  const missing = workspace(t, configOf('MovesThenFails'));
  await missing.run('--state', 'state.json');
  assert.deepEqual(Object.keys(missing.state()), ['connectorRunner']);
});

test('a run without a date leaves the state as it is', async (t) => {
  const before = { date: '2026-01-01T00:00:00.000Z', mine: 1 };
  const { run, state } = workspace(t, configOf('Nothing'), before);
  assert.equal((await run('--state', 'state.json')).code, 0);
  assert.deepEqual(state(), before);
});

test('the state reaches the run config, and LastRequestedDate the source', async (t) => {
  const before = { date: '2026-01-05T22:33:44.000Z', mine: [1] };
  const { run } = workspace(t, configOf('Echo', { P: 1 }), before);
  const { stdout } = await run('--state', 'state.json');
  const seen = JSON.parse(stdout);
  assert.deepEqual(seen.state, before);
  assert.deepEqual(seen.source, { P: { value: 1 }, LastRequestedDate: { value: '2026-01-05' } });
});

test('a LastRequestedDate of the config stays', async (t) => {
  for (const [given, expected] of [
    ['2025-12-31', { value: '2025-12-31' }],
    [{ value: '2025-12-31' }, { value: '2025-12-31' }],
  ]) {
    const config = configOf('Echo', { LastRequestedDate: given });
    const { run } = workspace(t, config, { date: DATE });
    const { stdout } = await run('--state', 'state.json');
    assert.deepEqual(JSON.parse(stdout).source, { LastRequestedDate: expected });
  }
});

test('without a state, or without a date in it, nothing is added', async (t) => {
  for (const state of [undefined, {}, { other: 1 }, { date: null }, { date: 'whenever' }]) {
    const { run } = workspace(t, configOf('Echo'), state);
    const { stdout, code } = await run('--state', 'state.json');
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout).source, {});
  }
  const { run } = workspace(t, configOf('Echo'), { date: DATE });
  assert.deepEqual(JSON.parse((await run()).stdout).source, {});
});

test('a state file that is broken is named, and nothing runs', async (t) => {
  for (const text of ['{', '[]', '"x"', '']) {
    const { run, stateFile } = workspace(t, configOf('Echo'), text);
    const { stdout, stderr, code } = await run('--state', 'state.json');
    assert.deepEqual({ stdout, code }, { stdout: '', code: 1 });
    assert.match(stderr, /^Error running connector: .*state\.json/m);
    assert.equal(fs.readFileSync(stateFile, 'utf8'), text);
  }
});

test('the config file itself is never changed', async (t) => {
  const { folder, run } = workspace(t, configOf('Echo', { File: './x' }), { date: DATE });
  const file = path.join(folder, 'deep/config.json');
  const before = fs.readFileSync(file, 'utf8');
  await run('--state', 'state.json');
  assert.equal(fs.readFileSync(file, 'utf8'), before);
});

test('relative paths count from the config file’s folder', async (t) => {
  const config = configOf('Echo', {
    File: './data.csv',
    Wrapped: { value: '../up.csv', label: 'L' },
    Url: 'https://example.com/x.csv',
    Absolute: '/abs/x.csv',
    Number: 7,
    Other: './not-a-path',
  });
  config.storage.config = { Database: 'out.db', Other: 'text' };
  const { folder, run } = workspace(t, config);
  const { stdout } = await run();
  const { source, storage } = JSON.parse(stdout);
  const at = (...parts) => path.join(folder, 'deep', ...parts);
  const value = ({ value: given }) => (typeof given === 'string' ? path.normalize(given) : given);
  assert.equal(value(source.File), at('data.csv'));
  assert.equal(value(source.Wrapped), at('..', 'up.csv'));
  assert.equal(source.Wrapped.label, 'L');
  assert.equal(source.Url.value, 'https://example.com/x.csv');
  assert.equal(source.Absolute.value, '/abs/x.csv');
  assert.equal(source.Number.value, 7);
  assert.equal(source.Other.value, './not-a-path');
  assert.equal('Absent' in source, false);
  assert.equal(value(storage.Database), at('out.db'));
  assert.equal(storage.Other.value, 'text');
});
