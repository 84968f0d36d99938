'use strict';
// Contract, sections 10 and 11: onMessage, and messages as an async iterator.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { after, test } = require('node:test');
const vm = require('node:vm');

const {
  ConnectorRunner,
  NodeJsEnvironment,
  ConnectorExecutionService,
  isKnownMessage,
} = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost } = require('./support/host');
const { tempFolder } = require('./support/temp');

const STDOUT =
  'plain {x}\n{"type":"log","message":"} {"}{"type":"isInProgress","status":1}\n' +
  '{"type":"somethingNew","deep":{"a":[1,"ж"]}}\n{"type":"log","mess';
const EXPECTED = [
  { type: 'text', stream: 'stdout', text: 'plain {x}' },
  { type: 'log', message: '} {' },
  { type: 'isInProgress', status: 1 },
  { type: 'somethingNew', deep: { a: [1, 'ж'] } },
  { type: 'text', stream: 'stdout', text: '{"type":"log","mess' },
];
const sources = {
  Prints: `run() { process.stdout.write(${JSON.stringify(STDOUT)}); }`,
  Errors: `run() { console.error('{}'); console.log('{"type":"log"}'); throw new Error('x'); }`,
  Endless: `async run() {
    for (let i = 0; ; i += 1) {
      if (!process.stdout.write(JSON.stringify({ type: 'log', i, pad: 'x'.repeat(1000) }) + '\\n')) {
        await new Promise((resolve) => process.stdout.once('drain', resolve));
      }
    }
  }`,
  Large: `run() { console.log(JSON.stringify({ type: 'log', message: '}{'.repeat(16e6) })); }`,
  Numbered: `run() { for (let i = 0; i < 5000; i += 1) console.log(JSON.stringify({ type: 'n', i })); }`,
};
const options = {
  connectorsPackage: connectorsPackage({ after }, { sources }),
  runsDir: tempFolder({ after }),
};
const runner = new ConnectorRunner(options);
const run = (source, stdio, more) =>
  runner.run('dm', 'run', configOf(source), { type: 'INCREMENTAL' }, stdio, more);

for (const stdio of ['ignore', 'pipe', { logCapture: {} }]) {
  test(`messages are typed, whole and in order with stdio ${JSON.stringify(stdio)}`, async () => {
    const messages = [];
    await run('Prints', stdio, { onMessage: (message) => void messages.push(message) });
    assert.deepEqual(messages, EXPECTED);
    assert.deepEqual(messages.map(isKnownMessage), [true, true, true, false, true]);
  });
}

test('messages come with inherited output, which passes unchanged', async (t) => {
  const { stdout, stderr, code } = await runHost(
    t,
    `const seen = [];
     new runner.ConnectorRunner(${JSON.stringify(options)})
       .run('dm', 'run', ${JSON.stringify(configOf('Prints'))}, {}, 'inherit',
         { onMessage: (message) => void seen.push(message) })
       .then(() => console.error(JSON.stringify(seen)));`,
  );
  assert.deepEqual({ stdout, code }, { stdout: STDOUT, code: 0 });
  assert.deepEqual(JSON.parse(stderr), EXPECTED);
});

test('lines and messages of one run both arrive; stderr is text', async () => {
  const messages = [];
  const lines = [];
  const stdio = { logCapture: { onStdout: (text) => void lines.push(text) } };
  const failing = run('Errors', stdio, { onMessage: (message) => void messages.push(message) });
  await assert.rejects(failing, { code: 'CONNECTOR_FAILED' });
  assert.deepEqual(lines, ['{"type":"log"}\n']);
  const of = (stream) => messages.filter((message) => message.stream === stream);
  assert.equal(of('stderr')[0].text, '{}');
  assert.deepEqual(of(undefined), [{ type: 'log' }]);
});

test('a message of 32 MB is one message', async () => {
  const lengths = [];
  await run('Large', 'ignore', { onMessage: ({ message }) => void lengths.push(message.length) });
  assert.deepEqual(lengths, [32e6]);
});

test('a callback that throws is reported and the run goes on; a promise is waited for', async (t) => {
  const reported = t.mock.method(console, 'error', () => {});
  let count = 0;
  let open = 0;
  await run('Numbered', 'ignore', {
    onMessage: async ({ i }) => {
      assert.equal(i, count, 'in order');
      assert.equal(open, 0, 'one at a time');
      open += 1;
      count += 1;
      await null;
      open -= 1;
      if (i === 7) throw new Error('seven');
    },
  });
  assert.equal(count, 5000);
  assert.deepEqual(
    reported.mock.calls.map((call) => call.arguments[0]),
    ['Failed to call onMessage callback: seven'],
  );
});

