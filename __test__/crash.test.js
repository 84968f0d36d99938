'use strict';
// After a crash (case 39): what dead hosts left is removed, what is alive is left alone.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost, startHost } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { until } = require('./support/processes');
const { tempFolder, writeFiles } = require('./support/temp');

test('a crashed host’s directories go, a live one’s stay, and links are not followed', async (t) => {
  const outside = writeFiles(tempFolder(t), { 'precious/file': 'still here' });
  const sources = {
    // closed folders, a link to a folder elsewhere
    Untidy: `run() {
      const fs = require('node:fs');
      fs.mkdirSync('closed/inner', { recursive: true });
      fs.writeFileSync('closed/inner/file', 'x');
      try { fs.symlinkSync(${JSON.stringify(path.join(outside, 'precious'))}, 'link'); }
      catch (error) { if (error.code !== 'ERR_ACCESS_DENIED') throw error; } // by the seat belt
      fs.chmodSync('closed/inner', 0);
      fs.chmodSync('closed', 0);
      console.log(process.cwd());
      setInterval(() => {}, 1000);
    }`,
    Ok: 'run() {}',
  };
  const options = { connectorsPackage: connectorsPackage(t, { sources }), runsDir: tempFolder(t) };
  const program = (source) =>
    `new runner.ConnectorRunner(${JSON.stringify(options)})
       .run('dm', 'run', new runner.Config(${JSON.stringify(configOf(source))}));`;
  const directoryOf = async (host) => String((await once(host.stdout, 'data'))[0]).trim();

  const live = startHost(t, program('Untidy'));
  const kept = await directoryOf(live);
  const crashed = startHost(t, program('Untidy'));
  const left = await directoryOf(crashed);
  crashed.kill('SIGKILL');
  await once(crashed, 'close');
  assert.ok(fs.existsSync(kept) && fs.existsSync(left), 'the control: both are there');

  // a run does not wait for the removal, so a short one may end before it
  await until(
    async () => {
      assert.equal((await runHost(t, program('Ok'))).code, 0);
      return !fs.existsSync(left);
    },
    'what the crashed host left is removed',
    60_000,
  );
  assert.ok(fs.existsSync(kept), 'the live host still runs there');
  assert.equal(fs.readFileSync(path.join(outside, 'precious', 'file'), 'utf8'), 'still here');
  live.kill('SIGKILL');
  await once(live, 'close');
});

test(
  'a runs folder without space: one clear error each, and nothing is left',
  {
    skip: process.getuid() === 0 ? false : 'mounting needs root',
  },
  async (t) => {
    t.after(() => execFileSync('umount', [disk])); // before it is removed
    const disk = tempFolder(t);
    // room for one more page and one more name at most
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k,nr_inodes=3', 'tmpfs', disk]);
    const sources = { Ok: `run() { console.log('ran'); }` };
    const options = { connectorsPackage: connectorsPackage(t, { sources }), runsDir: disk };
    const run = async () => {
      const { stdout, stdio } = capture();
      const runner = new ConnectorRunner(options);
      await runner.run('dm', 'run', new Config(configOf('Ok')), new RunConfig({}), stdio);
      return stdout.join('');
    };
    const error = await rejection(run());
    assert.equal(error.code, 'INTERNAL');
    assert.match(
      error.message,
      /No space left.*free some space, or name another folder with runsDir/,
    );
    assert.deepEqual(fs.readdirSync(disk), []);
    execFileSync('mount', ['-o', 'remount,size=1m,nr_inodes=1000', disk]);
    assert.equal(await run(), 'ran\n');
    assert.deepEqual(fs.readdirSync(disk), []);
  },
);
