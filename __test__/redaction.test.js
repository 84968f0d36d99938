'use strict';
// Secret parameters never leave a run, whatever the way (contract, section 11).

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { ConnectorRunner, NodeJsEnvironment } = require('@owox/connector-runner');
const { NODE_MANIFEST, configOf, connectorsPackage } = require('./support/connectors');
const { runHost } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { scriptFolder, tempFolder } = require('./support/temp');

const SECRET = 'p@ss "word"/\\ü-1234';

/** Prints the secret in every form, and then fails. */
const LEAKY = `
  const secret = JSON.parse(process.env.OW_CONFIG).source.config.AccessToken.value;
  const out = (text) => process.stdout.write(text + '\\n');
  out('plain ' + secret);
  out(JSON.stringify({ type: 'log', message: 'in JSON ' + secret }));
  out(JSON.stringify({ type: 'log', message: JSON.stringify({ nested: secret }) }));
  out('https://host/?token=' + encodeURIComponent(secret));
  out(Buffer.from(secret).toString('base64'));
  out('Basic ' + Buffer.from('user:' + secret).toString('base64'));
  out(JSON.stringify({ type: 'addWarningToCurrentStatus', warning: 'bad token ' + secret }));
  out(JSON.stringify({ type: 'updateLastRequstedDate', date: '2026-01-02T00:00:00.000Z' }));
  process.stderr.write('Error: ' + secret.slice(0, 5));
  setImmediate(() => { process.stderr.write(secret.slice(5) + '\\n'); process.exitCode = 3; });
`;

const FORMS = [
  SECRET,
  JSON.stringify(SECRET).slice(1, -1),
  encodeURIComponent(SECRET),
  Buffer.from(SECRET).toString('base64').slice(4, -4),
  Buffer.from(`user:${SECRET}`).toString('base64').slice(8, -4),
];

function variables(more = {}) {
  const config = configOf('S', { AccessToken: { value: SECRET } });
  return { ...process.env, OW_CONFIG: JSON.stringify(config), ...more };
}

function assertHidden(text) {
  for (const form of FORMS) assert.ok(!text.includes(form), `${form} is in ${text}`);
}

test('a secret is replaced in callbacks, warnings, stderr and errors', async (t) => {
  const { stdout, stderr, stdio } = capture();
  const run = new NodeJsEnvironment().executeConnector(scriptFolder(t, LEAKY), variables(), stdio);
  const error = await rejection(run);
  const all = [...stdout, ...stderr, JSON.stringify(error.result), error.stderrTail, error.stack];
  assertHidden(all.join('\n'));
  assert.equal(error.stderrTail, 'Error: ***\n');
  assert.deepEqual(error.result.warnings, ['bad token ***']);
  assert.deepEqual(error.result.checkpoint, { date: '2026-01-02T00:00:00.000Z' });
  const lines = stdout.join('').trim().split('\n');
  assert.equal(lines[0], 'plain ***');
  assert.deepEqual(JSON.parse(lines[1]), { type: 'log', message: 'in JSON ***' });
  assert.deepEqual(JSON.parse(lines[2]), { type: 'log', message: '{"nested":"***"}' });
  assert.equal(lines[3], 'https://host/?token=***');
});

test('redact: false shows it, so the test above can fail', async (t) => {
  const { stdout, stdio } = capture();
  const environment = new NodeJsEnvironment({ redact: false });
  const error = await rejection(
    environment.executeConnector(scriptFolder(t, LEAKY), variables(), stdio),
  );
  const shown = stdout.join('') + error.stderrTail;
  for (const form of FORMS) assert.ok(shown.includes(form), form);
});

for (const stdio of ["'inherit'", '{ logCapture: { passThrough: true } }']) {
  test(`a secret is replaced in what reaches the host's own output by ${stdio}`, async (t) => {
    const folder = scriptFolder(t, LEAKY);
    const host = `new runner.NodeJsEnvironment()
      .executeConnector(${JSON.stringify(folder)}, process.env, ${stdio})
      .catch((error) => console.error(error));`;
    const { stdout, stderr } = await runHost(t, host, { env: variables() });
    assertHidden(stdout + stderr);
    assert.match(stdout, /^plain \*\*\*$/m);
    assert.match(stderr, /^Error: \*\*\*$/m);
  });
}

test('names and values of the option are secret, too', async (t) => {
  const { stdout, stdio } = capture();
  const redact = { names: ['plain_name', 'MY_VARIABLE'], values: ['given-value'] };
  const config = configOf('S', {
    PlainName: { value: 'named-value' },
    Other: { value: 'open-value' },
  });
  const script = `console.log('named-value', process.env.MY_VARIABLE, 'given-value', 'open-value');`;
  await new NodeJsEnvironment({ redact }).executeConnector(
    scriptFolder(t, script),
    variables({ OW_CONFIG: JSON.stringify(config), MY_VARIABLE: 'variable-value' }),
    stdio,
  );
  assert.equal(stdout.join(''), '*** *** *** open-value\n');
});

test('a parameter that a manifest marks is secret, also below a choice', async (t) => {
  const parameters = {
    Header: { secret: true },
    Login: { oneOf: [{ value: 'key', items: { Pin: { secret: true } } }] },
  };
  const storages = { Null: { ...NODE_MANIFEST, parameters: { Phrase: { secret: true } } } };
  const folder = connectorsPackage(t, {
    sources: { Open: "run() { console.log('header-value pin-value-1 phrase-value'); }" },
    after: `Connectors.Open.manifest = ${JSON.stringify({ parameters })};`,
    storages,
  });
  const given = configOf('Open', {
    Header: 'header-value',
    Login: { key: { Pin: 'pin-value-1' } },
  });
  given.storage.config = { Phrase: 'phrase-value' };
  const { stdout, stdio } = capture();
  const options = { connectorsPackage: folder, runsDir: tempFolder(t) };
  await new ConnectorRunner(options).run('d', 'r', given, {}, stdio);
  assert.equal(stdout.join(''), '*** *** ***\n');
});

test('what goes straight to a descriptor is not inspected', async (t) => {
  const file = path.join(tempFolder(t), 'out');
  const descriptor = fs.openSync(file, 'w');
  t.after(() => fs.closeSync(descriptor));
  const script = `console.log(JSON.parse(process.env.OW_CONFIG).source.config.AccessToken.value);`;
  const stdio = ['ignore', descriptor, 'ignore'];
  await new NodeJsEnvironment().executeConnector(scriptFolder(t, script), variables(), stdio);
  assert.equal(fs.readFileSync(file, 'utf8'), `${SECRET}\n`);
});
