'use strict';
// Where a state is written: tried before anything is loaded, links and owners kept, and one verdict
// where it cannot be written after all.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { day, inNamespace, noNamespace, statePackage, stateWorkspace } = require('./support/state');

const package_ = statePackage({ after });

const lastEvent = ({ stdout }) => JSON.parse(stdout.trim().split('\n').at(-1));

test('a place that cannot be written is found before anything is loaded', async (t) => {
  const { cli, folder, run, stateFolder } = stateWorkspace(t, package_);
  fs.writeFileSync(path.join(folder, 'file'), '');
  fs.mkdirSync(path.join(folder, 'folder'));
  for (const place of ['file/below.json', 'folder']) {
    const ran = await run(['config.json', '--state', place, '--json']);
    assert.deepEqual([ran.code, ran.told], [1, undefined], ran.stderr);
    assert.equal(lastEvent(ran).error.code, 'STATE_UNAVAILABLE');
    assert.match(ran.stderr, /Do .*--state FILE/);
    assert.doesNotMatch(ran.stdout, /"spawn"/);
    const checked = await cli(['check', 'config.json', '--state', place]);
    assert.equal(checked.code, 1);
    assert.match(checked.stdout, /error: the state file .* cannot be/);
  }
  assert.equal((await cli(['check', 'config.json'])).code, 0);
  assert.equal((await cli(['check', 'config.json', '--state', 'file/x', '--no-state'])).code, 1);
  // the configuration's own place
  fs.mkdirSync(path.dirname(stateFolder), { recursive: true });
  fs.writeFileSync(stateFolder, '');
  assert.equal((await cli(['check', 'config.json'])).code, 1);
  assert.equal((await cli(['check', 'config.json', '--no-state'])).code, 0);
  assert.match((await run(['config.json'])).stderr, /STATE_UNAVAILABLE/);
  const doctor = JSON.parse((await cli(['doctor', '--json'])).stdout);
  const state = doctor.checks.find(({ name }) => name === 'state');
  assert.equal(state.status, 'error');
  assert.equal(doctor.canRun, false);
  // what moves no state needs no place for it
  assert.equal((await run(['config.json', '--run-type', 'MANUAL_BACKFILL'])).code, 0);
});

test('where it fails after all, every place says the same, with rows and what to do', async (t) => {
  const { folder, run } = stateWorkspace(t, package_);
  const place = path.join(folder, 'deep');
  const BREAK = `fs.rmSync('${place}', { recursive: true, force: true }); fs.writeFileSync('${place}', '')`;
  const args = [
    'config.json',
    '--state',
    'deep/s.json',
    '--isolation',
    'none',
    '--report',
    'r.html',
  ];
  fs.mkdirSync(place);
  fs.writeFileSync(path.join(place, 's.json'), '{"date":"2026-01-01"}');
  const json = await run([...args, '--json'], { env: { BREAK } });
  const event = lastEvent(json);
  assert.deepEqual(
    [json.code, event.exitCode, event.status, event.error.code, event.run.status],
    [1, 1, 'failed', 'STATE_UNAVAILABLE', 'failed'],
  );
  assert.equal(event.rows, 3);
  assert.deepEqual([event.state.from, event.state.moved], ['2026-01-01', false]);
  assert.match(
    json.stderr,
    /the connector has succeeded and its rows are saved, but the state file/,
  );
  assert.match(json.stderr, /3 rows so far/);
  assert.match(json.stderr, /state set CONFIG 2026-03-04/);
  assert.match(json.stderr, /Code +STATE_UNAVAILABLE, exit code 1/);
  const page = fs.readFileSync(path.join(folder, 'r.html'), 'utf8');
  assert.match(page, /STATE_UNAVAILABLE/);
  assert.match(page, /Failed/);
  assert.doesNotMatch(page, /Succeeded/);
});

test('links are followed, and the mode stays', async (t) => {
  const { cli, folder, run } = stateWorkspace(t, package_);
  const real = path.join(folder, 'kept', 'real.json');
  fs.mkdirSync(path.dirname(real));
  fs.writeFileSync(real, '{}');
  fs.chmodSync(real, 0o664);
  fs.symlinkSync('kept/real.json', path.join(folder, 'link.json'));
  assert.equal((await run(['config.json', '--state', 'link.json'])).code, 0);
  assert.equal(fs.lstatSync(path.join(folder, 'link.json')).isSymbolicLink(), true);
  assert.equal(fs.statSync(real).mode & 0o777, 0o664);
  assert.equal(JSON.parse(fs.readFileSync(real, 'utf8')).date, day('2026-03-04'));
  assert.deepEqual(fs.readdirSync(path.dirname(real)), ['real.json']);
  await cli(['state', 'clear', 'config.json', '--state', 'link.json']);
  assert.equal(fs.existsSync(real), false);
});

