'use strict';
// `updateCredentials`: whole for a library's caller, who has to save it, and for nobody else.

const assert = require('node:assert/strict');
const diagnostics = require('node:diagnostics_channel');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorRunner } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost, runScript } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { tempFolder, writeFiles } = require('./support/temp');

const OLD = 'old-refresh-token/1';
const NEW = 'new-refresh-token/1';
const PIN = '4711471147114711';
const credentials = { refresh_token: OLD, more: [{ access_token: NEW, pin_token: Number(PIN) }] };
const MESSAGE = { type: 'updateCredentials', at: '2026-01-01 00:00:00', credentials };
const TWICE = `{"type":"log","credentials":"${NEW}","type":"updateCredentials"}`;

const say = (text) => `process.stdout.write(${JSON.stringify(text)} + '\\n');`;
const sources = {
  Renews: `async run() {
    const line = ${JSON.stringify(JSON.stringify(MESSAGE))};
    process.stdout.write(line.slice(0, 50));
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.stdout.write(line.slice(50) + JSON.stringify({ type: 'log', message: 'with ${OLD} ${NEW}' }) + '\\n');
    ${say(TWICE)}
    console.log('later ${NEW} ' + Buffer.from('${NEW}').toString('base64') + ' ${PIN}');
    console.log(JSON.stringify({ type: 'addWarningToCurrentStatus', warning: 'used ${NEW}' }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new Error('refused ${NEW} and ' + line);
  }`,
};
const connectors = connectorsPackage({ after }, { sources });
const config = configOf('Renews', { RefreshToken: { value: OLD } });
const runner = new ConnectorRunner({
  connectorsPackage: connectors,
  runsDir: tempFolder({ after }),
});

const SECRETS = [OLD, NEW, PIN, Buffer.from(NEW).toString('base64').slice(0, -4)];
function assertHidden(text, what) {
  for (const secret of SECRETS) assert.ok(!text.includes(secret), `${what}: ${secret} in ${text}`);
}
const LOG = { type: 'log', message: 'with *** ***' };

test('onStdout gets the message whole, and *** in all that comes with and after it', async () => {
  const { stdout, stderr, stdio } = capture();
  const error = await rejection(runner.run('d', 'r', config, {}, stdio));
  const lines = stdout.join('').trimEnd().split('\n');
  assert.equal(lines[0], JSON.stringify(MESSAGE) + JSON.stringify(LOG));
  assert.equal(lines[1], TWICE);
  assert.match(lines[2], /^later \*{3} \S*\*{3}\S* \*{3}$/);
  assertHidden(lines.slice(2).join('\n'), 'later lines');
  assertHidden(stderr.join(''), 'stderr');
  assertHidden(JSON.stringify(error.result) + error.stderrTail + error.stack, 'the error');
  assert.deepEqual(error.result.warnings, ['used ***']);
});

test('onMessage and stream get it whole, the diagnostics channel does not', async () => {
  const seen = [];
  const subscriber = ({ message }) => seen.push(message);
  diagnostics.subscribe('owox:connector-runner:run:message', subscriber);
  const messages = [];
  const streamed = [];
  const onMessage = (message) => void messages.push(message);
  await rejection(runner.run('d', 'r', config, {}, 'ignore', { onMessage }));
  await rejection(
    (async () => {
      for await (const message of runner.stream('d', 'r', config)) streamed.push(message);
    })(),
  );
  diagnostics.unsubscribe('owox:connector-runner:run:message', subscriber);
  for (const got of [messages, streamed]) {
    assert.deepEqual(got.slice(0, 2), [MESSAGE, LOG]);
    assert.deepEqual(got[2], { type: 'updateCredentials', credentials: NEW });
    assertHidden(JSON.stringify(got.slice(3)), 'later messages');
  }
  assert.deepEqual(seen[0], { ...MESSAGE, credentials: '***' });
  assert.equal(seen.length, messages.length + streamed.length);
  assertHidden(JSON.stringify(seen), 'the channel');
});

test('also where nothing else is to be redacted, only the caller gets it', async () => {
  const seen = [];
  const subscriber = ({ message }) => seen.push(message);
  diagnostics.subscribe('owox:connector-runner:run:message', subscriber);
  const { stdout, stdio } = capture();
  await rejection(runner.run('d', 'r', config, {}, stdio, { redact: false }));
  diagnostics.unsubscribe('owox:connector-runner:run:message', subscriber);
  assert.ok(stdout.join('').startsWith(JSON.stringify(MESSAGE)));
  assert.equal(seen[0].credentials, '***');
  assert.equal(seen[1].message, `with ${OLD} ${NEW}`);
});

for (const how of ['inherit', 'passThrough']) {
  test(`a host's own output: ${how}`, async (t) => {
    const stdio =
      how === 'inherit'
        ? `'inherit'`
        : '{ logCapture: { onStdout: (text) => got += text, passThrough: true } }';
    const { stdout, stderr } = await runHost(
      t,
      `let got = '';
      new runner.ConnectorRunner({ connectorsPackage: ${JSON.stringify(connectors)}, runsDir: ${JSON.stringify(tempFolder(t))} })
        .run('d', 'r', ${JSON.stringify(config)}, {}, ${stdio})
        .catch(() => console.log(got.includes('${NEW}') ? 'whole' : 'not whole'));`,
    );
    assert.match(stdout, /"credentials":"\*\*\*"/);
    assert.match(stdout, how === 'inherit' ? /not whole\n$/ : /\nwhole\n$/);
    assertHidden(stdout + stderr, how);
  });
}

for (const args of [[], ['--json'], ['--quiet']]) {
  test(`the command and its page: ${args.join(' ') || 'as it comes'}`, async (t) => {
    const folder = writeFiles(tempFolder(t), { 'config.json': config });
    const page = path.join(folder, 'page.html');
    const given = [path.join(folder, 'config.json'), '--no-state', '--report', page, ...args];
    const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: connectors };
    const { stdout, stderr, code } = await runScript('src/cli-wrapper.js', given, { env });
    assert.equal(code, 1);
    if (args[0] !== '--quiet') assert.match(stdout, /"credentials":"\*\*\*"/);
    assertHidden(stdout + stderr, 'the command');
    const html = fs.readFileSync(page, 'utf8');
    assert.match(html, /updateCredentials/);
    assertHidden(html, 'the page');
  });
}
