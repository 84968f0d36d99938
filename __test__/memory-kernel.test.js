'use strict';
// Memory that the kernel denies: its own out-of-memory killer ends the connector (case 30).

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { root } = require('./support/host');
const { until } = require('./support/processes');
const { scriptFolder } = require('./support/temp');

const LIMIT = 400 * 2 ** 20;

/** A memory control group of this test's own, or the reason why there is none. */
function makeGroup() {
  const groups = fs.readFileSync('/proc/self/cgroup', 'utf8');
  const own = /^\d+:memory:(.*)$/m.exec(groups)?.[1];
  if (own === undefined) return { reason: 'no memory controller of control groups, version 1' };
  const folder = path.join('/sys/fs/cgroup/memory', own, `runner-test-${process.pid}`);
  try {
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'memory.limit_in_bytes'), String(LIMIT));
  } catch (error) {
    return { reason: `no control group can be made: ${error.message}` };
  }
  return { folder };
}

const { folder: group, reason } = makeGroup();

test(
  'the kernel’s killing is memory_limit, and says that it was not ours',
  {
    skip: group ? false : reason,
  },
  async (t) => {
    // a group goes when its last process is reaped
    t.after(() => until(() => tryRemove(group), 'the control group is empty'));
    const swap = path.join(group, 'memory.memsw.limit_in_bytes');
    if (fs.existsSync(swap)) fs.writeFileSync(swap, String(LIMIT));

    const play = async (script) => {
      const code = `
      new (require(${JSON.stringify(root)}).NodeJsEnvironment)()
        .executeConnector(${JSON.stringify(scriptFolder(t, script))}, undefined, 'pipe')
        .then((result) => ({ result }), ({ code, message, result }) => ({ code, message, result }))
        .then((outcome) => console.log(JSON.stringify(outcome)));`;
      const enter = 'echo $$ > "$GROUP/cgroup.procs" && exec "$@"';
      const host = spawn('/bin/sh', ['-c', enter, 'sh', process.execPath, '-e', code], {
        env: { ...process.env, GROUP: group },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      host.stdout.on('data', (chunk) => (text += chunk));
      await once(host, 'close');
      return JSON.parse(text);
    };
    const keep = (megabytes) =>
      `const kept = []; for (let i = 0; i < ${megabytes / 10}; i += 1) kept.push(Buffer.alloc(1e7, 1));`;

    const small = await play(keep(50));
    assert.equal(small.result.status, 'success', 'the control: as much as there is');
    const large = await play(keep(2000));
    assert.equal(large.code, 'MEMORY_LIMIT');
    assert.match(large.message, /The system ran out of memory and killed the connector/);
    const { status, signal, resources } = large.result;
    assert.deepEqual([status, signal], ['memory_limit', 'SIGKILL']);
    assert.ok(resources.peakRssBytes > 100e6);
  },
);

function tryRemove(folder) {
  try {
    fs.rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}
