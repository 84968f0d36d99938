'use strict';
// Starts emulators for a test file, and installs the clients that it reads with.

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const net = require('node:net');
const path = require('node:path');

const { until } = require('../support/processes');
const { environment, Unavailable } = require('./setup');

/**
 * @returns {{ python?: import('./setup').Environment, reason: string | false }} `reason` says why
 *   tests must be skipped; where nothing may be skipped it throws instead
 */
function available() {
  try {
    return { python: environment(), reason: false };
  } catch (error) {
    if (!(error instanceof Unavailable) || process.env.CI === 'true') throw error;
    return { reason: error.message };
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * Starts a server and waits until its address answers.
 *
 * @returns {Promise<import('node:child_process').ChildProcess>} to be killed by the caller
 */
async function start({ python, home }, args, url, env = {}) {
  const server = spawn(python, args, {
    env: { ...process.env, HOME: home, ...env },
    // They end when it closes: also when this process is killed.
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  server.stderr.setEncoding('utf8').on('data', (text) => {
    said = `${said}${text}`.slice(-4000);
  });
  const isUp = async () => {
    if (server.exitCode !== null) throw new Error(`the emulator ended: ${said}`);
    return fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  };
  try {
    await until(isUp, 'the emulator answers', 60_000);
  } catch (error) {
    server.kill('SIGKILL');
    throw error;
  }
  return server;
}

/** Installs a manifest's dependencies in a folder, and gives a `require` from there. */
function installed(folder, { environment: { node } }) {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), '{"private":true}');
  const packages = node.dependencies.map(({ name, version }) => `${name}@${version}`);
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...flags, ...packages], { cwd: folder, stdio: 'pipe' });
  return createRequire(path.join(folder, 'package.json'));
}

module.exports = { available, freePort, installed, start };
