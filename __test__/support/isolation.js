'use strict';
// Connectors that try what they must not be able to do, under hosts of several users.

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { ended, root } = require('./host');
const { tempFolder, writeFiles } = require('./temp');

/** A user without any rights, for whom the tests run as well where root runs them. */
const NOBODY = 65534;

/** The users for whom this process can run hosts. */
const users = process.getuid() === 0 ? [0, NOBODY] : [process.getuid()];

/** The native program that makes system calls which Node.js cannot make; built once a process. */
function probeProgram() {
  probeProgram.path ??= execFileSync(
    'cargo',
    [
      ...['build', '--locked', '--no-default-features', '--example', 'isolation-probe'],
      '--message-format=json',
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8', maxBuffer: 1 << 26 },
  )
    .split('\n')
    .filter((line) => line.includes('"executable":"'))
    .map((line) => JSON.parse(line).executable)
    .find((file) => file.endsWith('isolation-probe'));
  return probeProgram.path;
}

/** A copy of the package that everybody may read; made once a process. */
function readablePackage() {
  if (!readablePackage.path) {
    const folder = tempFolder({ after: (remove) => process.once('exit', remove) });
    for (const name of ['package.json', 'index.js', 'js', 'src', 'npm', 'packages'])
      fs.cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
    execFileSync('chmod', ['-R', 'a+rX', folder]);
    readablePackage.path = folder;
  }
  return readablePackage.path;
}

/** What a program is started with to run as this user. */
function asUser(user, command) {
  if (user === process.getuid()) return command;
  return ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', ...command];
}

/** A folder for things of this user, and what it holds. */
function world(t, user, files = {}) {
  const folder = writeFiles(tempFolder(t), files);
  if (user !== process.getuid()) execFileSync('chown', ['-R', `${user}:${user}`, folder]);
  return folder;
}

/** This process's variables without npm's settings, which name what another user may not have. */
function withoutNpm() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
}

/** What every connector here begins with: `act(name, work)`, and `call(…)` for the probe. */
const PRELUDE = `
  const fs = require('node:fs');
  const { spawnSync } = require('node:child_process');
  const { errno } = require('node:os').constants;
  const outcomes = {};
  const nameOf = (number) =>
    Object.entries(errno).find(([, known]) => known === number)?.[0] ?? String(number);
  function act(name, work) {
    try {
      outcomes[name] = work() ?? 'ok';
    } catch (error) {
      outcomes[name] = error.code ?? String(error);
    }
  }
  function call(...args) {
    const { stdout, signal, error } = spawnSync('./isolation-probe', args.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    if (error) throw error;
    if (signal) return signal;
    const text = String(stdout).split('\\n')[0];
    return text === 'ok' ? 'ok' : nameOf(Number(text));
  }
  const tryCall = (name, ...args) => act(name, () => call(...args));
  const show = () => console.log(JSON.stringify(outcomes));
`;

/**
 * Runs a connector under a host of this user.
 * @param {string} script its main.js after the prelude; may call \`act\`, \`tryCall\`, \`show\`
 * @param {object} how user, isolation, further options, the host's env, files beside main.js,
 *   stdio of executeConnector as code (it sees \`stdio\`, which captures), and what makes another
 *   command of the host's
 * @returns outcomes, and the run's result or error as JSON has it; the host's pid
 */
async function play(t, script, how = {}) {
  const {
    user = process.getuid(),
    isolation,
    options = {},
    env = {},
    files = {},
    stdio = 'stdio',
    through = (command) => asUser(user, command),
  } = how;
  const folder = world(t, user, { 'main.js': PRELUDE + script, ...files });
  fs.copyFileSync(probeProgram(), path.join(folder, 'isolation-probe'));
  fs.chmodSync(path.join(folder, 'isolation-probe'), 0o755);
  const packageFolder = user === process.getuid() ? root : readablePackage();
  const host = `
    const { NodeJsEnvironment } = require(${JSON.stringify(packageFolder)});
    const output = { stdout: '', stderr: '' };
    const stdio = { logCapture: {
      onStdout: (text) => { output.stdout += text; },
      onStderr: (text) => { output.stderr += text; },
    } };
    const environment = new NodeJsEnvironment(${JSON.stringify({ isolation, ...options })});
    const env = { ...process.env, HOST_PID: String(process.pid), OW_HOST_PID: String(process.pid) };
    const given = ${stdio};
    environment.executeConnector(${JSON.stringify(folder)}, env, given).then(
      (result) => console.log(JSON.stringify({ result, output })),
      ({ code, message, result }) => console.log(JSON.stringify({ code, message, result, output })),
    );`;
  const [program, ...args] = through([process.execPath, '-e', host]);
  const home = world(t, user);
  const child = spawn(program, args, {
    env: { ...process.env, HOME: home, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: folder,
  });
  t.after(() => child.kill('SIGKILL'));
  const { stdout, stderr } = await ended(child);
  let told;
  try {
    told = JSON.parse(stdout.slice(stdout.indexOf('{'))); // the command may have said something first
  } catch {
    throw new Error(`the host said ${stdout}${stderr}`);
  }
  const line = told.output.stdout.split('\n').find((text) => text.startsWith('{'));
  return { folder, outcomes: line ? JSON.parse(line) : {}, ...told };
}

/** One layer of a report. */
function layerOf(result, name) {
  return result.isolation.layers.find((layer) => layer.name === name);
}

module.exports = {
  NOBODY,
  asUser,
  layerOf,
  play,
  probeProgram,
  readablePackage,
  users,
  withoutNpm,
  world,
};
