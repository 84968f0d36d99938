'use strict';
// Two runs of one configuration: one at a time, and what moved meanwhile never goes back.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');

const { ended } = require('./support/host');
const {
  day,
  inNamespace,
  noNamespace,
  printed,
  statePackage,
  stateWorkspace,
} = require('./support/state');

const package_ = statePackage({ after });

/** A workspace with a gate: runs with its variable wait there. */
function gated(t) {
  const workspace = stateWorkspace(t, package_);
  const gate = path.join(workspace.folder, 'gate');
  execFileSync('mkfifo', [gate]);
  const open = () => fs.promises.writeFile(gate, '');
  /** Starts a run, and waits until it is at the gate. */
  const atGate = async (args = [], env = {}) => {
    const child = workspace.start(['config.json', '--isolation', 'none', ...args], {
      env: { GATE: gate, ...env },
    });
    const end = ended(child);
    await printed(child, '"atGate"');
    return { child, end };
  };
  return { ...workspace, atGate, gate, open };
}

test('a second run is refused with pid, host and since when; --wait waits', async (t) => {
  const { atGate, kept, open, run, start } = gated(t);
  const first = await atGate();
  const second = await run(['config.json', '--json', '--run-type', 'FULL_REFRESH']);
  const { error } = JSON.parse(second.stdout.trim().split('\n').at(-1));
  assert.deepEqual([second.code, second.told, error.code], [1, undefined, 'RUN_IN_PROGRESS']);
  assert.match(
    error.message,
    new RegExp(`process ${first.child.pid} on ${os.hostname()}, since \\d{4}-\\d\\d-\\d\\dT`),
  );
  assert.match(second.stderr, /Code +RUN_IN_PROGRESS, exit code 1/);
  // what moves no state may run beside it, and so may another state
  assert.equal((await run(['config.json', '--run-type', 'MANUAL_BACKFILL'])).code, 0);
  assert.equal((await run(['config.json', '--no-state'])).code, 0);
  assert.equal((await run(['config.json', '--state', 'other.json'])).code, 0);

  const third = start(['config.json', '--wait'], { env: { DATE: '2026-05-05' } });
  const thirdEnd = ended(third);
  await printed(
    third,
    `Waiting: another run of this configuration is going on, by process ${first.child.pid}`,
  );
  await open();
  assert.equal((await first.end).code, 0);
  const { code, stdout } = await thirdEnd;
  assert.equal(code, 0);
  assert.match(stdout, /"told":\{"date":"2026-03-04T/, 'it begins where the first came to');
  assert.equal(kept().length, 1, 'no lock is left');
});

test('two mounts of one file have one lock', { skip: noNamespace }, async (t) => {
  const { folder, gate, open, run, start, stateFolder } = gated(t);
  const at = (name) => path.join(folder, name);
  for (const name of ['real.json', 'a.json', 'b.json']) fs.writeFileSync(at(name), '{}');
  const mounted = (name) =>
    inNamespace(`mount --bind '${at('real.json')}' '${at(name)}'; exec "$@"`);
  const args = (name) => ['config.json', '--isolation', 'none', '--state', at(name)];
  const first = start(args('a.json'), { env: { GATE: gate }, wrapper: mounted('a.json') });
  const end = ended(first);
  await printed(first, '"atGate"');
  const { dev, ino } = fs.statSync(at('real.json'));
  assert.deepEqual(fs.readdirSync(stateFolder), [`.file-${dev}-${ino}.lock`]);
  const second = await run(args('b.json'), { wrapper: mounted('b.json') });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /RUN_IN_PROGRESS/);
  await open();
  assert.equal((await end).code, 0);
  assert.deepEqual(fs.readdirSync(stateFolder), []);
});

test('a wait ends by a signal', async (t) => {
  const { atGate, open, start } = gated(t);
  const first = await atGate();
  const second = start(['config.json', '--wait']);
  const end = ended(second);
  await printed(second, 'Waiting: ');
  second.kill('SIGTERM');
  const { code, stderr } = await end;
  assert.equal(code, 143, stderr);
  assert.match(stderr, /ABORT_ERR/);
  await open();
  await first.end;
});

test('the lock of a killed command ends with its tree', async (t) => {
  const { atGate, run } = gated(t);
  const first = await atGate();
  first.child.kill('SIGKILL');
  await first.end;
  // its supervisor ends the tree; until then the lock is held
  const { code, stderr } = await run(['config.json', '--wait']);
  assert.equal(code, 0, stderr);
});

// only root sees what another program has open that nobody may look into
const notRoot = process.getuid?.() !== 0 && 'needs root';

test('the helper that watches the tree holds the lock', { skip: notRoot }, async (t) => {
  const { atGate, open, stateFolder } = gated(t);
  const first = await atGate();
  const [lock] = fs.readdirSync(stateFolder).filter((name) => name.endsWith('.lock'));
  const file = path.join(stateFolder, lock);
  const holds = (pid) => {
    try {
      const folder = `/proc/${pid}/fd`;
      return fs.readdirSync(folder).some((fd) => fs.readlinkSync(path.join(folder, fd)) === file);
    } catch {
      return false; // not ours to look at, or gone
    }
  };
  const holders = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && holds(name));
  const names = holders.map((pid) => fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim()).sort();
  assert.equal(
    names.some((name) => name.startsWith('connector-super')),
    true,
    `${names}`,
  );
  assert.equal(holders.length, 2, `the command and its helper, no connector: ${names}`);
  await open();
  await first.end;
});

test('a slow run never moves the state back, and says so', async (t) => {
  const { atGate, cli, open } = gated(t);
  const get = async () => (await cli(['state', 'get', 'config.json'])).stdout;
  const slow = await atGate(['--report', 'slow.html'], { DATE: '2026-01-01' });
  // a lock keeps runs of this machine apart; what moved it may be elsewhere
  await cli(['state', 'set', 'config.json', '2026-06-06']);
  await open();
  const ran = await slow.end;
  assert.equal(ran.code, 0);
  assert.match(ran.stderr, /State +not moved: it was changed while this run went on/);
  assert.match(ran.stderr, /is 2026-06-06 now, this run began at none and came to 2026-01-01/);
  assert.equal(await get(), `{"date":"${day('2026-06-06')}"}\n`);

  const json = await atGate(['--json'], { DATE: '2026-07-07' });
  await cli(['state', 'clear', 'config.json']);
  await open();
  const event = JSON.parse((await json.end).stdout.trim().split('\n').at(-1));
  assert.equal(event.state.moved, false);
  assert.match(event.run.warnings.join(), /it is none now/);
  assert.equal(await get(), '{}\n');
});
