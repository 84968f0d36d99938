'use strict';
// Contract, section 6: `onStdout`, `onStderr`, `onSpawn` and `passThrough`.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { runHost } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { isAlive, mark, stat, until } = require('./support/processes');
const { scriptFolder } = require('./support/temp');

const environment = new NodeJsEnvironment();
const WAIT = 'setInterval(() => {}, 1000);';

/** Collects what is reported on console.error while `work` runs. */
async function reported(t, work) {
  const lines = [];
  t.mock.method(console, 'error', (...given) => lines.push(given.join(' ')));
  const result = await work();
  console.error.mock.restore();
  return { lines, result };
}

test('onSpawn is called once, with the pid, before any output', async (t) => {
  const order = [];
  const folder = scriptFolder(t, `console.log('stdout'); console.error('x');`);
  const result = await environment.executeConnector(folder, undefined, {
    logCapture: {
      onStdout: (text) => order.push(text.trim()),
      onStderr: () => order.push('stderr'),
    },
    onSpawn: (...given) => order.push(given),
  });
  assert.deepEqual(order[0], [result.pid]);
  assert.deepEqual(order.slice(1).sort(), ['stderr', 'stdout']);
});

test('onSpawn works without logCapture', async (t) => {
  const pids = [];
  const stdio = { onSpawn: (pid) => pids.push(pid) };
  const { pid } = await environment.executeConnector(scriptFolder(t, ''), undefined, stdio);
  assert.deepEqual(pids, [pid]);
});

test('the pid leads a session and a process group of its own', async (t) => {
  const seen = {};
  const { stdio } = capture({
    onSpawn: (pid) => {
      Object.assign(seen, { pid, ...stat(pid), supervisor: stat(stat(pid).parent) });
      process.kill(pid, 'SIGTERM');
    },
  });
  await rejection(environment.executeConnector(scriptFolder(t, WAIT), undefined, stdio));
  assert.equal(seen.group, seen.pid);
  assert.equal(seen.session, seen.pid);
  const own = stat(process.pid);
  assert.notEqual(seen.session, own.session);
  if (seen.parent !== process.pid) {
    assert.notEqual(seen.supervisor.group, seen.pid);
    assert.notEqual(seen.supervisor.group, own.group);
  }
});

test('process.kill(-pid) from inside onSpawn ends it', async (t) => {
  const { stdio } = capture({ onSpawn: (pid) => process.kill(-pid, 'SIGTERM') });
  const error = await rejection(
    environment.executeConnector(scriptFolder(t, WAIT), undefined, stdio),
  );
  assert.equal(error.message, 'Connector execution failed with exit code: null (SIGTERM)');
});

test('process.kill(-pid) reaches its children too, and each can still speak', async (t) => {
  const folder = scriptFolder(
    t,
    `const { spawn } = require('node:child_process');
     const code = "process.on('SIGTERM', () => { console.log('child ends'); process.exit(0); });" +
       "console.log('ready'); setInterval(() => {}, 1000);";
     process.on('SIGTERM', () => { console.log('main ends'); }); // before the child can be ready
     const child = spawn(process.execPath, ['-e', code], { stdio: 'inherit' });
     child.on('exit', () => process.exit(4));`,
  );
  let pid;
  let family;
  const { variables, processes } = mark(t);
  const { stdout, stdio } = capture({ onSpawn: (given) => (pid = given) });
  stdio.logCapture.onStdout = (text) => {
    stdout.push(text);
    if (!text.includes('ready')) return;
    family = processes();
    process.kill(-pid, 'SIGTERM');
  };
  const env = { ...process.env, ...variables };
  const error = await rejection(environment.executeConnector(folder, env, stdio));
  assert.equal(error.message, 'Connector execution failed with exit code: 4');
  assert.match(stdout.join(''), /child ends/);
  assert.match(stdout.join(''), /main ends/);
  assert.equal(family.length, 2);
  assert.deepEqual(processes(), []);
});

test('a signal from outside starts no timer: the connector may take its time', async (t) => {
  // it ignores SIGTERM, and ends only when told so by another signal
  const folder = scriptFolder(
    t,
    `process.on('SIGTERM', () => console.log('asked'));
     process.on('SIGUSR2', () => process.exit(0));
     console.log('ready'); ${WAIT}`,
  );
  let pid;
  const { stdout, stdio } = capture({ onSpawn: (given) => (pid = given) });
  stdio.logCapture.onStdout = (text) => {
    stdout.push(text);
    if (text.includes('ready')) process.kill(-pid, 'SIGTERM');
    if (text.includes('asked')) process.kill(-pid, 'SIGUSR2');
  };
  const result = await environment.executeConnector(folder, undefined, stdio);
  assert.equal(result.exitCode, 0);
  assert.equal(stdout.join(''), 'ready\nasked\n');
});

test('callbacks that throw or reject are reported, and the run goes on', async (t) => {
  const folder = scriptFolder(t, `console.log('one'); console.error('two');`);
  const calls = [];
  const fail = (name, isAsync) => (given) => {
    calls.push([name, given]);
    if (isAsync) return Promise.reject(new Error(`from ${name}`));
    throw new Error(`from ${name}`);
  };
  for (const isAsync of [false, true]) {
    calls.length = 0;
    const { lines, result } = await reported(t, () =>
      environment.executeConnector(folder, undefined, {
        logCapture: { onStdout: fail('onStdout', isAsync), onStderr: fail('onStderr', isAsync) },
        onSpawn: fail('onSpawn', isAsync),
      }),
    );
    assert.equal(result.status, 'success');
    assert.deepEqual(lines.sort(), [
      'Failed to call onSpawn callback: from onSpawn',
      'Failed to call onStderr callback: from onStderr',
      'Failed to call onStdout callback: from onStdout',
    ]);
    assert.deepEqual(calls.map(([name]) => name).sort(), ['onSpawn', 'onStderr', 'onStdout']);
  }
});

