'use strict';
// Folders, packages and environments of the benchmark. All of it lies in the temporary folder of
// this process, which index.js makes, and removes at the end.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const {
  NodeJsEnvironment,
  NodeJsTemplateRenderer,
  NpmDependencyManager,
} = require('@owox/connector-runner');
const { NODE_MANIFEST, configOf, connectorsPackage } = require('../../__test__/support/connectors');
const { writeFiles } = require('../../__test__/support/temp');
const duckDb = require('../../packages/connectors/src/Storages/DuckDb/manifest.json');

const removedWithTheRest = { after() {} };

/** Dependency sets of storages, by name. */
const SETS = {
  DuckDb: duckDb.environment.node.dependencies,
  BigQuery: [{ name: '@google-cloud/bigquery', version: '^8.3.1', global: ['BigQuery'] }],
  Athena: [
    { name: '@aws-sdk/client-athena', version: '^3.1164.0', global: ['AthenaClient'] },
    { name: '@aws-sdk/client-s3', version: '^3.1164.0', global: ['S3Client'] },
    { name: '@aws-sdk/lib-storage', version: '^3.1164.0', global: ['Upload'] },
  ],
  // one small package, where it is about how often and not how long
  Small: [{ name: 'adm-zip', version: '0.5.16', global: ['AdmZip'], global_is: true }],
};

const SOURCES = { Ok: 'run() {}', FirstLine: `run() { console.log('first line'); }` };

/** A folder of its own. */
function folder(name = 'folder') {
  return fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), `${name}-`));
}

/** A folder with this main.js. */
function scriptFolder(script) {
  return writeFiles(folder('script'), { 'main.js': script });
}

/** A folder whose `node` ends at once: for measuring what starting a program costs. */
function quickNode() {
  const bin = folder('bin');
  fs.writeFileSync(path.join(bin, 'node'), '#!/bin/sh\n', { mode: 0o755 });
  return bin;
}

/** A connectors package that has the sources above, and each set as a storage. */
function benchPackage() {
  const storages = { Null: NODE_MANIFEST };
  for (const [name, dependencies] of Object.entries(SETS)) {
    storages[name] = { environment: { node: { enabled: true, dependencies } } };
  }
  return connectorsPackage(removedWithTheRest, { sources: SOURCES, storages });
}

/**
 * All that a row needs for runs with one set: options of a runner with a store of its own, and
 * what the rival needs for the same.
 */
function setting(set, more = {}) {
  const root = benchPackage();
  const options = {
    connectorsPackage: root,
    runsDir: folder('runs'),
    storeDir: folder('store'),
    ...more,
  };
  const dependencies = SETS[set] ?? [];
  const manager = new NpmDependencyManager(options);
  // The package says that it needs nothing beside itself, so an environment has none of the other
  // defaults; the rival must not pay for them either.
  const connectors = manager
    .getDefaultDependencies()
    .find(({ version }) => version.startsWith('file:'));
  const all = [connectors, ...dependencies];
  const versions = Object.fromEntries(all.map(({ name, version }) => [name, version]));
  return {
    options,
    dependencies,
    manifest: JSON.stringify({ name: 'bench', private: true, dependencies: versions }, null, 2),
    script: new NodeJsTemplateRenderer().render(all),
    configOf: (source) => configOf(source, {}, set),
    variablesOf: (source) => ({
      ...process.env,
      OW_CONFIG: JSON.stringify(configOf(source, {}, set)),
    }),
    environment: new NodeJsEnvironment(options),
  };
}

/** Removes a folder, also one that is read-only. */
function remove(directory) {
  const unlock = (current) => {
    fs.chmodSync(current, 0o700);
    for (const entry of fs.readdirSync(current, { withFileTypes: true })) {
      if (entry.isDirectory()) unlock(path.join(current, entry.name));
    }
  };
  if (process.geteuid() !== 0 && fs.existsSync(directory)) unlock(directory);
  fs.rmSync(directory, { recursive: true, force: true });
}

/** Bytes that a folder and all below it take on the disk. Links are not followed. */
function allocated(entry) {
  const status = fs.lstatSync(entry);
  const below = status.isDirectory() ? fs.readdirSync(entry) : [];
  return below.reduce(
    (sum, name) => sum + allocated(path.join(entry, name)),
    status.blocks * 512, // the unit of st_blocks, whatever the file system's own is
  );
}

/** Variables of `npm run` are about this package; those of the runner would name a real store. */
function cleanVariables() {
  const ours = /^npm_(package_|lifecycle_|command$|config_local_prefix$)|^(OWOX|OW)_/;
  for (const name of Object.keys(process.env)) if (ours.test(name)) delete process.env[name];
}

module.exports = { allocated, cleanVariables, folder, quickNode, remove, scriptFolder, setting };
