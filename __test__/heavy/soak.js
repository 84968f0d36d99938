'use strict';
// Runs of every kind at random, for a while: each has exactly one verdict and the right one, and
// the machine is as clean as before.
//   node __test__/heavy/soak.js [MINUTES] [AT_A_TIME]

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { Config, ConnectorRunner, NodeJsEnvironment, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('../support/connectors');
const { mark, stat } = require('../support/processes');
const { tempFolder, writeFiles } = require('../support/temp');

const minutes = Number(process.argv[2] ?? 10);
const atATime = Number(process.argv[3] ?? 4);

const WAIT = 'setInterval(() => {}, 1000);';
const FAMILY = `const { spawn } = require('node:child_process');
  spawn('/bin/sh', ['-c', 'trap "" TERM; while :; do sleep 100; done'], { detached: true, stdio: 'inherit' });`;
const status = (number) => `console.log('{"type":"updateCurrentStatus","status":${number}}');`;

/** A small file system of its own, where that is possible. */
function smallDisk(t) {
  let folder;
  t.after(() => folder && execFileSync('umount', ['-l', folder])); // before it is removed
  const place = tempFolder(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', place], { stdio: 'pipe' });
    folder = place;
  } catch {
    // not root
  }
  return folder;
}

const between = (least, most) => Math.round(least + Math.random() * (most - least));
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const open = () => fs.readdirSync('/proc/self/fd').length;

test(`${minutes} minutes of runs, ${atATime} at a time`, async (t) => {
  const { variables, processes } = mark(t);
  const disk = smallDisk(t);
  const scripts = tempFolder(t);
  const env = { ...process.env, ...variables, DISK: disk };
  let number = 0;
  const folderOf = (script) =>
    writeFiles(path.join(scripts, String((number += 1))), { 'main.js': script });

  /** Runs a script in an environment of ours; `act(pid)` is called when it has started. */
  const play = async (script, options, act = () => {}) => {
    const folder = folderOf(script);
    let acted;
    const stdio = {
      logCapture: { onStdout() {}, onStderr() {} },
      onSpawn: (pid) => (acted = act(pid)),
    };
    try {
      return await new NodeJsEnvironment({ graceMs: 200 }).executeConnector(
        folder,
        env,
        stdio,
        options,
      );
    } finally {
      await acted;
      fs.rmSync(folder, { recursive: true, force: true });
    }
  };

  const sources = { Ok: `run() { ${status(3)} }`, Fails: `run() { throw new Error('no'); }` };
  const whole = {
    connectorsPackage: connectorsPackage({ after }, { sources }),
    runsDir: tempFolder(t),
  };
  const runner = new ConnectorRunner({ ...whole, maxConcurrentRuns: 2, graceMs: 200 });
  const full = disk && new ConnectorRunner({ ...whole, runsDir: disk });
  const start = (of, id, source) =>
    of.run('dm', id, new Config(configOf(source)), new RunConfig({}), 'pipe');

  /** Each gives its run, and the verdicts that are right. */
  const kinds = {
    success: [
      () => play(`${FAMILY} ${status(3)} setTimeout(() => process.exit(0), 50);`),
      'success',
    ],
    'exit code': [() => play('process.exit(3)'), 'failed'],
    'status 5': [() => play(status(5)), 'failed'],
    'killed from outside': [
      () =>
        play(FAMILY + WAIT, {}, async (pid) => {
          await pause(between(0, 200));
          process.kill(-pid, 'SIGKILL');
        }),
      'failed',
    ],
    'supervisor killed': [
      () =>
        play(WAIT, {}, async (pid) => {
          const supervisor = stat(pid)?.parent;
          await pause(between(0, 100));
          if (supervisor && supervisor !== process.pid) process.kill(supervisor, 'SIGKILL');
        }),
      'failed',
    ],
    cancelled: [
      () => play(FAMILY + WAIT, { signal: AbortSignal.timeout(between(0, 300)) }),
      'cancelled',
      'ABORT_ERR', // before it was started
    ],
    timeout: [() => play(FAMILY + WAIT, { timeoutMs: between(1, 300) }), 'timeout', 'TIMEOUT'],
    'busy timeout': [
      () => play('for (;;) {}', { timeoutMs: between(1, 300), graceMs: 50 }),
      'timeout',
      'TIMEOUT',
    ],
    stalled: [() => play(WAIT, { stallTimeoutMs: between(50, 300) }), 'stalled'],
    'memory bomb': [
      () =>
        play(`const kept = []; setInterval(() => kept.push(Buffer.alloc(1e7, 1)), 2);`, {
          memoryLimitMb: 150,
        }),
      'memory_limit',
    ],
    'heap bomb': [
      () =>
        play(`const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length));`, {
          memoryLimitMb: 150,
        }),
      'memory_limit',
    ],
    'whole run': [() => start(runner, `run-${(number += 1)}`, 'Ok'), 'success'],
    'whole run that fails': [() => start(runner, `run-${(number += 1)}`, 'Fails'), 'failed'],
    'cancelled whole run': [
      async () => {
        const id = `run-${(number += 1)}`;
        const run = start(runner, id, 'Ok');
        run.catch(() => {});
        await pause(between(0, 150));
        runner.cancel(id);
        return run;
      },
      'cancelled',
      'ABORT_ERR',
      'success',
    ],
    ...(disk && {
      'full disk': [
        () =>
          play(
            `const fs = require('node:fs'); const file = process.env.DISK + '/' + process.pid + Math.random();
            try { for (;;) fs.appendFileSync(file, Buffer.alloc(100_000)); }
            finally { fs.rmSync(file, { force: true }); }`,
            { isolation: { write: [disk] } },
          ),
        'failed',
      ],
      // there may be room at times; where not, it says so
      'run on a full disk': [
        () => start(full, `run-${(number += 1)}`, 'Ok'),
        'success',
        'failed',
        'INTERNAL',
        'INSTALL_FAILED',
      ],
    }),
  };

  const counts = {};
  const wrong = [];
  const one = async () => {
    const names = Object.keys(kinds);
    const name = names[Math.floor(Math.random() * names.length)];
    const [run, ...right] = kinds[name];
    let settled = 0;
    const verdict = await run().then(
      (result) => ((settled += 1), result.status),
      (error) => ((settled += 1), error.result?.status ?? error.code ?? error),
    );
    counts[name] ??= {};
    counts[name][verdict] = (counts[name][verdict] ?? 0) + 1;
    if (!right.includes(verdict) || settled !== 1) wrong.push({ name, verdict });
  };

  await Promise.all(Object.keys(kinds).map(() => one())); // what is made once
  const before = open();
  const end = Date.now() + minutes * 60_000;
  const worker = async () => {
    while (Date.now() < end) await one();
  };
  await Promise.all(Array.from({ length: atATime }, worker));

  const runs = Object.values(counts).flatMap((verdicts) => Object.values(verdicts));
  console.log({ runs: runs.reduce((sum, count) => sum + count, 0), counts });
  assert.deepEqual(wrong, []);
  assert.deepEqual(processes(), []);
  assert.deepEqual(fs.readdirSync(whole.runsDir), []);
  assert.ok(open() <= before + 2, `${open()} descriptors, ${before} before`);
});
