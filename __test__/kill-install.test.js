'use strict';
// A host that is killed while npm installs: npm ends with it, and until it has ended nobody takes
// what it writes to for left behind.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');

const { ConnectorRunner } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript, startHost } = require('./support/host');
const { mark, stat, until } = require('./support/processes');
const { tempFolder, writeFiles } = require('./support/temp');

/** An npm that neither it nor its child can be asked to end, and that writes all the time. */
const STUBBORN = `#!/bin/sh
trap '' TERM INT HUP
setsid sh -c 'while :; do echo x >> by-a-daemon; sleep 0.02; done' &
while :; do echo x >> by-npm; sleep 0.02; done
`;
const WRITTEN = ['by-npm', 'by-a-daemon'];

/** Starts a host that installs with this npm, or with the usual one. */
function startInstall(t, options, { npm, variables = {} } = {}) {
  const marked = mark(t, 'npm_mark'); // npm gets what begins so
  const env = { ...process.env, ...marked.variables, ...variables };
  if (npm) {
    const bin = writeFiles(tempFolder(t), { npm });
    fs.chmodSync(path.join(bin, 'npm'), 0o755);
    env.PATH = `${bin}:${env.PATH}`;
  }
  const code = `new runner.ConnectorRunner(${JSON.stringify(options)})
    .run('datamart', 'killed', ${JSON.stringify(configOf('Ok'))}, {}, 'ignore').catch(console.error);`;
  const host = startHost(t, code, { env });
  const processes = () => marked.processes().filter((pid) => pid !== host.pid);
  const kill = async () => {
    host.kill('SIGKILL');
    await once(host, 'exit');
  };
  return { host, processes, kill };
}

const nameOf = (pid) => fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

/** The supervisor of a process. */
function supervisorOf(pids) {
  const parents = pids.map((pid) => stat(pid)?.parent).filter((pid) => pid !== undefined);
  return parents.find((pid) => fs.existsSync(`/proc/${pid}`) && nameOf(pid) === 'connector-super');
}

/** The folder of an installation in `where` that has begun. */
function begunIn(where) {
  if (!fs.existsSync(where)) return undefined;
  const folders = fs.readdirSync(where).map((name) => path.join(where, name));
  return folders.find((folder) => WRITTEN.every((name) => fs.existsSync(path.join(folder, name))));
}

/**
 * Kills a host while its npm installs in `where`, and stops npm's supervisor, so that npm stays
 * until `goOn` is called.
 */
async function killedInMidInstall(t, options, where) {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const install = startInstall(t, options, { npm: STUBBORN });
    const folder = await until(() => begunIn(where), 'the installation', 60_000);
    const supervisor = supervisorOf(install.processes());
    await install.kill();
    try {
      process.kill(supervisor, 'SIGSTOP');
    } catch {
      continue; // a busy machine: it is gone already
    }
    t.after(() => {
      try {
        process.kill(supervisor, 'SIGCONT');
      } catch {
        // gone meanwhile
      }
    });
    if (install.processes().length < 2) continue;
    const goOn = async () => {
      process.kill(supervisor, 'SIGCONT');
      await until(() => install.processes().length === 0, 'the end of npm', 60_000);
    };
    return { folder, goOn, processes: install.processes };
  }
  throw new Error('the machine is too busy');
}

/** That npm is there and writes, and that what it wrote before still is. */
async function assertUntouched({ folder, processes }) {
  assert.ok(processes().length >= 2, 'the control: npm is there');
  const sizes = () => WRITTEN.map((name) => fs.statSync(path.join(folder, name)).size);
  const before = sizes();
  await until(() => sizes().every((size, index) => size > before[index]), 'npm goes on writing');
}

const prune = async (storeDir) => {
  const args = ['store', 'prune', '--all', '--json', '--store', storeDir];
  return JSON.parse((await runScript('src/cli-wrapper.js', args)).stdout);
};

test('the environment that a killed host was filling is nobody’s until npm has ended', async (t) => {
  const storeDir = path.join(tempFolder(t), 'store');
  const options = { connectorsPackage: connectorsPackage(t), storeDir, runsDir: tempFolder(t) };
  const killed = await killedInMidInstall(t, options, path.join(storeDir, 'v2', 'environments'));

  const kept = await prune(storeDir);
  assert.deepEqual([kept.removed.length, kept.inUse], [0, [path.basename(killed.folder)]]);
  await assertUntouched(killed);
  // another host has no part in it: it fills one of its own
  const run = () => new ConnectorRunner(options).run('mart', 'run', configOf('Ok'), {}, 'ignore');
  const { environment } = await run();
  assert.equal(environment.cached, false);
  assert.equal((await run()).environment.cached, true);
  await assertUntouched(killed);

  await killed.goOn();
  const isGone = async () => (await prune(storeDir)) && !fs.existsSync(killed.folder);
  await until(isGone, 'it is pruned once its supervisor has ended, too', 60_000);
});

test('the directory in which a killed host was installing is left alone until npm has ended', async (t) => {
  const runsDir = tempFolder(t);
  const options = { connectorsPackage: connectorsPackage(t), store: 'off', runsDir };
  const killed = await killedInMidInstall(t, options, runsDir);

  // what a host leaves that is dead for long goes, and with it everything that looks so
  const swept = async (number) => {
    const left = path.join(runsDir, `owox-run-left-${number}`);
    writeFiles(runsDir, { [`${path.basename(left)}.lock`]: '' });
    fs.mkdirSync(left);
    const runner = new ConnectorRunner({ ...options, store: 'shared', storeDir: tempFolder(t) });
    await runner.run('mart', 'run', configOf('Ok'), {}, 'ignore');
    await until(() => !fs.existsSync(left), 'a sweep', 60_000);
  };
  await swept(1);
  await swept(2); // the first has come to its end
  await assertUntouched(killed);

  await killed.goOn();
  let number = 3;
  const isGone = async () => {
    await swept((number += 1));
    return !fs.existsSync(killed.folder);
  };
  await until(isGone, 'it is swept as well, once its supervisor has ended, too', 60_000);
});

for (const [name, isolation] of [
  ['confined', 'standard'],
  ['not confined', 'none'],
]) {
  test(`npm, ${name}, ends with a host that is killed`, async (t) => {
    // a registry that never answers
    const server = http.createServer(() => {});
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const node = {
      enabled: true,
      dependencies: [{ name: 'never-comes', version: '1.0.0', global: [] }],
    };
    const options = {
      connectorsPackage: connectorsPackage(t, { storages: { Null: { environment: { node } } } }),
      storeDir: path.join(tempFolder(t), 'store'),
      runsDir: tempFolder(t),
      isolation,
    };
    const variables = {
      npm_config_registry: `http://127.0.0.1:${server.address().port}/`,
      npm_config_cache: tempFolder(t),
    };
    for (const how of [{ variables }, { npm: STUBBORN }]) {
      const install = startInstall(t, options, how);
      if (how.npm) {
        const where = path.join(options.storeDir, 'v2', 'environments');
        await until(() => begunIn(where), 'the installation', 60_000);
      } else {
        await once(server, 'request');
      }
      assert.ok(install.processes().length >= 1, 'the control: npm is there');
      const begun = performance.now();
      await install.kill();
      await until(() => install.processes().length === 0, 'the end of npm', 60_000);
      const what = how.npm ? 'an npm that ignores signals' : 'npm';
      t.diagnostic(`${what} was gone after ${Math.ceil(performance.now() - begun)} ms`);
    }
  });
}
