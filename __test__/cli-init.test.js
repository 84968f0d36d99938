'use strict';
// `init`: a configuration that `check` finds nothing wrong with but what is to be filled in.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { NODE_MANIFEST, connectorsPackage } = require('./support/connectors');
const { root, runScript } = require('./support/host');
const { tempFolder } = require('./support/temp');

const reference = path.join(root, 'packages/connectors');

function cli(cwd, args, package_ = reference) {
  const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: package_ };
  return runScript('src/cli-wrapper.js', args, { cwd, env });
}
const init = (cwd, source, storage, ...more) =>
  cli(cwd, ['init', '--source', source, '--storage', storage, ...more]);
const read = (folder, name = 'config.json') =>
  JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));

test('what is required is null, what is optional has its default, all is explained', async (t) => {
  const folder = tempFolder(t);
  const { stdout, stderr, code } = await init(folder, 'CsvFile', 'DuckDb');
  assert.deepEqual({ stderr, code }, { stderr: '', code: 0 });
  const { version } = JSON.parse(fs.readFileSync(path.join(reference, 'package.json'), 'utf8'));
  assert.equal(
    stdout,
    `Wrote config.json, with the parameters that @owox/connectors-local ${version} declares\n` +
      '  Fill in  source.config.Path\n           storage.config.DatabasePath\n' +
      '  Check    connector-runner check config.json\n' +
      '  Run      connector-runner run config.json\n',
  );
  const config = read(folder);
  assert.deepEqual(Object.keys(config), ['name', 'source', 'storage', '$comment']);
  assert.equal(config.source.config.Path, null);
  assert.equal(config.source.config.Delimiter, ',');
  assert.equal('LastRequestedDate' in config.source.config, false, 'hosts and state set it');
  assert.deepEqual(config.storage, {
    name: 'DuckDb',
    config: { DatabasePath: null, MaxBufferSize: 500, MemoryLimitMb: 256 },
  });
  const { parameters } = require(path.join(reference, 'src/Sources/CsvFile/manifest.json'));
  assert.deepEqual(
    Object.keys(config.$comment.source).sort(),
    Object.keys(parameters).sort(),
    'those without a default as well',
  );
  assert.match(config.$comment.source.Path, /^string, required: Path of the file/);
  assert.equal(fs.statSync(path.join(folder, 'config.json')).mode & 0o777, 0o600);
});

test('check complains about the placeholders of every pair only, and a filled one runs', async (t) => {
  const folder = tempFolder(t);
  const { Connectors, Storages } = require(reference);
  for (const source of Object.keys(Connectors)) {
    for (const storage of Object.keys(Storages)) {
      const name = `${source}-${storage}.json`;
      const { stdout } = await init(folder, source, storage, '--output', name);
      const listed = stdout.match(/(?<=Fill in {2}|^ {11})\S+$/gm) ?? [];
      const checked = await cli(folder, ['check', name, '--json']);
      const { findings } = JSON.parse(checked.stdout);
      assert.deepEqual(
        findings.map(({ path: where }) => where),
        listed,
        name,
      );
      assert.ok(findings.every(({ message }) => message === 'must have a value'));
    }
  }
  const config = read(folder, 'CsvFile-DuckDb.json');
  fs.writeFileSync(path.join(folder, 'd.csv'), 'id\n1\n');
  config.source.config.Path = 'd.csv';
  config.storage.config.DatabasePath = 'd.duckdb';
  fs.writeFileSync(path.join(folder, 'filled.json'), JSON.stringify(config));
  assert.equal((await cli(folder, ['check', 'filled.json'])).stdout, 'filled.json is fine\n');
  const ran = await cli(folder, ['run', 'filled.json', '--no-state']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.ok(fs.existsSync(path.join(folder, 'd.duckdb')));
});

test('a file that is there stays without --force', async (t) => {
  const folder = tempFolder(t);
  const file = path.join(folder, 'my config.json');
  fs.writeFileSync(file, 'mine');
  const refused = await init(folder, 'CsvFile', 'DuckDb', '-o', 'my config.json');
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /my config\.json is there already; .*--force.*\n {2}Code +INVALID_CONFIG/,
  );
  assert.equal(fs.readFileSync(file, 'utf8'), 'mine');
  const dangling = path.join(folder, 'link.json');
  fs.symlinkSync('nowhere.json', dangling);
  assert.equal((await init(folder, 'CsvFile', 'DuckDb', '-o', 'link.json')).code, 1);
  const forced = await init(folder, 'CsvFile', 'DuckDb', '-o', 'my config.json', '--force');
  assert.equal(forced.code, 0);
  assert.match(forced.stdout, /check 'my config\.json'\n/);
  assert.equal(read(folder, 'my config.json').source.name, 'CsvFile');
  const nowhere = await init(folder, 'CsvFile', 'DuckDb', '-o', 'no/such/folder.json');
  assert.match(nowhere.stderr, /no\/such\/folder\.json cannot be written: No such file/);
  assert.deepEqual(fs.readdirSync(folder).sort(), ['link.json', 'my config.json']);
});

test('names with a slip of the pen, and missing ones', async (t) => {
  const folder = tempFolder(t);
  const source = await init(folder, 'CvsFile', 'DuckDb');
  assert.equal(source.code, 1);
  assert.match(source.stderr, /has no source "CvsFile"; did you mean CsvFile\?/);
  const storage = await init(folder, 'CsvFile', 'duck_db');
  assert.match(storage.stderr, /has no storage "duck_db"; did you mean DuckDb\?/);
  const far = await init(folder, 'Xyz', 'DuckDb');
  assert.match(far.stderr, /has no source "Xyz"; there are CsvFile, HttpJson/);
  const missing = await cli(folder, ['init', '--source', 'CsvFile']);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /--storage <NAME>/);
  assert.deepEqual(fs.readdirSync(folder), []);
});

test('a package whose manifests declare nothing, hosts’ names, a storage without Node.js', async (t) => {
  const folder = tempFolder(t);
  const package_ = connectorsPackage(
    { after },
    { sources: { Bare: 'run() {}' }, storages: { GoogleBigQuery: NODE_MANIFEST, Off: {} } },
  );
  const args = (storage) => ['init', '--source', 'Bare', '--storage', storage];
  const { stdout, code } = await cli(
    folder,
    [...args('GOOGLE_BIGQUERY'), '--connectors', package_],
    reference,
  );
  assert.equal(code, 0);
  assert.match(stdout, /Add {6}the parameters of Bare: its manifest declares none/);
  assert.ok(stdout.includes(`check config.json --connectors ${package_}\n`));
  const { source, storage } = read(folder);
  assert.deepEqual(source, { name: 'Bare', config: {} });
  assert.deepEqual(storage, { name: 'GoogleBigQuery', config: {} });
  const checked = await cli(folder, ['check', 'config.json'], package_);
  assert.equal(checked.stdout, 'config.json is fine\n');
  const off = await cli(folder, [...args('Off'), '--force'], package_);
  assert.match(off.stderr, /Storage Off does not support node environment/);
});
