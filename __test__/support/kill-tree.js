'use strict';
// A connector with a tree of every kind of process that tends to be left behind, and hosts that
// are killed while it runs.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { root } = require('./host');
const { mark, until } = require('./processes');
const { tempFolder, writeFiles } = require('./temp');

/**
 * `main.js`: itself, an attached child, a detached child, a daemon that ignores signals, and a
 * process that goes on as a new one, in a session of its own, all the time. Each that stays says
 * so with a line.
 */
const MAIN = `
  const { spawn } = require('node:child_process');
  const shell = (script, options) => spawn('/bin/sh', ['-c', script], { stdio: 'inherit', ...options });
  process.on('SIGTERM', () => {});
  console.log('main');
  shell('echo attached; exec sleep 1000');
  shell('echo detached; exec sleep 1000', { detached: true }).unref();
  shell('(setsid sh -c "trap \\'\\' TERM INT HUP; echo daemon; while :; do sleep 1000; done" &)');
  shell('exec ./chain', { detached: true }).unref();
  setInterval(() => {}, 1000);`;
const LINES = ['main', 'attached', 'detached', 'daemon'];

/** A folder with that connector. */
function treeFolder(t) {
  const folder = writeFiles(tempFolder(t), {
    'main.js': MAIN,
    // it slows down a little, so that it does not take the whole machine
    chain: '#!/bin/sh\nsleep 0.005\nsetsid ./chain &\n',
  });
  fs.chmodSync(path.join(folder, 'chain'), 0o755);
  return folder;
}

/**
 * Starts a host that runs it, or with `bare` one that starts it by child_process alone.
 * @returns host, processes(), and everyThere(), which waits for the whole tree
 */
function startTree(t, folder, { options = {}, bare = false } = {}) {
  const { variables, processes } = mark(t);
  const code = bare
    ? `require('node:child_process').spawn(process.execPath, ['main.js'],
         { cwd: ${JSON.stringify(folder)}, stdio: 'inherit' });`
    : `new (require(${JSON.stringify(root)}).NodeJsEnvironment)(${JSON.stringify(options)})
         .executeConnector(${JSON.stringify(folder)}, undefined, 'inherit')
         .catch((error) => console.log(JSON.stringify(error.result)));`;
  const host = spawn(process.execPath, ['-e', code], {
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = new Promise((resolve) => {
    host.once('exit', resolve);
  });
  let text = '';
  host.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  const everyThere = () =>
    until(() => LINES.every((line) => text.includes(`${line}\n`)), 'the whole tree', 30_000);
  const ofTree = () => processes().filter((pid) => pid !== host.pid);
  return { host, closed, processes: ofTree, everyThere, text: () => text };
}

/** Kills the host, and waits until nothing of its tree is left. Gives how long that took, in ms. */
async function killHost({ host, closed, processes }) {
  host.kill('SIGKILL');
  const begun = performance.now();
  await closed;
  await until(() => processes().length === 0, 'nothing of the tree is left', 20_000);
  return performance.now() - begun;
}

module.exports = { killHost, startTree, treeFolder };
