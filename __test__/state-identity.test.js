'use strict';
// What a state belongs to: a configuration's path as it was given, and what it loads.

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { day, statePackage, stateWorkspace } = require('./support/state');

const package_ = statePackage({ after });
const moved = { date: day('2026-03-04') };

test('a configuration through standard input or a pipe has no state of its own', async (t) => {
  const { folder, kept, run } = stateWorkspace(t, package_);
  const input = fs.readFileSync(path.join(folder, 'config.json'), 'utf8');
  for (const config of ['-', '/dev/stdin']) {
    // a socket, which is what Node gives a child, has no path to open
    const wrapper = config === '-' ? [] : ['sh', '-c', 'cat | "$@"', 'sh'];
    for (const other of [false, true]) {
      const given = other ? input.replace('Moves', 'Other') : input;
      const ran = await run([config], { input: given, wrapper });
      assert.deepEqual([ran.code, ran.told], [0, {}], ran.stderr);
      assert.match(ran.stderr, /standard input or a pipe has no state of its own; --state FILE/);
      assert.doesNotMatch(ran.stderr, /--no-state\)/);
    }
  }
  assert.deepEqual(kept(), []);
  await run(['-', '--state', 's.json'], { input });
  assert.deepEqual((await run(['-', '--state', 's.json'], { input })).told, moved);
  const { stderr, code } = await run(['state', 'get', '-']);
  assert.equal(code, 1);
  assert.match(stderr, /no state of its own/);
});

test('two links to one configuration have a state each, and a swapped link keeps it', async (t) => {
  const { change, folder, run } = stateWorkspace(t, package_, {
    'releases/1/c.json': {},
    'releases/2/c.json': {},
  });
  for (const name of ['a.json', 'b.json']) {
    fs.symlinkSync('releases/1/c.json', path.join(folder, name));
  }
  assert.deepEqual((await run(['a.json'])).told, {});
  assert.deepEqual((await run(['b.json'])).told, {});
  assert.deepEqual((await run(['a.json'])).told, moved);

  const current = path.join(folder, 'current');
  fs.symlinkSync('releases/1', current);
  assert.deepEqual((await run(['current/c.json'])).told, {});
  fs.rmSync(current);
  fs.symlinkSync('releases/2', current);
  change('releases/2/c.json', (config) => (config.name = 'The second release'));
  assert.deepEqual((await run(['current/c.json'])).told, moved);
  // a shell that stands behind the link says so in PWD alone
  assert.deepEqual((await run(['c.json'], { cwd: current })).told, moved);
});

test('an edit of what is loaded begins anew, says so, and undone it goes on', async (t) => {
  const { change, cli, run } = stateWorkspace(t, package_, { 'config.json': { Account: 'a' } });
  await run(['config.json'], { env: { DATE: '2026-01-01' } });
  change('config.json', (config) => {
    config.name = 'Another';
    config.$schema = 'x';
    config.source.config = {
      Account: { value: 'a' },
      StartDate: '2020-01-01',
      AccessToken: 'abcdefghijkl',
    };
  });
  const same = await run(['config.json'], { env: { DATE: '2026-02-02' } });
  assert.deepEqual(same.told, { date: day('2026-01-01') });
  assert.doesNotMatch(same.stderr, /warning/);

  change('config.json', (config) => (config.source.config.Account = 'b'));
  const edited = await run(['config.json'], { env: { DATE: '2026-03-03' } });
  assert.deepEqual(edited.told, {});
  assert.match(edited.stderr, /warning: .*2026-02-02.*source\.config\.Account is another/);
  assert.match(edited.stderr, /state set config\.json 2026-02-02/);
  assert.match((await cli(['state', 'get', 'config.json'])).stderr, /1 further state is kept/);

  change('config.json', (config) => (config.source.config.Account = 'a'));
  const undone = await run(['config.json', '--json']);
  assert.match(undone.stdout, /"told":\{"date":"2026-02-02T/);
  change('config.json', (config) => (config.source.name = 'Other'));
  const another = await run(['config.json', '--json']);
  const result = JSON.parse(another.stdout.trim().split('\n').at(-1));
  assert.match(result.run.warnings[0], /source\.name is another/);
});

test('a file of an earlier version, or by hand, counts for the first that comes', async (t) => {
  const { change, folder, kept, run, stateFolder } = stateWorkspace(t, package_);
  const real = path.join(folder, 'config.json');
  const hash = createHash('sha256').update(real).digest('hex').slice(0, 12);
  fs.mkdirSync(stateFolder, { recursive: true });
  fs.writeFileSync(path.join(stateFolder, `config-${hash}.json`), '{"date":"2026-01-01"}\n');
  const failed = await run(['config.json'], { env: { BREAK: 'process.exit(3)' } });
  assert.deepEqual([failed.code, failed.told], [1, { date: '2026-01-01' }]);
  const first = await run(['config.json']);
  assert.deepEqual(first.told, { date: '2026-01-01' });
  assert.match(first.stderr, /warning: .*does not say which source and table it belongs to/);
  assert.equal(kept().length, 1, 'it lives on under its new name');
  assert.doesNotMatch((await run(['config.json'])).stderr, /warning/);

  const file = path.join(folder, 'mine.json');
  fs.writeFileSync(file, '{"cursor":7012345678901234567,"date":"2026-01-01"}');
  assert.equal((await run(['config.json', '--state', file])).told.date, '2026-01-01');
  assert.match(
    fs.readFileSync(file, 'utf8'),
    /"date":"2026-03-04T00.*"cursor":7012345678901234567/,
  );
  change('config.json', (config) => (config.source.name = 'Other'));
  assert.deepEqual((await run(['config.json', '--state', file])).told, {});
});

test('a state file that is damaged is told by its code, and cleared', async (t) => {
  const { cli, folder, run } = stateWorkspace(t, package_);
  const file = path.join(folder, 's.json');
  const deep = `{"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
  const large = `{"x":"${'a'.repeat(1024 * 1024)}"}`;
  for (const text of ['{', '[]', '', deep, large, '{"connectorRunner":{"version":9}}']) {
    fs.writeFileSync(file, text);
    const { code, stderr, told } = await run(['config.json', '--state', file]);
    assert.deepEqual([code, told], [1, undefined]);
    assert.match(stderr, /s\.json cannot be (used|read)[^]*STATE_UNAVAILABLE, exit code 1/);
    assert.equal(fs.readFileSync(file, 'utf8'), text);
  }
  assert.equal((await cli(['state', 'clear', 'config.json', '--state', file])).code, 0);
  assert.equal(fs.existsSync(file), false);
});
