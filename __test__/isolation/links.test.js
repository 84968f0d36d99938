'use strict';
// Links in the paths of a configuration: followed where no run can have put them, and where not, the
// refusal says that it is isolation's, and what would allow it.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { query, referencePackage } = require('../support/duckdb');
const { root, runScript } = require('../support/host');
const { tempFolder, writeFiles } = require('../support/temp');

const CSV = 'Date,x\n2026-01-01,1\n';

/** One run of a CSV file into a database, by the command line. */
async function run(t, Path, DatabasePath, ...args) {
  const config = {
    name: 'links',
    source: { name: 'CsvFile', config: { Path } },
    storage: { name: 'DuckDb', config: { DatabasePath, DestinationTableName: 't' } },
  };
  const cwd = writeFiles(tempFolder(t), { 'config.json': config });
  const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: referencePackage };
  const all = ['config.json', '--no-state', '--runs-dir', tempFolder(t), ...args];
  return runScript('src/cli-wrapper.js', all, { cwd, env });
}

test('a link in place of a database leads nowhere, and isolation says so', async (t) => {
  const folder = writeFiles(tempFolder(t), { 'a.csv': CSV, 'real/none': '', 'link/none': '' });
  const [csv, real, link] = ['a.csv', 'real/db.duckdb', 'link/db.duckdb'].map((name) =>
    path.join(folder, name),
  );
  assert.equal((await run(t, csv, real)).code, 0);
  fs.symlinkSync('../real/db.duckdb', link);
  const refused = await run(t, csv, link);
  assert.equal(refused.code, 1);
  const grant = path.dirname(fs.realpathSync(real));
  const wanted = `isolation does not let it write ${fs.realpathSync(real)}; grant that by --allow-write ${grant} `;
  assert.ok(refused.stderr.replace(/\s+/g, ' ').includes(wanted), refused.stderr);
  assert.doesNotMatch(refused.stderr, /check the permissions/);
  assert.deepEqual(await query(real, 'SELECT count(*) FROM t'), [['1']], 'it is as it was');
  // what it names helps
  const granted = await run(t, csv, link, '--allow-write', grant);
  assert.equal(granted.code, 0, granted.stderr);
  assert.deepEqual(await query(real, 'SELECT count(*) FROM t'), [['2']]);
});

test("an administrator's link to a folder is followed and granted", async (t) => {
  const folder = writeFiles(tempFolder(t), { 'a.csv': CSV, 'real/none': '' });
  fs.symlinkSync('real', path.join(folder, 'data'));
  for (const mode of ['standard', 'strict']) {
    const args = [path.join(folder, 'a.csv'), path.join(folder, 'data', `${mode}.duckdb`)];
    const { code, stderr } = await run(t, ...args, '--isolation', mode);
    assert.equal(code, 0, stderr);
    assert.ok(fs.existsSync(path.join(folder, 'real', `${mode}.duckdb`)));
  }
});

test('strict: a link beside the database, which a run may have put there, is refused by name', async (t) => {
  const folder = writeFiles(tempFolder(t), { 'secret/a.csv': CSV, 'data/none': '' });
  const link = path.join(folder, 'data', 'a.csv');
  fs.symlinkSync('../secret/a.csv', link);
  const database = path.join(folder, 'data', 'x.duckdb');
  const real = fs.realpathSync(link);
  const refused = await run(t, link, database, '--isolation', 'strict');
  assert.equal(refused.code, 1);
  const wanted = `isolation does not let it read ${real}; grant that by --allow-read ${real} `;
  assert.ok(refused.stderr.replace(/\s+/g, ' ').includes(wanted), refused.stderr);
  const granted = await run(t, link, database, '--isolation', 'strict', '--allow-read', real);
  assert.equal(granted.code, 0, granted.stderr);
});

/** A config map as Kubernetes mounts it: read-only, each file a link by way of `..data`. */
const CONFIG_MAP = `
set -e
mkdir "$MOUNT/..2026_01"
printf '%s' "$CONTENT" > "$MOUNT/..2026_01/a.csv"
ln -s ..2026_01 "$MOUNT/..data"
ln -s ..data/a.csv "$MOUNT/a.csv"
mount --bind "$MOUNT" "$MOUNT"
mount -o remount,ro,bind "$MOUNT"
exec "$@"
`;

test('strict: a CSV file in a mounted config map is followed and granted', async (t) => {
  const unshare = process.getuid() === 0 ? ['-m'] : ['-rm'];
  const can = spawnSync('unshare', [...unshare, 'mount', '--bind', '/tmp', '/tmp']);
  if (can.status !== 0) return t.skip('this machine allows no mount namespace');
  const mount = tempFolder(t);
  const database = path.join(tempFolder(t), 'x.duckdb');
  const config = {
    name: 'map',
    source: { name: 'CsvFile', config: { Path: path.join(mount, 'a.csv') } },
    storage: { name: 'DuckDb', config: { DatabasePath: database, DestinationTableName: 't' } },
  };
  const cwd = writeFiles(tempFolder(t), { 'config.json': config });
  const command = [process.execPath, path.join(root, 'src', 'cli-wrapper.js'), 'config.json'];
  const args = ['--no-state', '--runs-dir', tempFolder(t), '--isolation', 'strict'];
  const all = [...unshare, 'sh', '-c', CONFIG_MAP, 'sh', ...command, ...args];
  const done = spawnSync('unshare', all, {
    cwd,
    env: {
      ...process.env,
      MOUNT: mount,
      CONTENT: CSV,
      OWOX_CONNECTORS_PACKAGE: referencePackage,
    },
    encoding: 'utf8',
  });
  assert.equal(done.status, 0, done.stderr);
  assert.deepEqual(await query(database, 'SELECT count(*) FROM t'), [['1']]);
  return undefined;
});
