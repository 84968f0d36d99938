'use strict';
// A folder with configurations for a connectors package that says what state it was told, and moves
// it where the test wants.

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { configOf, connectorsPackage } = require('./connectors');
const { ended, root } = require('./host');
const { needs } = require('./machine');
const { tempFolder, writeFiles } = require('./temp');

const SOURCE = `run() {
  const fs = require('node:fs');
  console.log(JSON.stringify({ told: JSON.parse(process.env.OW_RUN_CONFIG).state }));
  console.log(JSON.stringify({ type: 'log', message: '3 rows were fetched' }));
  const { DATE = '2026-03-04', GATE } = process.env;
  if (process.env.BREAK) eval(process.env.BREAK);
  const end = () => console.log(JSON.stringify(
    { type: 'updateLastRequstedDate', date: DATE + 'T00:00:00.000Z' }));
  if (!GATE) return end();
  // a pipe without a writer: opening it waits until the test opens the gate
  console.log(JSON.stringify({ atGate: true }));
  return new Promise((resolve) => fs.readFile(GATE, () => resolve(end())));
}`;

/** The package; its sources do the same under two names. */
const statePackage = (t) => connectorsPackage(t, { sources: { Moves: SOURCE, Other: SOURCE } });

/**
 * A folder with these configurations (path → parameters), and ways to run the command there.
 * @param {object} t the test
 * @param {string} package_ the connectors package
 * @param {Record<string, object>} configs by path
 */
function stateWorkspace(t, package_, configs = { 'config.json': {} }) {
  const files = Object.entries(configs).map(([name, given]) => [name, configOf('Moves', given)]);
  const folder = writeFiles(tempFolder(t), Object.fromEntries(files));
  const stateFolder = path.join(folder, 'state', 'owox-connector-runner');
  const env = {
    ...process.env,
    OWOX_CONNECTORS_PACKAGE: package_,
    OWOX_RUNNER_RUNS_DIR: tempFolder(t),
    XDG_STATE_HOME: path.join(folder, 'state'),
    PWD: folder,
  };
  /** Starts the command; `more` has `env`, `cwd`, `input` and a `wrapper`: a command before it. */
  const start = (args, { env: variables, cwd = folder, input, wrapper = [] } = {}) => {
    const command = [...wrapper, process.execPath, path.join(root, 'src/cli-wrapper.js'), ...args];
    const child = spawn(command[0], command.slice(1), {
      cwd,
      env: { ...env, PWD: cwd, ...variables },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    child.stdin?.end(input);
    t.after(() => child.kill('SIGKILL'));
    return child;
  };
  const cli = (args, more) => ended(start(args, more));
  /** Runs a configuration; `told` is the state that the connector was told, if it came so far. */
  const run = async (args, more) => {
    const ran = await cli(args, more);
    const line = ran.stdout.split('\n').find((text) => text.startsWith('{"told"'));
    return { ...ran, told: line && JSON.parse(line).told };
  };
  const kept = () => (fs.existsSync(stateFolder) ? fs.readdirSync(stateFolder).sort() : []);
  const change = (name, edit) => {
    const file = path.join(folder, name);
    const config = JSON.parse(fs.readFileSync(file, 'utf8'));
    edit(config);
    fs.writeFileSync(file, JSON.stringify(config));
  };
  return { change, cli, env, folder, kept, run, start, stateFolder };
}

/** A date as the connector prints it. */
const day = (text) => `${text}T00:00:00.000Z`;

/** Resolves when the child has printed this. */
function printed(child, text) {
  return new Promise((resolve, reject) => {
    let seen = '';
    const look = (piece) => {
      seen += piece;
      if (seen.includes(text)) resolve(seen);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('close', () => reject(new Error(`it ended without ${text}: ${seen}`)));
  });
}

/** A command in user and mount namespaces of its own, after a shell script; `"$@"` is the command. */
const inNamespace = (script) => [
  'unshare',
  '-rm',
  '--propagation',
  'private',
  'sh',
  '-ec',
  script,
  'sh',
];

const [program, ...rest] = inNamespace('mount -t tmpfs none /mnt');
/** Why there are no such namespaces here; false where there are. */
const noNamespace =
  needs('namespaces') ||
  (spawnSync(program, rest).status !== 0 &&
    'needs user and mount namespaces, which this machine refuses');

module.exports = {
  inNamespace,
  noNamespace,
  day,
  printed,
  statePackage,
  stateWorkspace,
};
