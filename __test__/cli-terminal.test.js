'use strict';
// The command line on a terminal: the live line, what a person reads, Ctrl-C.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { root } = require('./support/host');
const { until } = require('./support/processes');
const { tempFolder, writeFiles } = require('./support/temp');
const { CLEAR_LINE, onTerminal, plain, terminalProgram, visible } = require('./support/terminal');

const say = (message) => `console.log(${JSON.stringify(JSON.stringify(message))});`;
const WAIT = `const { value } = JSON.parse(process.env.OW_CONFIG).source.config.Until;
  setInterval(() => require('fs').existsSync(value) && process.exit(0), 20);`;
const sources = {
  Imports: `run() {
    ${say({ type: 'updateCurrentStatus', status: 1 })}
    ${say({ type: 'log', message: '1234 rows of ads were fetched' })}
    ${say({ type: 'addWarningToCurrentStatus', warning: 'it is slow' })}
    ${say({ type: 'updateLastRequstedDate', date: '2026-01-31T00:00:00.000Z' })}
    console.log('plain \\u001b[2J text');
    process.once('exit', () => { ${say({ type: 'updateCurrentStatus', status: 3 })} });
    ${WAIT}
  }`,
  Stubborn: `run() { process.on('SIGTERM', () => console.log('not yet')); console.log('ready'); ${WAIT} }`,
  Throws: `async run() {
    await null;
    throw new Error('it broke');
  }`,
  Chatty: `async run() {
    for (let i = 0; i < 200; i += 1) {
      console.log('line ' + i);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }`,
};
const package_ = connectorsPackage({ after }, { sources });
const common = {
  OWOX_CONNECTORS_PACKAGE: package_,
  OWOX_RUNNER_RUNS_DIR: tempFolder({ after }),
};

/** Runs a source on a terminal, with a state; `finish()` lets it end. */
function start(t, source, { args = [], env = {}, ...size } = {}) {
  const folder = tempFolder(t);
  const flag = path.join(folder, 'finish');
  writeFiles(folder, {
    'config.json': configOf(source, { Until: flag }),
    'state.json': '{"date":"2026-01-30T00:00:00.000Z"}\n',
  });
  const state = path.join(folder, 'state.json');
  const terminal = onTerminal(t, [path.join(folder, 'config.json'), '--state', state, ...args], {
    env: { ...common, ...env },
    ...size,
  });
  return { ...terminal, state, finish: () => fs.writeFileSync(flag, '') };
}

test('a line says what happens, and is gone when it is over', async (t) => {
  const { end, finish, shown, shows, state } = start(t, 'Imports');
  await until(
    () => /\S Importing · 1,234 rows · up to 2026-01-31 · \d+ s · \d+ MB/.test(plain(shown())),
    'the line',
    60_000,
  );
  finish();
  const { code } = await end;
  assert.equal(code, 0);
  await shows(/Next/);
  const lines = visible(plain(shown()));
  // a state by hand does not say what it belongs to, which is told in lines that fit
  assert.match(lines.join(' '), /warning: the state in \S+ \(2026-01-30\) does not\s+say which/);
  const printed = lines.slice(lines.findIndex((line) => line.startsWith('1234')));
  const [rows, warning, text, done] = printed.filter((line) => !/^Preparing/.test(line));
  assert.deepEqual(
    [rows, warning, text],
    ['1234 rows of ads were fetched', 'warning: it is slow', 'plain  text'],
  );
  assert.match(done, /^Done in /);
  assert.ok(
    lines.some((line) => line.startsWith('  State    from 2026-01-30 to 2026-01-31, in')),
    lines.join('\n'),
  );
  assert.ok(!lines.some((line) => line.includes(' · ')), lines.join('\n'));
  assert.ok(shown().includes('\u001b[1;33mwarning:\u001b[0m it is slow'), shown());
  assert.match(fs.readFileSync(state, 'utf8'), /2026-01-31/);
});

test('Ctrl-C in mid-run: 130, nothing is left, the state is untouched', async (t) => {
  const { end, press, processes, shown, shows, state } = start(t, 'Imports');
  const before = JSON.parse(fs.readFileSync(state, 'utf8'));
  await shows(/up to 2026-01-31/);
  press('\u0003');
  const { code } = await end;
  assert.equal(code, 130, shown());
  assert.deepEqual(processes(), []);
  const { connectorRunner, ...now } = JSON.parse(fs.readFileSync(state, 'utf8'));
  assert.deepEqual(now, before);
  assert.match(connectorRunner.others[0].checkpoints[0].state.date, /^2026-01-31/); // for --resume
  const text = visible(plain(shown())).join('\n');
  assert.match(text, /^Stopping \(SIGINT\); once more kills the connector$/m);
  assert.ok(!text.includes('^C'), 'what the terminal wrote of the key is gone');
  assert.match(text, /^ {2}State {4}still 2026-01-30, in /m);
  assert.match(text, /^ {2}Code {5}ABORT_ERR, exit code 130;/m);
});

