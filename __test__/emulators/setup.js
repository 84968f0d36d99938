'use strict';
// Makes the Python environment that the emulators run in, once for a machine: in the user's cache
// folder, under a name that is a hash of what it is made of.
//   node __test__/emulators/setup.js
// Prints the environment's folder. As a module: environment() gives { python, home } or throws.

const { execFileSync } = require('node:child_process');
const { createHash, randomUUID } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const patches = require('./patches.json');

const REQUIREMENTS = path.join(__dirname, 'requirements.txt');
const OLDEST_PYTHON = [3, 11];

/** Why there can be no emulators here, with the remedy. */
class Unavailable extends Error {}

/**
 * @typedef {object} Environment
 * @property {string} python the interpreter
 * @property {string} home what the emulators take for their HOME: DuckDB's extensions are there
 */

/** @returns {Environment} @throws {Unavailable} */
function environment() {
  const base = findPython();
  const folder = path.join(cacheFolder(), `emulators-${keyOf(base)}`);
  if (!fs.existsSync(folder)) build(base, folder);
  return { python: path.join(folder, 'bin', 'python'), home: path.join(folder, 'home') };
}

function cacheFolder() {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  return path.join(cache, 'owox-connector-runner-tests');
}

function keyOf({ version }) {
  const hash = createHash('sha256').update(version);
  for (const file of [REQUIREMENTS, path.join(__dirname, 'patches.json'), __filename]) {
    hash.update(fs.readFileSync(file));
  }
  return hash.digest('hex').slice(0, 16);
}

/** @returns {{ program: string, version: string }} */
function findPython() {
  const program = process.env.PYTHON || 'python3';
  let version;
  try {
    const code = 'import sys, venv, ensurepip; print("%d.%d.%d" % sys.version_info[:3])';
    version = execFileSync(program, ['-c', code], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch (cause) {
    const reason = cause.stderr?.trim().split('\n').at(-1) || cause.message;
    throw new Unavailable(
      `${program} with venv is needed (${reason}): install python3 and python3-venv`,
      { cause },
    );
  }
  const [major, minor] = version.split('.').map(Number);
  if (major !== OLDEST_PYTHON[0] || minor < OLDEST_PYTHON[1]) {
    throw new Unavailable(`${program} is ${version}, but ${OLDEST_PYTHON.join('.')} is needed`);
  }
  return { program, version };
}

/** Builds beside its place and moves it there, so that what is there is always whole. */
function build({ program }, folder) {
  const draft = `${folder}.${randomUUID().slice(0, 8)}`;
  const python = path.join(draft, 'bin', 'python');
  const pip = (...args) =>
    execFileSync(
      python,
      ['-m', 'pip', 'install', '--quiet', '--no-warn-script-location', ...args],
      {
        stdio: 'pipe',
      },
    );
  try {
    fs.mkdirSync(path.join(draft, 'home'), { recursive: true });
    execFileSync(program, ['-m', 'venv', draft], { stdio: 'pipe' });
    // Only what is built already: a compiler would be one more thing to miss.
    pip('--only-binary=:all:', '--requirement', REQUIREMENTS);
    pip('--only-binary=:all:', '--no-deps', '--ignore-requires-python', patches.package);
    applyPatches(python);
    importExtensions(python, path.join(draft, 'home'));
    fs.renameSync(draft, folder);
  } catch (cause) {
    // Two that build at once are both right: the first one's stays.
    if (fs.existsSync(folder)) return;
    if (!('stderr' in cause)) throw cause;
    const reason = `${cause.stderr}`.trim().split('\n').at(-1);
    throw new Unavailable(`the emulators cannot be installed: ${reason}`, { cause });
  } finally {
    fs.rmSync(draft, { recursive: true, force: true });
  }
}

function applyPatches(python) {
  const code = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  const site = execFileSync(python, ['-c', code], { encoding: 'utf8', stdio: 'pipe' }).trim();
  for (const { file, before, after, edits } of patches.files) {
    const target = path.join(site, file);
    let text = fs.readFileSync(target, 'utf8');
    expectHash(file, text, before, 'before');
    for (const [from, to] of edits) {
      const parts = text.split(from);
      if (parts.length !== 2) {
        throw new Error(`Patch of ${file}: ${parts.length - 1} matches for ${from}, expected 1`);
      }
      text = parts.join(to);
    }
    expectHash(file, text, after, 'after');
    fs.writeFileSync(target, text);
  }
}

function expectHash(file, text, expected, when) {
  const found = createHash('sha256').update(text).digest('hex');
  if (found !== expected) {
    throw new Error(`Patch of ${file}: its hash ${when} is ${found}, expected ${expected}`);
  }
}

/** DuckDB would download them at first use; these packages carry them. */
function importExtensions(python, home) {
  const code =
    'import duckdb_extensions as d\n' +
    'for name in ("icu", "ducklake", "httpfs", "spatial"): d.import_extension(name)';
  execFileSync(python, ['-c', code], { stdio: 'pipe', env: { ...process.env, HOME: home } });
}

module.exports = { Unavailable, environment };

if (require.main === module) {
  try {
    console.log(path.dirname(environment().home));
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
