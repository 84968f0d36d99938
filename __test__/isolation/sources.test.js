'use strict';
// Where the packages of an environment come from, and whose install scripts run: with npm, and a
// registry of the test's own.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { configOf, connectorsPackage } = require('../support/connectors');
const { ended } = require('../support/host');
const { asUser, readablePackage, users, world } = require('../support/isolation');
const { archive, integrityOf, npmVariables, registry } = require('../support/registry');
const { writeFiles } = require('../support/temp');

const SECRET = 'what the host holds';

/** Reports every `secret` in the environment, which packages have run a script, and what each is. */
const LOOK = `run() {
  const fs = require('node:fs');
  const path = require('node:path');
  const seen = { secrets: [], ran: [], packages: {} };
  const top = fs.realpathSync('node_modules');
  // what environments share stands in each by links; others are not followed
  const shared = path.dirname(path.dirname(top)) + path.sep;
  const folders = [top];
  const known = new Set(folders);
  for (const folder of folders) {
    for (const { name } of fs.readdirSync(folder, { withFileTypes: true })) {
      const file = path.join(folder, name);
      let real;
      try { real = fs.realpathSync(file); } catch { continue; }
      if (!real.startsWith(shared)) continue;
      if (fs.statSync(real).isDirectory() && !known.has(real)) {
        known.add(real);
        folders.push(file);
      }
      if (name === 'secret') seen.secrets.push(fs.readFileSync(file, 'utf8'));
      const where = path.relative(top, folder);
      if (name === 'ran') seen.ran.push(where);
      if (name === 'index.js') seen.packages[where] = fs.readFileSync(file, 'utf8');
    }
  }
  seen.ran.sort();
  console.log(JSON.stringify(seen));
}`;

const HOST = `
  const [root, text] = process.argv.slice(2);
  const runner = require(root);
  const { options, config } = JSON.parse(text);
  let stdout = '';
  const logCapture = { onStdout: (text) => { stdout += text; }, onStderr() {} };
  new runner.ConnectorRunner(options)
    .run('mart', 'run', new runner.Config(config), new runner.RunConfig({}), { logCapture })
    .then(({ warnings }) => ({ ...JSON.parse(stdout), warnings }),
      ({ code, message, hint }) => ({ code, message, hint }))
    .then((seen) => console.log(JSON.stringify(seen)));`;

/** What a test plays with: `loot`, a folder of the host, and `play`, which runs a connectors package. */
async function setUp(t, user, { packages = [], extra = {} } = {}) {
  const home = world(t, user, { 'host.js': HOST });
  const loot = path.join(home, 'app');
  writeFiles(loot, {
    'package.json': { name: 'app', version: '1.0.0' },
    secret: SECRET,
    'index.js': '',
  });
  const url = await registry(t, packages, extra);
  let count = 0;
  /**
   * Runs a connectors package with these fields of package.json, files and links (path → target)
   * in it; gives what its connector has seen, or the error's code and message.
   */
  async function play(content, options = {}, variables = {}) {
    count += 1;
    const folder = path.join(home, `package-${count}`);
    const { links = {}, storage = [], ...fields } = content;
    const made = connectorsPackage(t, {
      sources: { Look: LOOK },
      storages: { Null: { environment: { node: { enabled: true, dependencies: storage } } } },
      packageJson: { owox: { runnerDependencies: [] }, ...fields.packageJson },
      files: fields.files,
    });
    fs.cpSync(made, folder, { recursive: true });
    for (const [name, target] of Object.entries(links)) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.symlinkSync(target, path.join(folder, name));
    }
    const storeDir = path.join(home, `store-${options.storeOf ?? count}`);
    const { storeOf, ...more } = options;
    const given = {
      options: {
        connectorsPackage: folder,
        storeDir,
        runsDir: path.join(home, 'runs'),
        isolation: 'strict',
        ...more,
      },
      config: configOf('Look'),
    };
    if (user !== process.getuid()) await ended(spawn('chown', ['-Rh', `${user}:${user}`, home]));
    const command = [
      process.execPath,
      path.join(home, 'host.js'),
      readablePackage(),
      JSON.stringify(given),
    ];
    const [program, ...args] = asUser(user, command);
    const env = { ...process.env, ...npmVariables(url, home), ...variables };
    const { stdout, stderr } = await ended(spawn(program, args, { cwd: home, env }));
    assert.equal(stderr, '');
    const seen = JSON.parse(stdout);
    seen.left = 'code' in seen && !storeOf ? secretsIn(storeDir) : [];
    return seen;
  }
  return { home, loot, url, play, next: () => path.join(home, `package-${count + 1}`) };
}

