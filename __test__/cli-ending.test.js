'use strict';
// The command line: exit codes of the verdicts that are new, and what SIGINT, SIGTERM and SIGHUP do.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { ended, root, runScript } = require('./support/host');
const { mark, until } = require('./support/processes');
const { tempFolder, writeFiles } = require('./support/temp');

const WAIT = 'setInterval(() => {}, 1000);';
const READY = `console.log('ready');`;
const sources = {
  Clean: `run() { process.on('SIGTERM', () => { console.log('finished cleanly'); process.exit(0); });
    ${READY} ${WAIT} return new Promise(() => {}); }`,
  Stubborn: `run() { process.on('SIGTERM', () => console.log('no')); ${READY} ${WAIT} }`,
  Line: `run() { console.log('a line'); }`,
  Talker: `run() { ${READY} const timer = setInterval(() => {
    if (!require('node:fs').existsSync(process.env.GONE)) return;
    for (let line = 0; line < 3; line += 1) console.log('more');
    clearInterval(timer); }, 20); }`,
  Bomb: `run() { const kept = []; setInterval(() => kept.push(Buffer.alloc(2e7, 1)), 5); }`,
};
const env = {
  ...process.env,
  OWOX_CONNECTORS_PACKAGE: connectorsPackage({ after }, { sources }),
  OWOX_RUNNER_RUNS_DIR: tempFolder({ after }),
};

/** Starts the command; `said(text)` waits until it has printed that on stdout. */
function start(t, source, more = {}, ...args) {
  const folder = writeFiles(tempFolder(t), { 'config.json': configOf(source) });
  const { variables, processes } = mark(t);
  const script = path.join(root, 'src', 'cli-wrapper.js');
  const child = spawn(
    process.execPath,
    [script, path.join(folder, 'config.json'), '--no-state', ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, ...variables, ...more } },
  );
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const said = (wanted) => until(() => text.includes(wanted), wanted, 60_000);
  return { child, end: ended(child), said, processes };
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  test(`${signal} lets the connector end by itself, and exits ${exitCode}`, async (t) => {
    const { child, end, said, processes } = start(t, 'Clean');
    await said('ready');
    child.kill(signal);
    const { code, stdout, stderr } = await end;
    assert.equal(code, exitCode);
    assert.equal(stdout, 'ready\nfinished cleanly\n');
    assert.match(stderr, new RegExp(`Stopping \\(${signal}\\)`));
    assert.match(stderr, new RegExp(`Code +ABORT_ERR, exit code ${exitCode};`));
    assert.deepEqual(processes(), []);
  });
}

test('a closed terminal, SIGHUP, leaves the state untouched, and report and answer are written', async (t) => {
  const folder = tempFolder(t);
  const [state, page] = [path.join(folder, 'state.json'), path.join(folder, 'page.html')];
  const before = JSON.stringify({ state: { date: '2026-01-01' } });
  writeFileSync(state, before);
  const file = path.join(writeFiles(folder, { 'c.json': configOf('Clean') }), 'c.json');
  const { variables, processes } = mark(t);
  const child = spawn(
    process.execPath,
    ['src/cli-wrapper.js', file, '--state', state, '--report', page, '--json'],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, ...variables } },
  );
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const end = ended(child);
  await until(() => text.includes('ready'), 'ready', 60_000);
  child.stderr.destroy(); // nobody reads any more what is said to a person
  child.kill('SIGHUP');
  const { code, stdout } = await end;
  assert.equal(code, 129);
  const last = JSON.parse(stdout.trim().split('\n').at(-1));
  assert.deepEqual([last.error.code, last.exitCode, last.status], ['ABORT_ERR', 129, 'cancelled']);
  assert.equal(readFileSync(state, 'utf8'), before);
  assert.match(readFileSync(page, 'utf8'), /cancelled/i);
  assert.deepEqual(processes(), []);
});

test('a second signal kills a connector that does not end', async (t) => {
  const { child, end, said, processes } = start(t, 'Stubborn', {}, '--grace-ms', '600000');
  await said('ready');
  child.kill('SIGINT');
  await said('no');
  child.kill('SIGTERM');
  const { code } = await end;
  assert.equal(code, 130, 'the first signal counts');
  assert.deepEqual(processes(), []);
});

for (const [source, args, exitCode, message] of [
  ['Stubborn', ['--timeout-ms', '3000', '--grace-ms', '100'], 124, /3000 ms/],
  ['Stubborn', ['--stall-timeout-ms', '700', '--grace-ms', '100'], 125, /nothing new for 700 ms/],
  ['Bomb', ['--memory-limit-mb', '200'], 137, /200 MB/],
  ['Stubborn', ['--memory-limit-mb', '1'], 1, /--memory-limit-mb must be/],
]) {
  test(`${args.slice(0, 2).join(' ')}: exit code ${exitCode}`, async (t) => {
    const { end, processes } = start(t, source, {}, ...args);
    const { code, stderr } = await end;
    assert.equal(code, exitCode, stderr);
    assert.match(stderr, message);
    assert.deepEqual(processes(), []);
  });
}

/** What a run of two tables says of them that ends like this after the first. */
const TABLES = (end) => `run() {
  const say = (fields) => console.log(JSON.stringify({ type: 'log', ...fields }));
  say({ message: 'import', tables: ['a', 'b', 'c'] });
  say({ progress: { table: 'a', phase: 'saving', rows: 3 } });
  say({ message: 'Loaded', summary: { table: 'a', rows: 3, total: 9, lastDate: '2026-01-02' } });
  say({ progress: { table: 'b', phase: 'reading', rows: 7 } });
  ${end}
}`;