test('an environment that extends ours gets messages, any other is refused', async () => {
  class Mine extends NodeJsEnvironment {
    async executeConnector(...given) {
      return super.executeConnector(...given);
    }
  }
  const messages = [];
  const more = { onMessage: (message) => void messages.push(message) };
  const execute = (environment) =>
    new ConnectorExecutionService(environment, options).execute(
      'dm',
      'run',
      configOf('Prints'),
      {},
      'ignore',
      more,
    );
  await execute(new Mine(options));
  assert.deepEqual(messages, EXPECTED);
  const custom = { createEnvironment: () => '/', executeConnector: () => {}, cleanup: () => {} };
  await assert.rejects(execute(custom), { code: 'INVALID_CONFIG', message: /onMessage/ });
  await assert.rejects(run('Prints', 'ignore', { onMessage: 7 }), { code: 'INVALID_CONFIG' });
});

const stream = (source, ...more) =>
  runner.stream('dm', 'run', configOf(source), { type: 'INCREMENTAL' }, ...more);

test('for await gives each message; the result is the return value', async () => {
  const messages = [];
  const running = stream('Prints');
  for await (const message of running) messages.push(message);
  assert.deepEqual(messages, EXPECTED);
  const { status } = await running.result;
  assert.equal(status, 'success');

  const iterator = stream('Numbered');
  let last;
  let count = -1;
  do {
    last = await iterator.next();
    count += 1;
  } while (!last.done);
  assert.equal(count, 5000);
  assert.equal(last.value.status, 'success');
  assert.deepEqual(await iterator.next(), { value: undefined, done: true });
});

test('a failure is thrown after the messages', async () => {
  const messages = [];
  const consume = async () => {
    for await (const message of stream('Errors')) messages.push(message);
  };
  await assert.rejects(consume(), { code: 'CONNECTOR_FAILED' });
  assert.ok(messages.some(({ type }) => type === 'log'));
});

test('leaving the loop ends the run, and nothing of it is left', async () => {
  let pid;
  const running = stream('Endless', { onSpawn: (given) => void (pid = given), logCapture: {} });
  let count = 0;
  for await (const message of running) {
    assert.equal(message.i, count);
    count += 1;
    if (count === 1000) break;
  }
  await assert.rejects(running.result, { code: 'ABORT_ERR', name: 'AbortError' });
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  assert.deepEqual(fs.readdirSync(options.runsDir), []);
});

test('return() before the process has started ends it as well', async () => {
  const running = stream('Endless');
  assert.deepEqual(await running.return('x'), { value: 'x', done: true });
  await assert.rejects(running.result);
  assert.deepEqual(fs.readdirSync(options.runsDir), []);
});

test('the connector waits for a slow consumer', async (t) => {
  // It says on stderr how far it is, once it has to wait for its pipe.
  const waits = connectorsPackage(t, {
    sources: {
      Waits: `run() {
        let i = 0;
        while (process.stdout.write('{"i":' + i + ',"pad":"' + 'x'.repeat(100000) + '"}\\n')) i += 1;
        console.error('waiting');
        return new Promise((resolve) => process.stdout.once('drain', resolve));
      }`,
    },
  });
  let released;
  const gate = new Promise((resolve) => {
    released = resolve;
  });
  let taken = 0;
  const waiting = new Promise((resolve) => {
    const onMessage = ({ stream: name }) => {
      if (name === 'stderr') return resolve();
      taken += 1;
      return gate;
    };
    runner
      .run('dm', 'run', configOf('Waits'), {}, 'ignore', { onMessage, connectorsPackage: waits })
      .then(released, released);
  });
  await waiting;
  assert.equal(taken <= 1, true, `${taken} were delivered, though the first was not done`);
  released();
  await gate;
});

test('a stream takes signals of any realm, and refuses what is none', async () => {
  const { signal, abort } = vm.runInNewContext(`
    const heard = new Set();
    const signal = {
      aborted: false,
      addEventListener: (_, listener) => heard.add(listener),
      removeEventListener: (_, listener) => heard.delete(listener),
    };
    const abort = () => {
      Object.assign(signal, { aborted: true, reason: 'why' });
      for (const listener of heard) listener();
    };
    ({ signal, abort })`);
  const stream = runner.stream('dm', 'run', configOf('Endless'), {}, 'ignore', { signal });
  await stream.next();
  abort();
  const all = async () => {
    while (!(await stream.next()).done);
  };
  await assert.rejects(all, { code: 'ABORT_ERR', cause: 'why' });

  for (const wrong of [null, 5, {}]) {
    const refused = runner.stream('dm', 'run', configOf('Prints'), {}, 'ignore', { signal: wrong });
    await assert.rejects(refused.next(), { code: 'INVALID_CONFIG' });
  }
  assert.throws(() => runner.stream('dm', 'run', configOf('Prints'), {}, ['pipe']), {
    name: 'TypeError',
    code: 'INVALID_CONFIG',
  });
});