/** The registry that npm asks without any setting. */
function npmDefaultRegistry() {
  const names = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  const none = { npm_config_userconfig: '/dev/null', npm_config_globalconfig: '/dev/null/none' };
  return execFileSync('npm', ['config', 'get', 'registry'], {
    env: { ...Object.fromEntries(names), ...none },
    cwd: '/',
    encoding: 'utf8',
  }).trim();
}

/** Files in a store that hold what only the host should. */
function secretsIn(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('secret'));
}

function assertRefused(seen, option, ...parts) {
  assert.equal(seen.code, 'INVALID_CONFIG', JSON.stringify(seen));
  const remedy = `allowSpecs: ['${option}'] or --allow-specs ${option}`;
  for (const part of [remedy, ...parts])
    assert.ok(seen.message.includes(part), `${part} in ${seen.message}`);
  assert.deepEqual(seen.left, []);
}

for (const user of users) {
  const title = (text) => `${text}, as user ${user}`;

  test(title('paths of the host that a connectors package asks for'), async (t) => {
    const { loot, play, next } = await setUp(t, user);
    const file = `file:${loot}`;
    const vendored = (specifier) => ({
      packageJson: { dependencies: { v: `file:${next()}/vendor/v` } },
      files: {
        'vendor/v/package.json': { name: 'v', version: '1.0.0', dependencies: { loot: specifier } },
      },
    });
    const inside = { name: 'app', version: '', global: ['app'] };
    const cases = {
      dependencies: () => ({ packageJson: { dependencies: { loot: file } } }),
      optional: () => ({ packageJson: { optionalDependencies: { loot: file } } }),
      peer: () => ({ packageJson: { peerDependencies: { loot: file } } }),
      'through a link': () => ({
        packageJson: { dependencies: { loot: `file:${next()}/vendor/loot` } },
        links: { 'vendor/loot': loot },
      }),
      'through a link above': () => ({
        packageJson: { dependencies: { loot: `file:${next()}/vendor/app` } },
        links: { vendor: path.dirname(loot) },
      }),
      'of what is in its folder': () => vendored(file),
      'runnerDependencies, through a link': () => ({
        packageJson: {
          owox: { runnerDependencies: [{ ...inside, version: `file:${next()}/vendor/loot` }] },
        },
        links: { 'vendor/loot': loot },
      }),
      'a storage, through a link': () => ({
        storage: [{ ...inside, version: `file:${next()}/vendor/loot` }],
        links: { 'vendor/loot': loot },
      }),
      bundled: () => ({
        packageJson: { dependencies: { loot: '1' }, bundleDependencies: ['loot'] },
        links: { 'node_modules/loot': loot },
      }),
      'bundled, with a scope': () => ({
        packageJson: { dependencies: { '@a/loot': '1' }, bundledDependencies: true },
        links: { 'node_modules/@a/loot': loot },
      }),
    };
    for (const [name, content] of Object.entries(cases)) {
      await t.test(name, async () => {
        assertRefused(await play(content()), 'file', name.includes('link') ? 'vendor/' : loot);
        if (user !== users[0]) return;
        const seen = await play(content(), { allowSpecs: ['file'] });
        assert.deepEqual(seen.secrets, [SECRET], `control: ${JSON.stringify(seen)}`);
      });
    }
    for (const specifier of [loot, '../app', 'file:../app'])
      assertRefused(await play({ packageJson: { dependencies: { loot: specifier } } }), 'file');
  });

  test(title('what packages of the registry ask for'), async (t) => {
    const evil = archive(t, { 'package.json': { name: 'evil', version: '1.0.0' }, secret: SECRET });
    const other = await registry(t, [], { 'evil.tgz': evil });
    const address = `${other}/extra/evil.tgz`;
    const loot = world(t, user, {
      'package.json': { name: 'loot', version: '1.0.0' },
      secret: SECRET,
    });
    const shrinkwrap = (name, resolved, more) => ({
      'npm-shrinkwrap.json': {
        ...{ name, version: '1.0.0', lockfileVersion: 3 },
        packages: {
          '': { name, version: '1.0.0', dependencies: { clean: '1' } },
          'node_modules/clean': { version: '1.0.0', resolved, ...more },
        },
      },
    });
    const packages = [
      { name: 'clean', version: '1.0.0' },
      { name: 'with-file', version: '1.0.0', dependencies: { loot: `file:${loot}` } },
      {
        ...{ name: 'with-way-up', version: '1.0.0' },
        dependencies: { loot: `file:${'../'.repeat(20)}${loot.slice(1)}` },
      },
      { name: 'with-url', version: '1.0.0', dependencies: { evil: address } },
      { name: 'with-deep-url', version: '1.0.0', dependencies: { 'with-url': '*' } },
      {
        ...{ name: 'with-locked-url', version: '1.0.0', dependencies: { clean: '1' } },
        files: shrinkwrap('with-locked-url', address, { integrity: integrityOf(evil) }),
      },
      ...['default', 'name'].map((kind) => {
        const name = `with-locked-${kind}`;
        const host = kind === 'default' ? npmDefaultRegistry() : 'https://registry.example/';
        const files = shrinkwrap(name, `${host}clean/-/clean-1.0.0.tgz`);
        return { name, version: '1.0.0', dependencies: { clean: '1' }, files };
      }),
      {
        ...{ name: 'with-locked-file', version: '1.0.0', dependencies: { clean: '1' } },
        files: shrinkwrap('with-locked-file', `file:${loot}`),
      },
    ];
    const { play } = await setUp(t, user, { packages });
    const of = (name) => ({ packageJson: { dependencies: { [name]: '^1.0.0' } } });
    for (const [name, option, place] of [
      ['with-file', 'file', loot],
      ['with-way-up', 'file', loot],
      ['with-url', 'url', ''],
      ['with-deep-url', 'url', ''],
      ['with-locked-url', 'url', ''],
      ['with-locked-file', 'file', loot],
    ]) {
      await t.test(name, async () => {
        const refused = await play(of(name));
        if (name.includes('locked') && !('code' in refused)) {
          // npm 12 does not follow them
          assert.deepEqual([refused.secrets, refused.packages.clean], [[], '']);
          return;
        }
        assertRefused(refused, option, place);
        if (user !== users[0]) return;
        const seen = await play(of(name), { allowSpecs: [option] });
        assert.deepEqual(seen.secrets, [SECRET], JSON.stringify(seen));
      });
    }
    // a package is published with a lockfile that names npm's own registry, or the one that it was
    // made with: a machine with a mirror asks that instead, and so do the addresses here
    for (const [name, setting, isReplaced] of [
      ['with-locked-default', undefined, true],
      ['with-locked-name', 'registry.example', true],
      ['with-locked-name', 'other.example', false],
      ['with-locked-name', undefined, false],
    ]) {
      await t.test(`${name}, with replace-registry-host ${setting}`, async () => {
        const variables = setting ? { npm_config_replace_registry_host: setting } : {};
        // what is not replaced is asked for where nobody answers
        const proxy = 'http://127.0.0.1:9';
        const away = {
          npm_config_https_proxy: proxy,
          npm_config_noproxy: '127.0.0.1',
          npm_config_fetch_retries: '0',
        };
        const seen = await play(of(name), {}, { ...away, ...variables });
        // npm 12 does not follow lockfiles of packages
        const installed = seen.packages?.[`${name}/node_modules/clean`] ?? seen.packages?.clean;
        if (isReplaced || seen.packages) assert.equal(installed, '', JSON.stringify(seen));
        else assert.ok(['INVALID_CONFIG', 'INSTALL_FAILED'].includes(seen.code), seen.message);
      });
    }
    await t.test('an environment of who allows it is not for others', async () => {
      const store = { storeOf: 'both' };
      const allowed = await play(of('with-url'), { ...store, allowSpecs: ['url'] });
      assert.deepEqual(allowed.secrets, [SECRET]);
      assertRefused(await play(of('with-url'), store), 'url');
    });
    await t.test('an address in the connectors package', async () => {
      const content = { packageJson: { dependencies: { evil: address } } };
      assertRefused(await play(content), 'url', address);
      assert.deepEqual((await play(content, { allowSpecs: ['url'] })).secrets, [SECRET]);
    });
    await t.test('a lockfile that pins something else', async () => {
      const content = { packageJson: { dependencies: { clean: '1' } } };
      const lockfile = path.join(loot, 'lock.json');
      const pin = (resolved) =>
        writeFiles(loot, {
          'lock.json': {
            ...{ name: 'environment', lockfileVersion: 3, requires: true },
            packages: {
              '': { name: 'environment', dependencies: { '@owox/connectors': 'file:x' } },
              'node_modules/@owox/connectors': {
                ...{ version: '1.2.3', resolved: 'file:x', dependencies: { clean: '1' } },
              },
              'node_modules/clean': { version: '1.0.0', resolved },
            },
          },
        });
      pin(`file:${loot}`);
      assertRefused(await play(content, { lockfile }), 'file', loot);
    });
  });

  test(title('git is not even started where repositories are not allowed'), async (t) => {
    const repository = 'git+https://127.0.0.1:9/a/b.git';
    const packages = [{ name: 'with-git', version: '1.0.0', dependencies: { g: repository } }];
    const { home, play } = await setUp(t, user, { packages });
    writeFiles(home, { 'bin/git': `#!/bin/sh\necho "$@" >> '${home}/started'\nexit 1\n` });
    fs.chmodSync(path.join(home, 'bin', 'git'), 0o755);
    const PATH = `${home}/bin:${process.env.PATH}`;
    const started = () => fs.existsSync(path.join(home, 'started'));
    for (const name of ['with-git', 'g']) {
      const specifier = name === 'g' ? repository : '1';
      const content = { packageJson: { dependencies: { [name]: specifier } } };
      // npm's helper may write in the home of `none`: the file says that git was started
      const free = { isolation: 'none' };
      assertRefused(await play(content, free, { PATH }), 'git');
      assert.ok(!started());
      const allowed = await play(content, { ...free, allowSpecs: ['git'] }, { PATH });
      assert.equal(allowed.code, 'INSTALL_FAILED');
      assert.ok(started(), 'control: npm starts it');
      fs.rmSync(path.join(home, 'started'));
    }
  });

  test(title('what hosts of today have goes on working'), async (t) => {
    const mirrored = archive(t, {
      'package.json': { name: 'mirrored', version: '1.0.0' },
      'index.js': 'from another host',
    });
    const clean = { name: 'clean', version: '1.0.0', files: { 'index.js': 'clean' } };
    const mirror = await registry(t, [clean], { 'mirrored.tgz': mirrored });
    const packages = [
      clean,
      { name: '@scope/clean', version: '2.0.0-rc.1', files: { 'index.js': 'scoped' } },
      {
        ...{ name: 'mirrored', version: '1.0.0', integrity: integrityOf(mirrored) },
        tarball: () => `${mirror}/extra/mirrored.tgz`,
      },
      {
        ...{ name: 'odd', version: '1.0.0' },
        dependencies: { clean: '', mirrored: '>= 1.0.0  <2', alias: 'npm:@scope/clean@2.0.0-rc.1' },
        optionalDependencies: { '@scope/clean': 'latest' },
        peerDependencies: { gone: '^1' },
        peerDependenciesMeta: { gone: { optional: true } },
      },
      {
        ...{ name: 'bundles', version: '1.0.0', dependencies: { b: '1' } },
        bundleDependencies: ['b'],
        files: { 'node_modules/b/package.json': { name: 'b', version: '1.0.0' } },
      },
      {
        ...{ name: 'locks', version: '1.0.0', dependencies: { clean: '1' } },
        files: {
          'npm-shrinkwrap.json': {
            ...{ name: 'locks', version: '1.0.0', lockfileVersion: 3 },
            packages: {
              '': { name: 'locks', version: '1.0.0', dependencies: { clean: '1' } },
              'node_modules/clean': {
                version: '1.0.0',
                resolved: `${mirror}/clean/-/clean-1.0.0.tgz`,
              },
            },
          },
        },
      },
    ];
    const { home, play, next } = await setUp(t, user, { packages });
    const dependencies = { odd: '^1.0.0', bundles: '1.x', locks: '~1' };
    const seen = await play({ packageJson: { dependencies } });
    assert.equal(seen.packages?.mirrored, 'from another host', JSON.stringify(seen));
    assert.equal(seen.packages.alias, 'scoped');
    assert.deepEqual(seen.warnings, []);
    // its own folder, and what a package manager's links lead to above it
    writeFiles(path.join(home, 'node_modules', '.pnpm', 'p@1', 'node_modules', 'p'), {
      'package.json': { name: 'p', version: '1.0.0' },
      'index.js': 'linked',
    });
    const root = next();
    const own = await play({
      packageJson: {
        dependencies: { v: `file:${root}/vendor/v`, p: '1' },
        bundleDependencies: ['p'],
      },
      files: {
        'vendor/v/package.json': { name: 'v', version: '1.0.0' },
        'vendor/v/index.js': 'vendored',
      },
      links: { 'node_modules/p': path.join(home, 'node_modules/.pnpm/p@1/node_modules/p') },
    });
    assert.equal(own.packages?.v, 'vendored', JSON.stringify(own));
    assert.equal(own.packages['@owox/connectors/node_modules/p'], 'linked');
  });

  test(title('a name alone lets only the registry’s package run its install script'), async (t) => {
    const scripts = { install: 'echo > ran' };
    const needed = { name: 'needed', version: '1.0.0', scripts };
    const tarball = archive(t, { 'package.json': needed });
    const other = await registry(t, [], { 'needed.tgz': tarball });
    const address = `${other}/extra/needed.tgz`;
    const packages = [
      needed,
      { ...needed, name: 'evil' },
      { ...needed, name: '@kaciras/deasync', version: '1.1.0' },
      {
        ...{ name: 'bundles', version: '1.0.0', dependencies: { needed: '2' } },
        bundleDependencies: ['needed'],
        files: { 'node_modules/needed/package.json': { ...needed, version: '2.0.0' } },
      },
    ];
    const { play, next } = await setUp(t, user, { packages });
    const vendored = (name) => ({
      packageJson: { dependencies: { [name]: `file:${next()}/evil` } },
      files: { 'evil/package.json': { name, version: '1.1.0', scripts } },
    });
    const deasync = '@kaciras/deasync';
    // whoever wants it from npm has its script run, of what the registry has under this name only
    const original = { OWOX_RUNNER_ORIGINALS: deasync };

    await t.test('the built-in name: the runner brings its own', async () => {
      const seen = await play(vendored(deasync));
      assert.deepEqual([seen.ran, seen.warnings], [[], []], JSON.stringify(seen));
    });
    await t.test('the built-in name, from a folder', async () => {
      const folder = next();
      const seen = await play(vendored(deasync), {}, original);
      assert.deepEqual(seen.ran, [], JSON.stringify(seen));
      const permit = `${deasync}@file:${folder}/evil`;
      assert.match(seen.warnings.join(), new RegExp(`install script of ${deasync} 1.1.0`));
      assert.ok(seen.warnings.join().includes(`allowScripts: ["${permit}"]`), seen.warnings);
      const allowed = [`${deasync}@file:${next()}/evil`];
      const ran = await play(vendored(deasync), { allowScripts: allowed }, original);
      assert.deepEqual(ran.ran, [deasync]);
    });
    await t.test('the built-in name, from a registry that has another of it', async () => {
      const content = { packageJson: { dependencies: { [deasync]: '1.1.0' } } };
      const seen = await play(content, {}, original);
      assert.deepEqual(seen.ran, []);
      assert.ok(seen.warnings.join().includes(`allowScripts: ["${deasync}"]`), seen.warnings);
      const ran = await play(content, { allowScripts: [deasync] }, original);
      assert.deepEqual(ran.ran, [deasync]);
    });
    await t.test('a name that was allowed, from a folder', async () => {
      const folder = next();
      const seen = await play(vendored('needed'), { allowScripts: ['needed'] });
      assert.equal(seen.code, 'INVALID_CONFIG');
      assert.ok(seen.message.includes(`["needed@file:${folder}/evil"]`), seen.message);
      const allowed = [`needed@file:${next()}/evil`];
      assert.deepEqual((await play(vendored('needed'), { allowScripts: allowed })).ran, ['needed']);
    });
    await t.test('from an address', async () => {
      const content = { packageJson: { dependencies: { needed: address } } };
      const options = { allowSpecs: ['url'], allowScripts: ['needed'] };
      const seen = await play(content, options);
      assert.equal(seen.code, 'INVALID_CONFIG');
      assert.ok(seen.message.includes(`["needed@${address}"]`), seen.message);
      const allowed = await play(content, { ...options, allowScripts: [`needed@${address}`] });
      assert.deepEqual(allowed.ran, ['needed']);
    });
    await t.test('under the name of another package', async () => {
      const content = { packageJson: { dependencies: { needed: 'npm:evil@1' } } };
      const seen = await play(content, { allowScripts: ['needed'] });
      assert.equal(seen.code, 'INVALID_CONFIG');
      assert.ok(seen.message.includes('["evil"]'), seen.message);
      assert.deepEqual((await play(content, { allowScripts: ['evil'] })).ran, ['needed']);
    });
    await t.test('in one version only, and not of one that another package brings', async () => {
      const content = { packageJson: { dependencies: { needed: '1', bundles: '1' } } };
      const seen = await play(content, { allowScripts: ['needed'] });
      assert.deepEqual(seen.ran, ['needed'], JSON.stringify(seen));
      assert.match(seen.warnings.join(), /needed 2\.0\.0 .* the archive of another package/);
      assert.deepEqual((await play(content, { allowScripts: ['needed@1.0.0'] })).ran, ['needed']);
      const refused = await play(content, { allowScripts: ['needed@1.0.1'] });
      assert.equal(refused.code, 'INVALID_CONFIG');
    });
    await t.test('nothing runs that nobody has named', async () => {
      const seen = await play({ packageJson: { dependencies: { needed: '1', evil: '1' } } });
      assert.deepEqual([seen.ran, seen.warnings], [[], []]);
    });
  });
}