test('text, --json, page and error.run say the same of each table of a failed run', async (t) => {
  const tables = [
    { table: 'a', committed: true, rows: 3, read: 3 },
    { table: 'b', committed: false, rows: 0, read: 7 },
    { table: 'c', committed: false, rows: 0 },
  ];
  const parts = { Fails: TABLES(`throw new Error('b is broken');`) };
  parts.Saving = TABLES(
    `say({ progress: { table: 'b', phase: 'saving', rows: 7 } }); process.kill(process.pid, 'SIGKILL');`,
  );
  const connectors = connectorsPackage(t, { sources: parts });
  const more = { OWOX_CONNECTORS_PACKAGE: connectors };
  const page = path.join(tempFolder(t), 'page.html');
  const text = await start(t, 'Fails', more, '--report', page).end;
  assert.match(
    text.stderr,
    /\n {2}Tables {3}a: 3 rows saved\n {11}b: nothing saved, 7 rows read\n {11}c: nothing saved\n/,
  );
  assert.match(
    readFileSync(page, 'utf8'),
    /<li>a: 3 rows saved<\/li><li>b: nothing saved, 7 rows read<\/li><li>c: nothing saved<\/li>/,
  );
  const { stdout } = await start(t, 'Fails', more, '--json').end;
  const event = JSON.parse(stdout.trim().split('\n').at(-1));
  assert.deepEqual(event.error.run.tables, tables);
  assert.deepEqual(event.run.tables, tables);
  assert.deepEqual([event.rows, event.run.rows], [3, 3]);
  assert.deepEqual(
    event.tables.map(({ table, committed, rows, total, lastDate }) => [
      table,
      committed,
      rows,
      total,
      lastDate,
    ]),
    [
      ['a', true, 3, 9, '2026-01-02'],
      ['b', false, 0, null, null],
      ['c', false, 0, null, null],
    ],
  );
  const killed = await start(t, 'Saving', more).end;
  assert.match(killed.stderr, /b: was being saved: look whether its rows are there\n/);
});

test('a state that is not there yet does not make rows unwritten', async (t) => {
  const connectors = connectorsPackage(t, { sources: { Fails: TABLES(`process.exit(3);`) } });
  const folder = writeFiles(tempFolder(t), { 'config.json': configOf('Fails') });
  const args = [path.join(folder, 'config.json'), '--state', path.join(folder, 'state.json')];
  const { stderr } = await runScript('src/cli-wrapper.js', args, {
    env: { ...env, OWOX_CONNECTORS_PACKAGE: connectors },
  });
  assert.match(stderr, /Tables {3}a: 3 rows saved\n/);
  assert.doesNotMatch(stderr, /nothing was written/);
});

test('only a page that was written is named', async (t) => {
  const folder = tempFolder(t);
  const page = path.join(folder, 'page.html');
  const spoils = (end) => `run() {
    const fs = require('node:fs');
    fs.rmSync(process.env.PAGE, { force: true });
    fs.mkdirSync(process.env.PAGE);
    ${end}
  }`;
  const sources = { Works: spoils(''), Fails: spoils(`throw new Error('x');`) };
  const more = { OWOX_CONNECTORS_PACKAGE: connectorsPackage(t, { sources }), PAGE: page };
  for (const source of ['Works', 'Fails']) {
    writeFileSync(page, 'of an earlier run');
    const { stderr } = await start(t, source, more, '--report', page, '--isolation', 'none').end;
    assert.match(stderr, /has become a folder/, 'it could not be written');
    assert.doesNotMatch(stderr, /\n {2}Report +\//);
    rmdirSync(page);
  }
  writeFileSync(page, 'of an earlier run');
  const link = path.join(folder, 'link.html');
  symlinkSync(page, link);
  const refused = await start(t, 'Line', {}, '--report', link).end;
  assert.match(refused.stderr, /a symbolic link/);
  assert.doesNotMatch(refused.stderr, /\n {2}Report/);
  const written = await start(t, 'Line', {}, '--report', page).end;
  assert.match(written.stderr, /\n {2}Report/);
  const missing = writeFiles(folder, { 'c.json': { ...configOf('Line'), storage: { name: 'X' } } });
  const args = [path.join(missing, 'c.json'), '--no-state', '--report', page];
  writeFileSync(page, 'of an earlier run');
  const { stderr } = await runScript('src/cli-wrapper.js', args, { env });
  assert.match(stderr, /\n {2}Report/);
  assert.match(readFileSync(page, 'utf8'), /Did not start/);
});

test('a reader who has gone does not end the run', async (t) => {
  const gone = path.join(tempFolder(t), 'gone');
  const { child, end, said } = start(t, 'Talker', { GONE: gone });
  await said('ready');
  child.stdout.destroy();
  writeFileSync(gone, '');
  const { code, stderr } = await end;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Done in/);
});

test(
  'output that is lost is an error, at the end of the run',
  { skip: !existsSync('/dev/full') },
  async (t) => {
    const folder = writeFiles(tempFolder(t), { 'config.json': configOf('Line') });
    const full = openSync('/dev/full', 'w');
    t.after(() => closeSync(full));
    const stdio = ['ignore', full, 'pipe'];
    const config = path.join(folder, 'config.json');
    for (const [args, expected] of [
      [['spec'], /^Error: stdout could not be written: ENOSPC/],
      [[config, '--no-state'], /Done in[^]*Error: stdout could not be written: ENOSPC/],
    ]) {
      const { code, stderr } = await runScript('src/cli-wrapper.js', args, { stdio, env });
      assert.equal(code, 1);
      assert.match(stderr, expected);
      assert.doesNotMatch(stderr, /Unhandled/);
    }
  },
);
