'use strict';
// An error that connectors expect says all by its message: its stack is for those who ask for it.

const assert = require('node:assert/strict');
const { after, test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const package_ = connectorsPackage(
  { after },
  {
    sources: {
      Expected: `async run() { throw new Later('Path is wrong: correct it', { cause: new TypeError('deep') }); }`,
      Unexpected: `run() { throw new TypeError('x is not a function'); }`,
      Imitates: `run() { throw Object.assign(new Error('by name only'), { name: 'ConnectorError' }); }`,
    },
    before: `class ConnectorError extends Error { get name() { return this.constructor.name; } }
      class Later extends ConnectorError {}`,
    after: 'Core.ConnectorError = ConnectorError;',
  },
);
const FRAME = /^ +at /m;

async function run(t, source, ...args) {
  const cwd = writeFiles(tempFolder(t), { 'config.json': configOf(source) });
  const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: package_ };
  const all = ['config.json', '--no-state', '--runs-dir', tempFolder(t), ...args];
  const done = await runScript('src/cli-wrapper.js', all, { cwd, env });
  assert.equal(done.code, 1);
  return done;
}

test('an expected error is one line, and its message the cause', async (t) => {
  const { stderr } = await run(t, 'Expected');
  assert.match(stderr, /^Later: Path is wrong: correct it$/m);
  assert.match(stderr, /Why +Later: Path is wrong: correct it/);
  assert.doesNotMatch(stderr, FRAME);
  assert.doesNotMatch(stderr, /Caused by/);
});

test('--json has no stack of it either', async (t) => {
  const { stdout } = await run(t, 'Expected', '--json');
  assert.match(stdout, /Later: Path is wrong/);
  assert.doesNotMatch(stdout, / {4}at /);
});

test('--verbose has its stack and its cause', async (t) => {
  const { stderr } = await run(t, 'Expected', '--verbose');
  assert.match(stderr, FRAME);
  assert.match(stderr, /Caused by: TypeError: deep/);
});

test('what nobody expected keeps its stack, also where it only has the name', async (t) => {
  assert.match((await run(t, 'Unexpected')).stderr, FRAME);
  assert.match((await run(t, 'Imitates')).stderr, FRAME);
});

test('the library has all stacks, as ever, unless it is asked', async (t) => {
  const tail = async (options) => {
    const runner = new ConnectorRunner({ connectorsPackage: package_, runsDir: tempFolder(t) });
    const config = new Config(configOf('Expected'));
    const error = await runner
      .run('id', 'run', config, new RunConfig({}), 'pipe', options)
      .catch((reason) => reason);
    return error.stderrTail;
  };
  assert.match(await tail(), FRAME);
  assert.doesNotMatch(await tail({ stacks: 'unexpected' }), FRAME);
});