test(
  'a file of another user stays theirs',
  { skip: process.getuid?.() !== 0 && 'needs root' },
  async (t) => {
    const { folder, run } = stateWorkspace(t, package_);
    const file = path.join(folder, 's.json');
    fs.writeFileSync(file, '{}');
    fs.chmodSync(file, 0o664);
    fs.chownSync(file, 65534, 65534);
    assert.equal((await run(['config.json', '--state', 's.json'])).code, 0);
    const { uid, gid, mode } = fs.statSync(file);
    assert.deepEqual([uid, gid, mode & 0o777], [65534, 65534, 0o664]);
  },
);

test(
  'a file that something is mounted on is written, moved and cleared',
  { skip: noNamespace },
  async (t) => {
    const { folder, kept, run } = stateWorkspace(t, package_);
    const [real, place] = ['real.json', 'mounted.json'].map((name) => path.join(folder, name));
    fs.writeFileSync(real, '{"date":"2026-01-01"}');
    fs.writeFileSync(place, '');
    const wrapper = inNamespace(`mount --bind '${real}' '${place}'; exec "$@"`);
    const ran = await run(['config.json', '--state', place, '--isolation', 'none'], { wrapper });
    assert.deepEqual([ran.code, ran.told], [0, { date: '2026-01-01' }], ran.stderr);
    assert.equal(JSON.parse(fs.readFileSync(real, 'utf8')).date, day('2026-03-04'));
    assert.deepEqual(kept(), [], 'the lock lies there, while it is held');
    const cleared = await run(['state', 'clear', 'config.json', '--state', place], { wrapper });
    assert.equal(cleared.code, 0, cleared.stderr);
    assert.deepEqual(JSON.parse(fs.readFileSync(real, 'utf8')), {});
  },
);

test('on a full disk the old content stays', { skip: noNamespace }, async (t) => {
  const { folder, run } = stateWorkspace(t, package_);
  const out = path.join(folder, 'out.json');
  const old = JSON.stringify({ date: '2026-01-01', mine: 'x'.repeat(3000) });
  fs.writeFileSync(path.join(folder, 'old.json'), old);
  const disk = path.join(folder, 'disk');
  fs.mkdirSync(disk);
  const fill = `dd if=/dev/zero of='${disk}/full' bs=4096 2>/dev/null || true`;
  const wrapper = inNamespace(
    `mount -t tmpfs -o size=64k none '${disk}'; cp '${folder}/old.json' '${disk}/s.json'; ` +
      `test -z "$FULL" || { ${fill}; }; "$@" || code=$?; ` +
      `cp '${disk}/s.json' '${out}'; exit \${code:-0}`,
  );
  const args = ['config.json', '--state', `${disk}/s.json`, '--isolation', 'none'];
  const BREAK = `require('node:child_process').execSync(${JSON.stringify(fill)})`;
  // full before it begins, and full by what the connector does
  for (const before of [true, false]) {
    const ran = await run(args, { wrapper, env: before ? { FULL: '1' } : { BREAK } });
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(ran.stderr, /STATE_UNAVAILABLE/);
    assert.match(ran.stderr, /No space left/);
    assert.equal(ran.told === undefined, before);
    assert.equal(fs.readFileSync(out, 'utf8'), old);
  }
});

test(
  'without HOME the home of the user database is used, and without that it is said',
  { skip: noNamespace },
  async (t) => {
    const { cli, folder, run } = stateWorkspace(t, package_);
    const home = path.join(folder, 'home');
    fs.mkdirSync(home);
    const users = path.join(folder, 'passwd');
    const wrapper = inNamespace(`mount --bind '${users}' /etc/passwd; exec "$@"`);
    const bare = { env: { HOME: '', XDG_STATE_HOME: '' }, wrapper };
    fs.writeFileSync(users, `root:x:0:0::${home}:/bin/sh\n`);
    assert.deepEqual((await run(['config.json'], bare)).told, {});
    assert.deepEqual((await run(['config.json'], bare)).told, { date: day('2026-03-04') });
    assert.ok(fs.existsSync(path.join(home, '.local/state/owox-connector-runner')));

    for (const line of ['root:x:0:0::/:/bin/sh\n', 'root:x:0:0::/nonexistent:/bin/sh\n']) {
      fs.writeFileSync(users, line);
      const ran = await run(['config.json'], bare);
      assert.deepEqual([ran.code, ran.told], [0, {}], ran.stderr);
      assert.match(ran.stderr, /warning: there is no folder for state: .*--state FILE/);
      assert.doesNotMatch(ran.stderr, /no-state/);
      const doctor = JSON.parse((await cli(['doctor', '--json'], bare)).stdout);
      assert.match(doctor.checks.find(({ name }) => name === 'state').detail, /loads everything/);
      assert.match(
        (await cli(['check', 'config.json'], bare)).stdout,
        /warning: there is no folder/,
      );
      assert.match((await cli(['state', 'get', 'config.json'], bare)).stderr, /--state/);
    }
  },
);
