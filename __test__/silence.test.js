'use strict';
// stallTimeoutMs: what is a sign of life and what only looks like one, announced waits, and
// machines that were paused.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { createServer } = require('node:http');
const path = require('node:path');
const { after, test } = require('node:test');
const { setTimeout: pause } = require('node:timers/promises');

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { ended, startHost } = require('./support/host');
const { stat, until } = require('./support/processes');
const { scriptFolder, tempFolder } = require('./support/temp');

const environment = new NodeJsEnvironment({ runsDir: tempFolder({ after }) });
const STALL_MS = 1500;
/** Where silence is not noticed: then the verdict is another one. */
const TIMEOUT_MS = 20_000;

/** Runs a script; gives the verdict, and what it printed. */
async function play(t, script, variables = {}) {
  const said = [];
  const stdio = { logCapture: { onStdout: (text) => said.push(text), onStderr() {} } };
  const options = { stallTimeoutMs: STALL_MS, timeoutMs: TIMEOUT_MS, graceMs: 100 };
  const env = { ...process.env, ...variables };
  const { result, ...error } = await environment
    .executeConnector(scriptFolder(t, script), env, stdio, options)
    .then(
      (value) => ({ result: value }),
      (thrown) => ({ result: thrown.result, code: thrown.code, message: thrown.message }),
    );
  return { status: result.status, result, said: said.join(''), ...error };
}

/** A connector on the reference package's AbstractConnector that fetches one address. */
const REAL = `
  const { MemorySource, MemoryStorage } = require(${JSON.stringify(require.resolve('./connectors/support/memory'))});
  const { Core } = require(${JSON.stringify(require.resolve('../packages/connectors'))});
  const { fetchJson } = require(${JSON.stringify(require.resolve('../packages/connectors/src/Core/http'))});
  const part = { name: 'Memory', config: {} };
  const config = new Core.NodeJsConfig({ source: part, storage: part });
  class Source extends MemorySource {
    async *fetch() {
      yield [{ day: '2026-01-01' }];
      const wait = (ms, reason) => config.wait(ms, reason);
      const { body } = await fetchJson(process.env.ADDRESS, { wait });
      yield body;
    }
  }
  new Core.AbstractConnector(config, new Source(config), MemoryStorage, new Core.AbstractRunConfig()).run();
`;

async function serve(t, answer) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return { ADDRESS: `http://127.0.0.1:${server.address().port}/` };
}

test('a server that never answers: the heartbeats of AbstractConnector are no life', async (t) => {
  const { status, code, said, message } = await play(t, REAL, await serve(t, () => {}));
  assert.deepEqual([status, code], ['stalled', 'STALLED'], message);
  assert.match(said, /"type":"isInProgress".*"rows":1/, 'it had a heartbeat');
});

test('a server that asks to wait is waited for', async (t) => {
  let asked = 0;
  const address = await serve(t, (_, response) => {
    asked += 1;
    if (asked > 1) response.end('[{"day":"2026-01-02"}]');
    else response.writeHead(503, { 'retry-after': '3' }).end();
  });
  const { status, said, result } = await play(t, REAL, address);
  assert.deepEqual([status, asked, result.rows], ['success', 2, 2]);
  const lines = said.trim().split('\n').map(JSON.parse);
  const { waiting } = lines.find((line) => line.waiting);
  assert.match(waiting.reason, /answered 503/);
  assert.ok(waiting.untilMs > Date.parse(lines[0].at) + 2000);
});

/** Prints lines at once, and then the last word after so many milliseconds. */
const script = (lines, ms) =>
  lines.map((line) => `console.log(${JSON.stringify(line)});`).join('') +
  `setTimeout(() => console.log('end'), ${ms});`;
const beat = (more) => JSON.stringify({ type: 'isInProgress', status: 'in_progress', ...more });

for (const [name, lines] of [
  ['a sentence of 0.11, as text', ['Retrying after 4s...']],
  [
    'the same as a log',
    ['{"type":"log","at":"2026-01-01 00:00:00","message":"Retrying after 4s..."}'],
  ],
  [
    'among other objects on one line',
    [beat({ waiting: { untilMs: 9e15 } }) + '{"type":"log","message":"x"}'],
  ],
]) {
  test(`an announced wait is life until it is over: ${name}`, async (t) => {
    const { status, said } = await play(t, script(lines, 3000));
    assert.deepEqual([status, said.endsWith('end\n')], ['success', true]);
  });
}

for (const [name, lines] of [
  ['it is over', ['Retrying after 1s...']],
  ['it was over before', [beat({ waiting: { untilMs: 1 } })]],
  [
    'rows have come since',
    [
      beat({ progress: { table: 'a', rows: 0 } }),
      beat({ waiting: { untilMs: 9e15 } }),
      beat({ progress: { table: 'a', rows: 1 } }),
    ],
  ],
  ['it says no time', ['TikTok Marketing API rate limit exceeded. Retrying...']],
]) {
  test(`a wait that does not hold: ${name}`, async (t) => {
    assert.equal((await play(t, script(lines, 600_000))).status, 'stalled');
  });
}

test('heartbeats that say the same are no life, those that count rows are', async (t) => {
  const beats = (more) =>
    `let rows = 0; setInterval(() => {
      rows += 1;
      if (rows === 30) process.exit(0);
      console.log(JSON.stringify({ type: 'isInProgress', at: new Date(), status: 1, ${more} }));
    }, 100);`;
  assert.equal((await play(t, beats(`elapsedMs: rows`))).status, 'stalled');
  const counts = await play(t, beats(`progress: { table: 't', phase: 'reading', rows }`));
  assert.equal(counts.status, 'success');
});

for (const round of [1, 2, 3]) {
  test(`a machine that was paused is not a connector that is silent (${round})`, async (t) => {
    const go = path.join(tempFolder(t), 'go');
    const folder = scriptFolder(
      t,
      `console.log('ready'); const timer = setInterval(() => {
        if (require('node:fs').existsSync(${JSON.stringify(go)})) clearInterval(timer);
      }, 20);`,
    );
    const host = startHost(
      t,
      `const stdio = {
        logCapture: { onStdout: (text) => console.log('said ' + text), onStderr() {} },
        onSpawn: (pid) => console.log('pid ' + pid),
      };
      new runner.NodeJsEnvironment()
        .executeConnector(${JSON.stringify(folder)}, undefined, stdio, { stallTimeoutMs: 1500 })
        .then(({ status }) => console.log('ended ' + status), ({ code }) => console.log('ended ' + code));`,
    );
    let text = '';
    host.stdout.on('data', (chunk) => {
      text += chunk;
    });
    const end = ended(host);
    await until(() => text.includes('said ready'), 'ready');
    const connector = Number(/pid (\d+)/.exec(text)[1]);
    const all = [host.pid, stat(connector).parent, connector];
    t.after(() => all.forEach((pid) => stat(pid)?.state === 'T' && process.kill(pid, 'SIGCONT')));
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    await until(() => all.every((pid) => stat(pid).state === 'T'), 'all of it is stopped');
    await pause(2500); // longer than the limit
    for (const pid of all) process.kill(pid, 'SIGCONT');
    fs.writeFileSync(go, '');
    assert.match((await end).stdout, /ended success\n$/);
  });
}
