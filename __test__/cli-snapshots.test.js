'use strict';
// What the command line prints, word for word: help, errors, `check`, `spec`, runs without a
// terminal. The texts are in snapshots/.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { root, runScript } = require('./support/host');
const { matches, normalised, transcript, unused } = require('./support/snapshot');
const { tempFolder, writeFiles } = require('./support/temp');

const { version } = require('@owox/connector-runner/package.json');

const say = (message) => `console.log(${JSON.stringify(JSON.stringify(message))});`;
const IMPORT = `
  ${say({ type: 'updateCurrentStatus', status: 1 })}
  ${say({ type: 'log', message: '12 rows of ads were fetched' })}
  console.log('plain text');
  ${say({ type: 'addWarningToCurrentStatus', warning: 'one account was left out' })}`;
const DONE =
  say({ type: 'updateLastRequstedDate', date: '2026-01-31T00:00:00.000Z' }) +
  say({ type: 'updateCurrentStatus', status: 3 });
const summary = (table, rows) => ({
  ...{ type: 'log', message: 'saved' },
  summary: { rows, total: rows * 2, table, firstDate: '2026-01-01', lastDate: '2026-01-31' },
});
const parameters = {
  Account: { type: 'string', required: true, description: 'Whose ads' },
  Token: { type: 'string', secret: true, description: 'From the settings' },
  Days: { type: 'number', default: 2, minimum: 1 },
  Auth: { oneOf: [{ value: 'key', items: { Key: { type: 'string', required: true } } }] },
};
const package_ = connectorsPackage(
  { after },
  {
    sources: {
      Ads: `run() { ${IMPORT} ${DONE} }`,
      Tables: `run() { ${say(summary('ads', 1200))} ${say(summary('campaigns', 7))} ${DONE} }`,
      Fails: `run() { ${IMPORT} throw new Error('The API answered 403: check the token'); }`,
      Reports: `run() { ${say({ type: 'error', error: 'no such account' })} ${say({ type: 'updateCurrentStatus', status: 5 })} }`,
      Silent: `run() { process.exit(7); }`,
      Waits: 'run() { return new Promise(() => setInterval(() => {}, 1000)); }',
    },
    after: `Connectors.Ads.manifest = ${JSON.stringify({ title: 'Ads', description: 'Ads by day.', parameters })};`,
  },
);
const config = (source, given = { Account: 'me' }) =>
  JSON.stringify(configOf(source, given), null, 2);
const files = {
  'ads.json': config('Ads'),
  'tables.json': config('Tables', {}),
  'fails.json': config('Fails', {}),
  'reports.json': config('Reports', {}),
  'silent.json': config('Silent', {}),
  'waits.json': config('Waits', {}),
  'broken.json': config('Ads').replace('"source": {', '"source": {,'),
  'wrong-name.json': config('Asd'),
  'no-name.json': JSON.stringify({ ...configOf('Ads'), name: '' }),
  'typo.json': config('Ads', { Acount: 'me', Token: 'secret-value', Days: 0, Auth: { kye: {} } }),
};
const folder = writeFiles(tempFolder({ after }), files);
const home = tempFolder({ after });
const { CI: _ci, NO_COLOR: _no, FORCE_COLOR: _force, ...others } = process.env;
const env = {
  ...others,
  HOME: home,
  XDG_STATE_HOME: path.join(home, '.local', 'state'),
  OWOX_CONNECTORS_PACKAGE: package_,
  OWOX_RUNNER_RUNS_DIR: tempFolder({ after }),
};
const replaced = {
  [package_]: '<PACKAGE>',
  [folder]: '<FOLDER>',
  [home]: '<HOME>',
  [version]: '<VERSION>',
};

const names = [];

/** A test of what these commands print, one after the other. */
function snapshot(name, commands, more = {}) {
  names.push(name);
  test(`snapshot ${name}`, async () => {
    const texts = [];
    for (const args of commands) {
      const options = { cwd: folder, env: { ...env, ...more.env } };
      const done = await runScript('src/cli-wrapper.js', args, options);
      const text = transcript({ args, ...done }, replaced);
      texts.push(more.also ? more.also(text) : text);
    }
    matches(name, texts.join('\n'));
  });
}

/** Without frames of stacks, which differ between versions of Node.js. */
const withoutFrames = (text) =>
  text
    .replace(/^ {4,}at .*\n/gm, '')
    .replace(/^.*"text":" {4,}at .*\n/gm, '')
    .replace(/\nNode\.js v.*\n/g, '\n')
    .replace(/"stderrTail":"(?:[^"\\]|\\.)*"/g, '"stderrTail":"<TEXT>"');
