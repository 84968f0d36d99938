'use strict';
// What works for a run before there is one: it reads no more than the run may.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { connectorsPackage } = require('../support/connectors');
const { ended, root } = require('../support/host');
const { asUser, readablePackage, users, withoutNpm, world } = require('../support/isolation');
const { modes, testWith } = require('../support/machine');

const withFiles = testWith('files');

/** What a host of this user prints that runs this code; it sees the package as `runner`. */
async function host(t, user, code, env = {}) {
  const folder = user === process.getuid() ? root : readablePackage();
  const text = `const runner = require(${JSON.stringify(folder)}); (async () => { ${code} })()`;
  const [program, ...args] = asUser(user, [process.execPath, '-e', text]);
  const home = world(t, user);
  const child = spawn(program, args, { env: { ...withoutNpm(), HOME: home, ...env }, cwd: home });
  t.after(() => child.kill('SIGKILL'));
  const { stdout, stderr } = await ended(child);
  assert.match(stdout, /^\{/, stderr);
  return JSON.parse(stdout);
}

/** A folder of this user that holds what was written to another. */
function owned(t, user, folder) {
  const files = world(t, user);
  fs.cpSync(folder, files, { recursive: true, verbatimSymlinks: true });
  for (const name of fs.readdirSync(files, { recursive: true })) {
    if (user !== process.getuid()) fs.lchownSync(path.join(files, name), user, user);
  }
  return fs.realpathSync(files);
}

/** Code at the top of a package: tries to read, and says what came of it as the name of a source. */
const reading = (files) => `
  const fs = require('node:fs');
  const path = require('node:path');
  const told = {};
  for (const [name, file] of Object.entries(${JSON.stringify(files)})) {
    try { told[name] = fs.readFileSync(path.resolve(__dirname, file), 'utf8').slice(0, 5); }
    catch (error) { told[name] = error.code; }
  }
  for (const name of ['lib', 'shared']) {
    try { told[name] = require(name); } catch (error) { told[name] = error.code; }
  }
  const names = Object.entries(told).map((entry) => entry.join('='));`;

for (const user of users) {
  withFiles(
    `a package that is looked at reads itself and what it requires (user ${user})`,
    async (t) => {
      const secret = path.join(fs.realpathSync(world(t, user, { key: 'a key' })), 'key');
      const before = reading({
        secret,
        own: '../package.json',
        link: '../link',
        shadow: '/etc/shadow',
      });
      const after = 'for (const name of names) Connectors[name] = Connectors.Ok;';
      const written = connectorsPackage(t, { before, after });
      const at = (name) => path.join(path.dirname(written), name);
      fs.mkdirSync(at('node_modules'));
      fs.mkdirSync(at('lib'));
      fs.writeFileSync(at('lib/package.json'), '{"main":"main.js"}');
      fs.writeFileSync(at('lib/main.js'), 'module.exports = "a library"');
      fs.symlinkSync('../lib', at('node_modules/lib'));
      const folder = owned(t, user, path.dirname(written));
      // made by whoever wrote the package
      fs.symlinkSync(secret, path.join(folder, 'package', 'link'));
      const shared = world(t, user, {
        'shared/index.js': 'module.exports = "a shared library"',
        'shared/package.json': '{}',
      });
      const code = (isolation) => `
      const options = {
        isolation: ${JSON.stringify(isolation)}, runsDir: process.env.HOME + '/runs', storeDir: process.env.HOME + '/store',
        connectorsPackage: ${JSON.stringify(path.join(folder, 'package'))},
      };
      const config = { name: 'n', source: { name: 'none', config: {} }, storage: { name: 'Null', config: {} } };
      const stdio = { logCapture: { onStdout() {}, onStderr() {} } };
      const run = new runner.ConnectorRunner(options).run('mart', 'run', config, {}, stdio);
      const { message, hint } = await run.catch((error) => error);
      console.log(JSON.stringify({ message: message + hint }));`;
      const look = async (isolation) => {
        const env = { NODE_PATH: shared };
        const { message } = await host(t, user, code(isolation), env);
        const told = [...message.matchAll(/(secret|own|link|shadow|lib|shared)=([^,;]+)/g)];
        assert.equal(told.length, 6, message);
        return Object.fromEntries(told.map(([, name, value]) => [name, value.trim().slice(0, 16)]));
      };
      const free = await look('none');
      assert.deepEqual([free.secret, free.link, free.lib], ['a key', 'a key', 'a library']);
      assert.equal(free.shadow.startsWith('root'), user === 0);
      for (const mode of modes) {
        const { shared: byPath, ...found } = await look(mode);
        const denied = { secret: 'EACCES', link: 'EACCES', shadow: 'EACCES' };
        const own = { ...found, own: found.own.slice(0, 1) };
        assert.deepEqual(own, { ...denied, own: '{', lib: 'a library' }, mode);
        assert.equal(byPath, free.shared);
        const granted = await look({ mode, read: [secret] });
        assert.deepEqual([granted.secret, granted.shadow], ['a key', 'EACCES'], mode);
      }
    },
  );
}

/** An install script that tries what it must not, and what it needs. */
const SCRIPT = `
  const { execFileSync } = require('node:child_process');
  const fs = require('node:fs');
  const path = require('node:path');
  const found = {};
  const act = (name, work) => {
    try { found[name] = work() ?? 'ok'; } catch (error) { found[name] = error.code ?? String(error); }
  };
  act('secret', () => fs.readFileSync(SECRET, 'utf8'));
  act('token', () => fs.readFileSync(path.join(USER_HOME, '.npmrc'), 'utf8').slice(0, 4));
  act('variables', () => Object.keys(process.env).filter((name) => /TOKEN|_auth|SSH_AUTH/i.test(name)).join());
  act('cache', () => fs.writeFileSync(path.join(USER_HOME, '.npm', 'poison'), ''));
  act('headers', () => fs.writeFileSync(path.join(USER_HOME, '.cache', 'node-gyp', 'poison'), ''));
  act('own cache', () => fs.writeFileSync(path.join(process.env.npm_config_cache, 'x'), ''));
  act('own headers', () => fs.writeFileSync(path.join(process.env.npm_config_devdir, 'x'), ''));
  act('setting', () => process.env.npm_config_sharp_binary_host);
  act('program', () => { execFileSync('sh', ['-c', 'echo 1 | sed s/1/2/ > made']); });
  act('python', () => { execFileSync('python3', ['-c', 'import json, subprocess, tempfile']); });
  act('compiler', () => {
    fs.writeFileSync('a.c', '#include <stdio.h>\\nint main(void) { return puts("x") < 0; }');
    execFileSync('cc', ['a.c', '-o', 'a'], { stdio: 'pipe' });
    execFileSync('./a');
  });
  act('socket', () => {
    const net = "require('net').connect(" + JSON.stringify(SOCKET) + ").on('connect', () => process.exit(0)).on('error', ({ code }) => { console.log(code); process.exit(0); })";
    return execFileSync(process.execPath, ['-e', net], { encoding: 'utf8' }).trim() || 'ok';
  });
  fs.writeFileSync('found.json', JSON.stringify(found));`;

for (const user of users) {
  withFiles(`an install script reads its own tree and the tool chain (user ${user})`, async (t) => {
    const home = fs.realpathSync(
      world(t, user, {
        '.npmrc': '//r/:_authToken=secret\nsharp_binary_host=https://mirror/\n',
        '.npm/none': '',
        '.cache/node-gyp/none': '',
        key: 'a key',
      }),
    );
    const socket = path.join(home, 'socket');
    const server = require('node:net').createServer((client) => client.end());
    await new Promise((resolve) => server.listen(socket, resolve));
    t.after(() => server.close());
    fs.chmodSync(socket, 0o777);
    const given = { SECRET: path.join(home, 'key'), USER_HOME: home, SOCKET: socket };
    const names = Object.entries(given).map(
      ([name, value]) => `const ${name} = ${JSON.stringify(value)};`,
    );
    const needed = fs.realpathSync(
      world(t, user, {
        'package.json': { name: 'needed', version: '1.0.0', scripts: { install: 'node try.js' } },
        'try.js': names.join('') + SCRIPT,
        'index.js': `module.exports = require('./found.json');`,
      }),
    );
    const dependencies = [{ name: 'needed', version: `file:${needed}`, global: ['needed'] }];
    const written = connectorsPackage(t, {
      sources: { Found: `run() { console.log(JSON.stringify(require('needed'))); }` },
      storages: { Null: { environment: { node: { enabled: true, dependencies } } } },
    });
    const folder = owned(t, user, written);
    const run = (isolation) =>
      host(
        t,
        user,
        `
      let out = '';
      const stdio = { logCapture: { onStdout: (text) => { out += text; }, onStderr() {} } };
      const config = { name: 'n', source: { name: 'Found', config: {} }, storage: { name: 'Null', config: {} } };
      await new runner.ConnectorRunner({
        isolation: '${isolation}', runsDir: process.cwd() + '/runs', storeDir: process.cwd() + '/store',
        connectorsPackage: ${JSON.stringify(folder)}, allowSpecs: ['file'], allowScripts: [${JSON.stringify(`needed@file:${needed}`)}],
      }).run('mart', 'run', config, {}, stdio);
      console.log(out);`,
        { HOME: home, NPM_TOKEN: 'secret', NODE_AUTH_TOKEN: 'secret', SSH_AUTH_SOCK: socket },
      );
    const { variables, compiler, python, 'own cache': cache, ...free } = await run('none');
    assert.deepEqual(variables.split(',').sort(), [
      'NODE_AUTH_TOKEN',
      'NPM_TOKEN',
      'SSH_AUTH_SOCK',
    ]);
    assert.deepEqual(
      [free.secret, free.token, free.cache, free.headers],
      ['a key', '//r/', 'ok', 'ok'],
    );
    assert.deepEqual([free.socket, free.setting, cache], ['ok', 'https://mirror/', 'ok']);
    for (const name of ['.npm', '.cache/node-gyp']) fs.rmSync(path.join(home, name, 'poison'));
    assert.deepEqual(await run('standard'), {
      secret: 'EACCES',
      token: 'EACCES',
      variables: '',
      cache: 'EACCES',
      headers: 'EACCES',
      'own cache': 'ok',
      'own headers': 'ok',
      setting: 'https://mirror/',
      program: 'ok',
      python,
      compiler,
      socket: 'EPERM',
    });
  });
}
