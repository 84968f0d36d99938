'use strict';
// Contract, section 6: `executeConnector`, apart from where output goes.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorRunError, NodeJsEnvironment } = require('@owox/connector-runner');
const { runHost } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { scriptFolder, tempFolder, writeFiles } = require('./support/temp');

const environment = new NodeJsEnvironment();
const files = writeFiles(tempFolder({ after }), { 'stdin.txt': 'from the host' });

/** Runs a script as main.js and gives what it printed. */
async function play(t, script, env = undefined) {
  const { stdout, stderr, stdio } = capture();
  const result = await environment.executeConnector(scriptFolder(t, script), env, stdio);
  return { result, stdout: stdout.join(''), stderr: stderr.join('') };
}

const printEnvironment = 'console.log(JSON.stringify(process.env))';

test('env undefined means process.env', async (t) => {
  process.env.OF_THE_HOST = 'é';
  t.after(() => delete process.env.OF_THE_HOST);
  const { stdout } = await play(t, printEnvironment);
  const { TMPDIR, ...variables } = JSON.parse(stdout);
  assert.match(path.basename(TMPDIR), /^\.tmp-/, 'a folder in the run’s own');
  const expected = { ...process.env };
  delete expected.TMPDIR;
  assert.deepEqual(variables, expected);
});

test('an env is the whole environment; numbers become text, undefined is skipped', async (t) => {
  const env = { A: 1, B: undefined, C: '', D: true, E: 'a=b\nc', Ü: 'ж', N: null };
  const { stdout } = await play(t, printEnvironment, env);
  const { A, C, D, E, Ü, N, ...rest } = JSON.parse(stdout);
  assert.deepEqual([A, C, D, E, Ü, N], ['1', '', 'true', 'a=b\nc', 'ж', 'null']);
  assert.deepEqual(Object.keys(rest), ['TMPDIR']);
});

test('an env may hold a long value, nothing, or what throws', async (t) => {
  const long = 'x'.repeat(100_000);
  const { stdout } = await play(t, 'console.log(process.env.L.length, process.env[""])', {
    B: '',
    L: long,
  });
  assert.equal(stdout, '100000 undefined\n');
  const empty = await play(t, printEnvironment, {});
  assert.deepEqual(Object.keys(JSON.parse(empty.stdout)), ['TMPDIR']);
  const thrown = new Error('mine');
  const throwing = {
    toString() {
      throw thrown;
    },
  };
  assert.equal(await rejection(play(t, '', { A: throwing })), thrown);
  assert.ok((await rejection(play(t, '', { A: Symbol('s') }))) instanceof TypeError);
});

test('node is found also without PATH', async (t) => {
  for (const env of [{}, { PATH: '' }, { PATH: '/nowhere' }]) {
    const { stdout } = await play(t, 'console.log(process.version)', env);
    assert.equal(stdout, `${process.version}\n`);
  }
});

test('node is the one on the PATH that the connector gets', async (t) => {
  const folder = writeFiles(tempFolder(t), { 'bin/node': '#!/bin/sh\necho "mine: $1"\n' });
  fs.chmodSync(path.join(folder, 'bin/node'), 0o755);
  const { stdout } = await play(t, '', { PATH: `${path.join(folder, 'bin')}:/usr/bin:/bin` });
  assert.equal(stdout, 'mine: main.js\n');
});

test('the working directory is the environment, and a relative path counts from ours', async (t) => {
  const folder = scriptFolder(t, 'console.log(process.cwd())');
  for (const given of [folder, path.relative(process.cwd(), folder)]) {
    const { stdout, stdio } = capture();
    await environment.executeConnector(given, undefined, stdio);
    assert.equal(stdout.join(''), `${folder}\n`);
  }
});

test('nothing of the run is in argv, and no descriptor of the host is open', async (t) => {
  const script = `
    const fs = require('node:fs');
    const open = fs.readdirSync('/proc/self/fd').map(Number).filter((fd) => {
      try { return fd > 2 && /^\\/|socket/.test(fs.readlinkSync('/proc/self/fd/' + fd)); }
      catch { return false; }
    });
    const links = open.map((fd) => fs.readlinkSync('/proc/self/fd/' + fd));
    console.log(JSON.stringify({ argv: process.argv.slice(2), links }));`;
  const marker = path.join(tempFolder(t), 'open-in-host');
  const fd = fs.openSync(marker, 'w');
  t.after(() => fs.closeSync(fd));
  const { argv, links } = JSON.parse((await play(t, script)).stdout);
  assert.deepEqual(argv, []);
  assert.deepEqual(
    links.filter((link) => link === marker || link.startsWith('socket:')),
    [],
  );
});