/** Without what is said of an environment that is not there yet: whoever runs first installs it. */
const warm = (text) =>
  text
    .replace(/^Preparing: .*\n/m, '')
    .replace(' (from the store)', '')
    .replace(', <N> s clean-up', '') // where it took long enough to be told
    .replace(/"cached":\w+/, '"cached":true')
    .replace(/^\{"type":"(step|usage)".*\n/gm, '');
/** Without the layers of isolation, which are the machine's. */
const anywhere = (text) => text.replace(/"layers":\[.*?\]/g, '"layers":[<LAYERS>]');

for (const command of ['', 'run', 'check', 'spec', 'init', 'doctor', 'state', 'store']) {
  const args = [...(command ? [command] : []), '--help'];
  snapshot(`help-${command || 'top'}`, [args]);
}
snapshot(
  'help-state-commands',
  ['get', 'set', 'clear'].map((name) => ['state', name, '--help']),
);
snapshot(
  'help-store-commands',
  ['list', 'verify', 'prune', 'warm', 'lock'].map((name) => ['store', name, '--help']),
);
snapshot('wrong-arguments', [
  [],
  ['chekc', 'ads.json'],
  ['export', 'ads.json'],
  ['ads.json', 'tables.json'],
  ['ads.json', '--run-typ', 'CUSTOM'],
  ['ads.json', '--run-type', 'FULL'],
  ['ads.json', '--data', 'StartDate'],
  ['store', 'lst'],
  ['check', 'nothing.json'],
  ['init'],
]);
snapshot('wrong-arguments-json', [
  ['--json'],
  ['chekc', 'ads.json', '--json'],
  ['ads.json', '--json', '--run-typ', 'CUSTOM'],
  ['run', 'ads.json', '--run-type', 'FULL', '--json'],
  ['check', '--json'],
  ['spec', 'Adz', '--json'],
  ['doctor', '--strikt', '--json'],
  ['store', 'lst', '--json'],
  ['store', '--json'],
  ['store', 'warm', 'nothing.json', '--json'],
  ['state', 'get', 'ads.json', '--json'],
]);
snapshot('wrong-config', [
  ['nothing.json'],
  ['ad.json'],
  ['broken.json'],
  ['wrong-name.json'],
  ['no-name.json'],
  ['ads.json', '--connectors', './nowhere'],
]);
snapshot('check', [
  ['check', 'ads.json'],
  ['check', 'broken.json'],
  ['check', 'wrong-name.json'],
  ['check', 'typo.json'],
  ['check', 'typo.json', '--json'],
]);
snapshot('spec', [
  ['spec'],
  ['spec', 'Ads'],
  ['spec', 'Null'],
  ['spec', 'Adz'],
  ['spec', 'Ads', '--json'],
]);
snapshot('spec-schema', [['spec', '--schema']]);
snapshot('init', [
  ['init', '--source', 'Ads', '--storage', 'Null', '--output', 'new.json'],
  ['init', '--source', 'Ads', '--storage', 'Null', '--output', 'new.json'],
  ['init', '--source', 'Ads', '--storage', 'Nul'],
]);
snapshot(
  'run',
  [
    ['ads.json'],
    ['ads.json'],
    ['ads.json', '--run-type', 'MANUAL_BACKFILL', '--data', 'StartDate=2026-01-01'],
    ['tables.json', '--no-state'],
    ['ads.json', '--quiet'],
  ],
  { also: warm },
);
snapshot(
  'run-json',
  [
    ['ads.json', '--json', '--no-state'],
    ['fails.json', '--json', '--quiet'],
    ['nothing.json', '--json', '--quiet'],
  ],
  { also: (text) => anywhere(withoutFrames(warm(text))) },
);
snapshot(
  'run-fails',
  [['fails.json'], ['reports.json'], ['silent.json'], ['waits.json', '--timeout-ms', '1500']],
  { also: (text) => withoutFrames(warm(text)) },
);
const failingNpm =
  '#!/bin/sh\necho "npm error code ENOTFOUND" >&2\necho "npm error network request failed" >&2\nexit 1\n';
fs.writeFileSync(path.join(home, 'npm'), failingNpm, { mode: 0o755 });
snapshot('run-without-network', [['ads.json', '--store', path.join(home, 'empty')]], {
  env: { PATH: home },
});

test('no snapshot is left of a test that is gone', () => {
  assert.deepEqual(unused(names), []);
});

test('what differs from run to run has a name, and a day of a state has not', () => {
  const text = 'at 2026-01-02T03:04:05.678Z, 1.2 s, from 2026-01-31T00:00:00.000Z';
  assert.equal(normalised(text), 'at <TIME>, <N> s, from 2026-01-31T00:00:00.000Z');
  assert.ok(fs.existsSync(root));
});
