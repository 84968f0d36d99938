'use strict';
// What npm's cache knows of a package may be older than the registry, and the registry may have less
// than it says: `check --online` asks as an install does, and an install asks anew before it gives up.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { ended, root, runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

/** The archive of a package. */
function archive(t, manifest) {
  const folder = writeFiles(path.join(tempFolder(t), 'package'), {
    'package.json': manifest,
    'index.js': 'module.exports = 7;',
  });
  const file = path.join(path.dirname(folder), 'package.tgz');
  execFileSync('tar', ['-czf', file, '-C', path.dirname(folder), 'package']);
  return fs.readFileSync(file);
}

/** A registry on loopback; `packages` may change: versions, and what each needs, by name. */
async function registry(t) {
  const packages = {};
  const asked = [];
  const server = http.createServer((request, response) => {
    const [, name, version] = decodeURIComponent(request.url).split('/');
    asked.push(request.url);
    const versions = packages[name];
    const origin = `http://127.0.0.1:${server.address().port}`;
    if (version?.endsWith('.tgz')) {
      const dependencies = versions?.[version.slice(0, -4)];
      if (dependencies === undefined) return response.writeHead(404).end();
      return response.end(archive(t, { name, version: version.slice(0, -4), dependencies }));
    }
    if (versions === undefined) return response.writeHead(404).end('{}');
    const all = Object.entries(versions).map(([number, dependencies]) => [
      number,
      { name, version: number, dependencies, dist: { tarball: `${origin}/${name}/${number}.tgz` } },
    ]);
    // as registries do: whoever asks again within minutes gets no other answer
    response.writeHead(200, {
      'content-type': 'application/vnd.npm.install-v1+json',
      'cache-control': 'public, max-age=300',
    });
    const latest = all.at(-1)?.[0];
    return response.end(
      JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(all) }),
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { packages, asked, origin: `http://127.0.0.1:${server.address().port}/` };
}

async function world(t) {
  const { packages, asked, origin } = await registry(t);
  const dependency = (name, version) => ({ name, version, global: ['x'], global_is: true });
  const storage = (...given) => ({
    environment: { node: { enabled: true, dependencies: [dependency(...given)] } },
  });
  const package_ = connectorsPackage(t, {
    storages: {
      Old: storage('moving', '1.0.0'),
      New: storage('moving', '2.0.0'),
      Deep: storage('deep', '1.0.0'),
      Gone: storage('gone', '1.0.0'),
      Range: storage('moving', '^1.0.0'),
    },
    sources: {
      Ok: 'run() {}',
      Version: `run() { console.log(require('moving/package.json').version); }`,
    },
  });
  const env = {
    ...process.env,
    OWOX_CONNECTORS_PACKAGE: package_,
    OWOX_RUNNER_STORE: path.join(tempFolder(t), 'store'),
    npm_config_registry: origin,
    npm_config_cache: tempFolder(t),
    npm_config_fetch_retries: '0',
  };
  const of = async (name, ...args) => {
    const source = name === 'Range' ? 'Version' : 'Ok';
    const cwd = writeFiles(tempFolder(t), { 'config.json': configOf(source, {}, name) });
    return runScript('src/cli-wrapper.js', args, { cwd, env });
  };
  const check = async (name) => {
    const { stdout } = await of(name, 'check', 'config.json', '--online', '--json');
    return JSON.parse(stdout).findings.map(({ severity, message }) => `${severity}: ${message}`);
  };
  const run = (name) => of(name, 'config.json', '--no-state', '--runs-dir', tempFolder(t));
  const again = (...args) =>
    of('Range', 'config.json', '--no-state', '--runs-dir', tempFolder(t), ...args);
  const warm = (...args) => of('Range', 'store', 'warm', 'config.json', ...args);
  const script = writeFiles(tempFolder(t), {
    'host.js': `
      const { ConnectorRunner } = require(${JSON.stringify(root)});
      const [options, config] = JSON.parse(process.argv[2]);
      new ConnectorRunner(options).run('datamart', 'run', config, {}, 'inherit');`,
  });
  const library = (options) => {
    const given = JSON.stringify([
      { runsDir: tempFolder(t), ...options },
      configOf('Version', {}, 'Range'),
    ]);
    const args = [path.join(script, 'host.js'), given];
    return ended(spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
  };
  return { packages, asked, env, check, run, again, warm, library };
}

test('a version that came after the cache was filled is found, by check and by the run', async (t) => {
  const { packages, check, run } = await world(t);
  packages.moving = { '1.0.0': {} };
  assert.deepEqual(await check('Old'), []);
  assert.equal((await run('Old')).code, 0);
  assert.match(
    (await check('New'))[0],
    /^error: needs moving@2\.0\.0, .*No matching version found/,
  );
  packages.moving['2.0.0'] = {};
  assert.deepEqual(await check('New'), []);
  const ran = await run('New');
  assert.equal(ran.code, 0, ran.stderr);
});

test('what is gone from the registry is said, also where the cache still knows it', async (t) => {
  const { packages, check, run } = await world(t);
  packages.gone = { '1.0.0': {} };
  assert.deepEqual(await check('Gone'), []); // now it is in the cache
  delete packages.gone;
  assert.match((await check('Gone'))[0], /^error: needs gone@1\.0\.0, .*does not have.*404/);
  assert.equal((await run('Gone')).code, 1);
});

test('what a dependency needs is asked for as well', async (t) => {
  const { packages, check, run } = await world(t);
  packages.deep = { '1.0.0': { missing: '^3.0.0' } };
  assert.match(
    (await check('Deep'))[0],
    /^error: needs deep@1\.0\.0, .*not all that it needs: .*missing/,
  );
  assert.equal((await run('Deep')).code, 1);
});

/** What the run printed: the version that the connector found. */
async function found(running) {
  const { code, stdout, stderr } = await running;
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

test('--refresh has what the registry has published since', async (t) => {
  const { packages, asked, again, warm } = await world(t);
  packages.moving = { '1.0.0': {} };
  assert.equal(await found(again()), '1.0.0');
  packages.moving['1.1.0'] = {};
  asked.length = 0;
  assert.equal(await found(again()), '1.0.0', 'until it is told to');
  assert.deepEqual(asked, [], 'and nobody is asked');
  assert.equal(await found(again('--refresh')), '1.1.0');
  packages.moving['1.2.0'] = {};
  assert.equal((await warm('--refresh')).code, 0);
  assert.equal(await found(again()), '1.2.0', 'store warm --refresh');
});

test('refresh and storeMaxAgeDays of a program have it too, whatever npm is to prefer', async (t) => {
  const { packages, library, env } = await world(t);
  packages.moving = { '1.0.0': {} };
  assert.equal(await found(library({})), '1.0.0');
  packages.moving['1.1.0'] = {};
  env.npm_config_prefer_offline = 'true';
  assert.equal(await found(library({ refresh: true })), '1.1.0');
  packages.moving['1.2.0'] = {};
  const millisecond = 1 / 86_400_000;
  assert.equal(await found(library({ storeMaxAgeDays: millisecond })), '1.2.0');
  packages.moving['1.3.0'] = {};
  assert.equal(await found(library({ store: 'off', refresh: true })), '1.3.0');
  assert.equal(await found(library({ storeMaxAgeDays: 1 })), '1.2.0', 'young enough');
});