test('Ctrl-C twice kills a connector that does not end', async (t) => {
  const { end, press, processes, shows } = start(t, 'Stubborn', { args: ['--grace-ms', '600000'] });
  await shows(/ready/);
  press('\u0003');
  await shows(/not yet/);
  press('\u0003');
  assert.equal((await end).code, 130);
  assert.deepEqual(processes(), []);
});

test('the line keeps to the terminal’s width and to its rate, however much is printed', async (t) => {
  const columns = 30;
  const begun = Date.now();
  const { end, shown } = start(t, 'Chatty', { columns });
  assert.equal((await end).code, 0);
  const drawn = plain(shown())
    .split(CLEAR_LINE)
    .filter((text) => /^\S+ (Starting|Preparing|Running)/.test(text));
  assert.ok(drawn.length > 0, shown());
  assert.ok(drawn.length <= (Date.now() - begun) / 200 + 1, `${drawn.length} times`);
  for (const text of drawn) assert.ok([...text.split('\r\n')[0]].length < columns, text);
  const lines = visible(plain(shown())).filter((line) => line.startsWith('line '));
  assert.deepEqual(
    lines,
    Array.from({ length: 200 }, (_, i) => `line ${i}`),
  );
});

for (const [why, change] of [
  ['CI', { env: { CI: 'true' } }],
  ['TERM=dumb', { env: { TERM: 'dumb' } }],
  ['--quiet', { args: ['--quiet'] }],
]) {
  test(`no line with ${why}`, async (t) => {
    const { end, finish, shown } = start(t, 'Imports', change);
    finish();
    const { code } = await end;
    assert.equal(code, 0, shown());
    assert.ok(!shown().includes(CLEAR_LINE), JSON.stringify(shown()));
    assert.match(plain(shown()), /warning: it is slow/);
  });
}

test('colours: --no-color, NO_COLOR and a dumb terminal have none', async (t) => {
  for (const change of [
    { args: ['--no-color'] },
    { env: { NO_COLOR: '1' } },
    { env: { TERM: 'dumb' } },
  ]) {
    const { end, finish, shown } = start(t, 'Imports', change);
    finish();
    assert.equal((await end).code, 0);
    assert.equal(shown(), plain(shown()));
  }
});

test('help and wrong arguments have the colours of the rest, where the rest has them', async (t) => {
  const show = async (args, env = {}) => {
    const { end, shown } = onTerminal(t, args, { env: { ...process.env, ...common, ...env } });
    await end;
    return shown();
  };
  const red = ['\u001b[1m\u001b[31merror:', '\u001b[1;31merror:', '\u001b[1;31mError:'];
  const wrong = [['a.json', '--wrong'], ['chekc'], ['check', 'nowhere.json']];
  for (const args of wrong) {
    const text = await show(args);
    assert.ok(
      red.some((begin) => text.startsWith(begin)),
      text,
    );
  }
  const bold = '\u001b[1mUsage:\u001b[0m';
  for (const args of [[], ['--help'], ['-h'], ['help', 'store'], ['check', '--help']]) {
    assert.ok((await show(args)).includes(bold), args.join(' '));
  }
  assert.ok((await show(['doctor'])).includes('\u001b[1mWhat a run needs\u001b[0m'));
  for (const args of [...wrong, [], ['--help'], ['doctor']]) {
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }, { FORCE_COLOR: '0' }]) {
      const text = await show(args, env);
      assert.equal(text, plain(text));
    }
    const text = await show(['--no-color', ...args]);
    assert.equal(text, plain(text));
    assert.ok((await show(args, { CI: 'true' })).includes('\u001b[1'), args.join(' ')); // a terminal all the same
  }
});

test('a stack names files by their package, and leaves out what is in Node.js', async (t) => {
  const { end, shown } = start(t, 'Throws');
  assert.equal((await end).code, 1);
  const lines = visible(plain(shown()));
  const frames = lines.filter((line) => line.startsWith('    at '));
  assert.ok(
    frames.some((line) => /^ {4}at .*\(@owox\/connectors\/dist\/index\.cjs:\d+:\d+\)$/.test(line)),
    lines.join('\n'),
  );
  assert.ok(!frames.some((line) => line.includes('node:')), frames.join('\n'));
  assert.ok(lines.includes('Error: it broke'));
});

test('a live line also where stdout is a pipe: what the connector prints is unchanged', async (t) => {
  const folder = writeFiles(tempFolder(t), { 'config.json': configOf('Imports', { Until: '/' }) });
  const command = `"$0" src/cli-wrapper.js ${path.join(folder, 'config.json')} --no-state > ${folder}/out`;
  const { stdout, status } = spawnSync(
    terminalProgram(),
    ['80', '24', 'sh', '-c', command, process.execPath],
    { cwd: root, env: { ...process.env, ...common, TERM: 'xterm', CI: '' }, encoding: 'utf8' },
  );
  assert.equal(status, 0, stdout);
  assert.match(fs.readFileSync(`${folder}/out`, 'utf8'), /^\{"type":"updateCurrentStatus"/);
  assert.match(plain(stdout), /Done in/);
});
