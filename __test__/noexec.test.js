'use strict';
// A store on a file system that is mounted noexec: said by name, by a run and by `doctor`. The mount
// is made in a mount namespace of the test's own.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');

const { root } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const unshare = process.getuid?.() === 0 ? ['-m'] : ['-rm'];
const allowed = spawnSync('unshare', [...unshare, 'mount', '--bind', '/tmp', '/tmp']).status === 0;
const skip = allowed ? false : 'this machine allows no mount namespace';

const MOUNTED = `
set -e
mount -t tmpfs -o noexec,size=300m none "$MOUNT"
exec "$@"
`;

/** Runs the command line where this folder is mounted noexec. */
function under(mount, args, cwd) {
  const command = [process.execPath, path.join(root, 'src', 'cli-wrapper.js'), ...args];
  return spawnSync('unshare', [...unshare, 'sh', '-c', MOUNTED, 'sh', ...command], {
    cwd,
    env: {
      ...process.env,
      MOUNT: mount,
      OWOX_CONNECTORS_PACKAGE: path.join(root, 'packages', 'connectors'),
    },
    encoding: 'utf8',
  });
}

function project(t) {
  const csv = path.join(tempFolder(t), 'a.csv');
  const storage = { DatabasePath: 'x.duckdb', DestinationTableName: 't' };
  const config = {
    name: 'noexec',
    source: { name: 'CsvFile', config: { Path: csv } },
    storage: { name: 'DuckDb', config: storage },
  };
  writeFiles(path.dirname(csv), { 'a.csv': 'id\n1\n' });
  return writeFiles(tempFolder(t), { 'config.json': config });
}

for (const [what, option, args] of [
  ['store', '--store', []],
  ['runs folder without the store', '--runs-dir', ['--no-store']],
]) {
  test(
    `a ${what} that is mounted noexec is named, with the option that moves it`,
    { skip },
    (t) => {
      const mount = tempFolder(t);
      const run = ['config.json', '--no-state', option, mount, ...args];
      const { status, stderr } = under(mount, run, project(t));
      assert.equal(status, 1, stderr);
      assert.match(
        stderr,
        /mounted noexec, from where Node.js cannot load native packages such as @duckdb/,
      );
      assert.match(stderr, new RegExp(`name another folder with .*${option}`));
      assert.doesNotMatch(stderr, /failed to map segment/);
    },
  );
}

test('doctor tries them for what they are for', { skip }, (t) => {
  const mount = tempFolder(t);
  const { stdout } = under(mount, ['doctor', '--json', '--store', mount, '--runs-dir', mount]);
  const checks = JSON.parse(stdout).checks;
  const statusOf = (name) => checks.find((check) => check.name === name);
  assert.equal(statusOf('store').status, 'error');
  assert.equal(statusOf('runs folder').status, 'warning');
  for (const name of ['store', 'runs folder'])
    assert.match(statusOf(name).detail, /mounted noexec/);
});