test('odd things thrown by callbacks are reported too', async (t) => {
  const folder = scriptFolder(t, '');
  for (const reason of [undefined, null, 'text', Object.create(null), Symbol('s')]) {
    const { lines, result } = await reported(t, () =>
      environment.executeConnector(folder, undefined, {
        onSpawn() {
          throw reason;
        },
      }),
    );
    assert.equal(result.status, 'success', String(typeof reason));
    assert.equal(lines.length, 1);
    assert.match(lines[0], /^Failed to call onSpawn callback: /);
  }
});

test('callbacks that are missing or no functions are left out', async (t) => {
  const folder = scriptFolder(t, `console.log('one'); console.error('two');`);
  for (const logCapture of [{}, { onStdout: null, onStderr: 'text' }]) {
    const stdio = { logCapture, onSpawn: 'text' };
    const { lines, result } = await reported(t, () =>
      environment.executeConnector(folder, undefined, stdio),
    );
    assert.equal(result.status, 'success');
    assert.deepEqual(lines, []);
  }
});

test('all output is delivered before the promise settles, with slow callbacks', async (t) => {
  const lines = Array.from({ length: 5000 }, (_, i) => `${i % 3 ? 'text' : '{"n":1}'} ${i}`);
  for (const exitCode of [0, 2]) {
    const folder = scriptFolder(
      t,
      `process.stdout.write(${JSON.stringify(lines.join('\n') + '\n')});
       process.stderr.write('x'.repeat(100_000) + '\\nlast');
       process.exitCode = ${exitCode};`,
    );
    const done = { stdout: '', stderr: '' };
    const slowly = (name) => async (text) => {
      await new Promise(setImmediate);
      await new Promise((resolve) => setTimeout(resolve, 1));
      done[name] += text;
    };
    const stdio = { logCapture: { onStdout: slowly('stdout'), onStderr: slowly('stderr') } };
    const settled = environment.executeConnector(folder, undefined, stdio);
    if (exitCode) await rejection(settled);
    else await settled;
    assert.equal(done.stdout, lines.join('\n') + '\n');
    assert.equal(done.stderr, 'x'.repeat(100_000) + '\nlast');
  }
});

test('the same callback is never entered again before it is done', async (t) => {
  const folder = scriptFolder(
    t,
    `for (let i = 0; i < 300; i += 1) console.log(i % 2 ? 'text' : '{"json":1}');`,
  );
  let inside = 0;
  let calls = 0;
  const { stdio } = capture();
  stdio.logCapture.onStdout = async () => {
    calls += 1;
    inside += 1;
    assert.equal(inside, 1);
    await new Promise(setImmediate);
    inside -= 1;
  };
  const { lines } = await reported(t, () => environment.executeConnector(folder, undefined, stdio));
  assert.deepEqual(lines, []);
  assert.equal(calls, 300);
});

test('passThrough writes through process.stdout and process.stderr, beside the callbacks', async (t) => {
  const folder = scriptFolder(t, `console.log('one'); console.error('two');`);
  const { stdout, stderr, code } = await runHost(
    t,
    `const written = { stdout: '', stderr: '' };
     const called = { stdout: '', stderr: '' };
     for (const name of ['stdout', 'stderr']) {
       const write = process[name].write;
       process[name].write = function (text, ...rest) {
         written[name] += text;
         return write.call(this, text.toUpperCase(), ...rest);
       };
     }
     new runner.NodeJsEnvironment().executeConnector(${JSON.stringify(folder)}, undefined, {
       logCapture: {
         passThrough: true,
         onStdout: (text) => { called.stdout += text; },
         onStderr: (text) => { called.stderr += text; },
       },
     }).then(() => { process.exitCode = JSON.stringify(written) === JSON.stringify(called) ? 0 : 1; });`,
  );
  assert.deepEqual({ stdout, stderr, code }, { stdout: 'ONE\n', stderr: 'TWO\n', code: 0 });
});

test('a run leaves no process and no supervisor behind', async (t) => {
  const folder = scriptFolder(
    t,
    `const { spawn } = require('node:child_process');
     const code = 'setInterval(() => {}, 1000)';
     const options = { detached: true, stdio: 'ignore' };
     const child = spawn(process.execPath, ['-e', code], options);
     child.unref();
     console.log('started');
     const timer = setInterval(() => {
       if (require('node:fs').existsSync('seen')) clearInterval(timer);
     }, 10);`,
  );
  const seen = {};
  const { variables, processes } = mark(t);
  const { stdio } = capture({ onSpawn: (pid) => Object.assign(seen, stat(pid)) });
  let family;
  stdio.logCapture.onStdout = () => {
    family = processes();
    fs.writeFileSync(path.join(folder, 'seen'), '');
  };
  const env = { ...process.env, ...variables };
  const { pid } = await environment.executeConnector(folder, env, stdio);
  assert.ok(family.length > 0);
  assert.deepEqual(processes(), []);
  const left = [pid];
  if (seen.parent && seen.parent !== process.pid) left.push(seen.parent);
  await until(() => left.every((one) => !isAlive(one)), 'every process of the run is gone');
});
