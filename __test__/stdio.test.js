'use strict';
// Contract, section 6: every form of `stdio`.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorExecutionService, NodeJsEnvironment } = require('@owox/connector-runner');
const { Config, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { root, runHost, startHost } = require('./support/host');
const { rejection } = require('./support/output');
const { scriptFolder, tempFolder } = require('./support/temp');

const environment = new NodeJsEnvironment();
const TALK = `
  process.stdout.write('out ' + Boolean(process.stdout.isTTY) + '\\n');
  process.stderr.write('err ' + Boolean(process.stderr.isTTY) + '\\n');`;
const talk = scriptFolder({ after }, TALK);

/** Runs `talk` in a host of its own; `stdio` is JavaScript text. */
function hostRun(t, stdio, folder = talk) {
  return runHost(
    t,
    `const fs = require('node:fs');
     new runner.NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined, ${stdio})
       .catch((error) => { console.log(error.name + ': ' + error.message); process.exitCode = 9; });`,
  );
}

const INHERIT = ["'inherit'", 'undefined', 'null', '{}', '{ anything: 1 }', '{ logCapture: null }'];
INHERIT.push("['ignore', 'inherit', 'inherit']", 'new Map()', '{ onSpawn() {} }', '5', 'true');
for (const stdio of INHERIT) {
  test(`${stdio} goes to the host’s own descriptors, which are pipes in the child`, async (t) => {
    const { stdout, stderr, code } = await hostRun(t, stdio);
    const expected = { stdout: 'out false\n', stderr: 'err false\n', code: 0 };
    assert.deepEqual({ stdout, stderr, code }, expected);
  });
}

for (const stdio of ["'ignore'", "'pipe'", '[]', "['pipe', 'pipe', 'pipe']", '[null, undefined]']) {
  test(`${stdio} prints nothing`, async (t) => {
    const { stdout, stderr, code } = await hostRun(t, stdio);
    assert.deepEqual({ stdout, stderr, code }, { stdout: '', stderr: '', code: 0 });
  });
}

test('entries of an array are independent', async (t) => {
  const { stdout, stderr } = await hostRun(t, "['ignore', 'ignore', 'inherit']");
  assert.deepEqual({ stdout, stderr }, { stdout: '', stderr: 'err false\n' });
});

test('1 and 2 as descriptors go straight to the host’s', async (t) => {
  const { stdout, stderr } = await hostRun(t, "['ignore', 2, 1]");
  assert.deepEqual({ stdout, stderr }, { stdout: 'err false\n', stderr: 'out false\n' });
});

test('descriptors and streams of an array get the output, uninspected', async (t) => {
  const folder = tempFolder(t);
  const script = scriptFolder(
    t,
    `console.log(JSON.stringify({ type: 'updateCurrentStatus', status: 5 }));
     console.log(JSON.stringify({ type: 'updateLastRequstedDate', date: '2026-01-01' }));
     console.error('err');`,
  );
  const out = fs.openSync(path.join(folder, 'out'), 'w');
  const stream = fs.createWriteStream(path.join(folder, 'err'));
  await new Promise((resolve) => stream.once('open', resolve));
  const result = await environment.executeConnector(script, undefined, ['ignore', out, stream]);
  fs.closeSync(out);
  stream.destroy();
  const [first] = fs.readFileSync(path.join(folder, 'out'), 'utf8').split('\n');
  assert.deepEqual(JSON.parse(first), { type: 'updateCurrentStatus', status: 5 });
  assert.equal(fs.readFileSync(path.join(folder, 'err'), 'utf8'), 'err\n');
  assert.deepEqual([result.status, result.lastStatus, result.state], ['success', null, null]);
});

test('entries from 3 on are descriptors of the same number in the child', async (t) => {
  const folder = tempFolder(t);
  const script = scriptFolder(t, `require('node:fs').writeSync(4, 'to four')`);
  const four = fs.openSync(path.join(folder, 'four'), 'w');
  const stdio = ['ignore', 'ignore', 'inherit', 'ignore', four];
  await environment.executeConnector(script, undefined, stdio);
  fs.closeSync(four);
  assert.equal(fs.readFileSync(path.join(folder, 'four'), 'utf8'), 'to four');
});

test('a descriptor as stdin is read by the connector', async (t) => {
  const folder = tempFolder(t);
  fs.writeFileSync(path.join(folder, 'in'), 'given');
  const script = scriptFolder(
    t,
    `if (require('node:fs').readFileSync(0, 'utf8') !== 'given') process.exitCode = 7;`,
  );
  const stdin = fs.openSync(path.join(folder, 'in'), 'r');
  t.after(() => fs.closeSync(stdin));
  await environment.executeConnector(script, undefined, [stdin, 'ignore', 'ignore']);
});

const WRONG = ['ipc', 'overlapped', '', 'Inherit', 'INHERIT', 'stdout'];
const WRONG_ENTRIES = [['ipc'], ['pipe', 'pipe', 'pipe', 'ipc'], [true], [-1], [1.5], [NaN], [{}]];
WRONG_ENTRIES.push([{ fd: 'x' }], [{ fd: null }], [() => {}], [['pipe']], ['nonsense']);
for (const stdio of [...WRONG, ...WRONG_ENTRIES]) {
  test(`${JSON.stringify(stdio)} rejects with a TypeError`, async () => {
    const promise = environment.executeConnector(talk, undefined, stdio);
    assert.ok(promise instanceof Promise);
    const error = await rejection(promise);
    assert.ok(error instanceof TypeError);
    if (JSON.stringify(stdio).includes('ipc')) assert.match(error.message, /ipc/);
  });
}

test('a descriptor that is not open is a clear failure to start', async () => {
  const stdio = ['ignore', 9999, 'ignore'];
  const error = await rejection(environment.executeConnector(talk, undefined, stdio));
  assert.match(error.message, /^Failed to start connector process: .*9999/);
});

test('the service rejects a wrong stdio in the same way, before anything is installed', async (t) => {
  const runsDir = tempFolder(t);
  const options = { connectorsPackage: connectorsPackage(t), runsDir };
  const service = new ConnectorExecutionService(null, options);
  const config = new Config(configOf('Ok'));
  const error = await rejection(service.execute('d', 'r', config, new RunConfig({}), 'ipc'));
  assert.ok(error instanceof TypeError);
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

for (const stdio of ["'pipe'", "'ignore'", '{ logCapture: {} }', "['pipe', 'pipe', 'pipe']"]) {
  test(`10 MB that nobody reads never block: ${stdio}`, async (t) => {
    const folder = scriptFolder(
      t,
      `const { writeSync } = require('node:fs');
       const chunk = Buffer.alloc(1 << 20, 'x'.repeat(99) + '\\n');
       for (let i = 0; i < 10; i += 1) for (const fd of [1, 2]) writeSync(fd, chunk);`,
    );
    const { stdout, stderr, code } = await hostRun(t, stdio, folder);
    assert.deepEqual({ stdout, stderr, code }, { stdout: '', stderr: '', code: 0 });
  });
}

test('inherit copies every byte, in order, also binary and to a slow reader', async (t) => {
  const size = 3 << 20;
  const folder = scriptFolder(
    t,
    `const { writeSync } = require('node:fs');
     const bytes = Buffer.alloc(${size});
     for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 31 + (i >> 8)) & 255;
     for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);`,
  );
  const host = startHost(
    t,
    `new runner.NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined);`,
  );
  const ended = new Promise((resolve) => host.once('exit', resolve));
  const chunks = [];
  for await (const chunk of host.stdout) {
    chunks.push(chunk);
    await new Promise(setImmediate);
  }
  assert.equal(await ended, 0);
  const bytes = Buffer.concat(chunks);
  assert.equal(bytes.length, size);
  assert.ok(bytes.every((byte, i) => byte === ((i * 31 + (i >> 8)) & 255)));
});

test('a host whose stdout is closed loses output, and its run goes on', async (t) => {
  const folder = scriptFolder(
    t,
    `console.log('x'.repeat(1 << 20));
     require('node:fs').writeFileSync('done', 'done');`,
  );
  const { spawn } = require('node:child_process');
  const code = `require(${JSON.stringify(root)});
    const { NodeJsEnvironment } = require(${JSON.stringify(root)});
    new NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined, 'inherit');`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'ignore'] });
  child.stdout.destroy();
  const exit = await new Promise((resolve) => child.once('exit', resolve));
  assert.equal(exit, 0);
  assert.equal(fs.readFileSync(path.join(folder, 'done'), 'utf8'), 'done');
});
