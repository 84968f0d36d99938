'use strict';
// `--env` and `--env-mode`: which of the host's variables a connector gets.

const assert = require('node:assert/strict');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const sources = {
  Names: `run() { console.log(JSON.stringify(process.env)); }`,
};
const connectors = connectorsPackage({ after }, { sources });
const HOST = {
  FIRST: '1',
  SECOND: 'two words',
  SECRET_OF_HOST: 's',
  LC_TIME: 'C',
  AWS_REGION: 'r',
};

async function run(t, ...args) {
  const folder = writeFiles(tempFolder(t), { 'config.json': configOf('Names') });
  const given = [path.join(folder, 'config.json'), '--no-state', '--runs-dir', tempFolder(t)];
  return runScript('src/cli-wrapper.js', [...given, '--connectors', connectors, ...args], {
    env: { ...process.env, ...HOST },
  });
}

/** What the connector had of the host's variables; node and the run have their own. */
async function variables(t, ...args) {
  const { code, stdout, stderr } = await run(t, ...args);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Names that the run itself gives, whatever is passed on. */
const isOfRun = (name) => name.startsWith('OW_');

test('--env passes on the variables of these names, and nothing else of the host', async (t) => {
  for (const isolation of ['standard', 'strict']) {
    const passed = await variables(
      t,
      '--env',
      'FIRST',
      '--env=SECOND',
      '--env',
      'NOT_SET',
      '--isolation',
      isolation,
    );
    assert.deepEqual([passed.FIRST, passed.SECOND], ['1', 'two words']);
    const names = new Set(Object.keys(process.env).concat(Object.keys(HOST)));
    const further = Object.keys(passed).filter(
      (name) => names.has(name) && !isOfRun(name) && !['FIRST', 'SECOND'].includes(name),
    );
    // its temporary folder is the run's own
    assert.deepEqual(
      further.filter((name) => passed[name] === (HOST[name] ?? process.env[name])),
      [],
      isolation,
    );
  }
});

test('--env-mode minimal passes on what programs need, inherit all', async (t) => {
  const few = await variables(t, '--env-mode', 'minimal');
  assert.equal(few.LC_TIME, 'C');
  assert.equal(few.PATH, process.env.PATH);
  assert.deepEqual(
    [few.SECRET_OF_HOST, few.FIRST, few.AWS_REGION],
    [undefined, undefined, undefined],
  );
  const all = await variables(t, '--env-mode', 'inherit', '--isolation', 'strict');
  assert.deepEqual([all.SECRET_OF_HOST, all.FIRST], ['s', '1']);
});

test('a value, an empty name, another mode, and both at once are refused', async (t) => {
  for (const [args, message] of [
    [['--env', 'FIRST=1'], /--env <NAME>.*name of a variable.*without its value/s],
    [['--env', ''], /--env <NAME>/],
    [['--env-mode', 'all'], /inherit, minimal/],
    [['--env', 'FIRST', '--env-mode', 'minimal'], /cannot be used with/],
  ]) {
    const { code, stdout, stderr } = await run(t, ...args);
    assert.equal(code, 1, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /FIRST=1/, 'a value may be a secret');
  }
});