test('stdin is /dev/null', async (t) => {
  const script = `
    const fs = require('node:fs');
    console.log(fs.readlinkSync('/proc/self/fd/0'), JSON.stringify(fs.readFileSync(0, 'utf8')));`;
  assert.equal((await play(t, script)).stdout, '/dev/null ""\n');
});

test('stdin is the host’s only with isolation none and inherit', async (t) => {
  const folder = scriptFolder(t, `console.log(require('node:fs').readFileSync(0, 'utf8'))`);
  for (const [options, expected] of [
    ['{}', '\n'],
    [`{ isolation: 'none' }`, 'from the host\n'],
  ]) {
    const { stdout } = await runHost(
      t,
      `new runner.NodeJsEnvironment(${options})
        .executeConnector(${JSON.stringify(folder)}, undefined, 'inherit');`,
      { stdio: [fs.openSync(path.join(files, 'stdin.txt'), 'r'), 'pipe', 'pipe'] },
    );
    assert.equal(stdout, expected);
  }
});
for (const code of [1, 3, 255]) {
  test(`exit code ${code} rejects with the documented message`, async (t) => {
    const error = await rejection(play(t, `process.exitCode = ${code}; console.error('tail')`));
    assert.equal(error.message, `Connector execution failed with exit code: ${code}`);
    assert.ok(error instanceof ConnectorRunError);
    assert.equal(error.code, 'CONNECTOR_FAILED');
    assert.equal(error.result.exitCode, code);
    assert.equal(error.result.signal, null);
    assert.equal(error.stderrTail, 'tail\n');
  });
}

for (const signal of ['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGABRT', 'SIGUSR2']) {
  test(`ended by ${signal}, it rejects with the documented message`, async (t) => {
    const script = `setInterval(() => {}, 1000); process.kill(process.pid, '${signal}')`;
    const error = await rejection(play(t, script));
    assert.equal(error.message, `Connector execution failed with exit code: null (${signal})`);
    assert.equal(error.code, 'CONNECTOR_FAILED');
    assert.equal(error.result.exitCode, null);
    assert.equal(error.result.signal, signal);
  });
}

test('a directory that is missing is a clear failure to start, and onSpawn is not called', async () => {
  const { pids, stdio } = capture();
  const missing = '/does/not/exist';
  const error = await rejection(environment.executeConnector(missing, undefined, stdio));
  assert.match(
    error.message,
    /^Failed to start connector process: .* the directory \/does\/not\/exist does not exist$/,
  );
  assert.equal(error.code, 'SPAWN_FAILED');
  assert.ok(error instanceof ConnectorRunError);
  assert.deepEqual(pids, []);
});

test('a variable that is too large for the system is a failure to start that names it', async (t) => {
  const error = await rejection(play(t, '', { LARGE: 'x'.repeat(200_000), SMALL: 'y' }));
  assert.match(error.message, /^Failed to start connector process: .*LARGE/);
  assert.doesNotMatch(error.message, /xxx/);
});

test('variables with NUL are failures to start, never a crash', async (t) => {
  for (const env of [{ A: 'a\0b' }, { 'A\0': 'b' }]) {
    const error = await rejection(play(t, '', env));
    assert.match(error.message, /^Failed to start connector process: /);
  }
});

test('a main.js that is missing is an exit code, with node’s words in stderrTail', async (t) => {
  const error = await rejection(environment.executeConnector(tempFolder(t), undefined, 'ignore'));
  assert.equal(error.message, 'Connector execution failed with exit code: 1');
  assert.match(error.stderrTail, /Cannot find module/);
});

test('many runs at the same time keep their outputs apart', async (t) => {
  const folder = scriptFolder(
    t,
    'for (let i = 0; i < 200; i += 1) console.log(`${process.env.ME}:${i}`)',
  );
  const runs = Array.from({ length: 8 }, async (_, me) => {
    const { stdout, stdio } = capture();
    await environment.executeConnector(folder, { ME: me }, stdio);
    const expected = Array.from({ length: 200 }, (unused, i) => `${me}:${i}\n`).join('');
    assert.equal(stdout.join(''), expected);
  });
  await Promise.all(runs);
});
