'use strict';
// The places that a connectors package is found in: each a folder to be in, and how it is named.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');

const { tempFolder, writeFiles } = require('../support/temp');
const { pack, writePackage } = require('./build');

const NAME = '@owox/connectors';

/** Installs; this process may have to serve meanwhile. */
function npmInstall(cwd, ...packages) {
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts'];
  return promisify(execFile)('npm', ['install', ...flags, ...packages], { cwd });
}

/**
 * Puts a package of this version everywhere. npm must be set up to install from the registry of
 * the tests.
 * @returns a promise of place → `cwd`, `connectors` (a name or path; none for what is found by itself), `env`
 */
async function places(t, version) {
  const base = tempFolder(t);
  const at = (...parts) => path.join(base, ...parts);
  const folder = writePackage(at('folder/built'), version);
  const project = (name, more = {}) =>
    writeFiles(at(name), { 'package.json': { name: 'host', private: true, ...more } });

  fs.symlinkSync(folder, at('link'));
  const byName = project('by-name');
  fs.cpSync(folder, path.join(byName, 'node_modules', NAME), { recursive: true });
  const shared = at('shared');
  fs.cpSync(folder, path.join(shared, NAME), { recursive: true });

  const workspace = project('workspace', { workspaces: ['packages/*', 'apps/*'] });
  fs.cpSync(folder, path.join(workspace, 'packages/connectors'), { recursive: true });
  writeFiles(workspace, {
    'apps/host/package.json': { name: 'app', private: true, dependencies: { [NAME]: version } },
  });
  await npmInstall(workspace);

  const installed = project('installed');
  const archive = pack(folder, base);
  await npmInstall(installed, archive);

  return {
    folder: { cwd: at('folder'), connectors: './built' },
    symlink: { cwd: base, connectors: './link' },
    name: { cwd: byName, connectors: NAME },
    'nothing but being installed': { cwd: byName },
    workspace: { cwd: path.join(workspace, 'apps/host') },
    tarball: { cwd: installed },
    NODE_PATH: { cwd: base, connectors: NAME, env: { NODE_PATH: shared } },
    archive,
  };
}

module.exports = { NAME, npmInstall, places };
