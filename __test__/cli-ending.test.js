'use strict';
// The command line: exit codes of the verdicts that are new, and what SIGINT and SIGTERM do.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { closeSync, existsSync, openSync, writeFileSync } = require('node:fs');
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
  ['Stubborn', ['--stall-timeout-ms', '700', '--grace-ms', '100'], 125, /nothing for 700 ms/],
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
