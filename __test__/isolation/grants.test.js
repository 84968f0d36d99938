'use strict';
// What is granted is found once, and what a run has left does not lead the next one's grants astray.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { NODE_MANIFEST, configOf, connectorsPackage } = require('../support/connectors');
const { ended, root } = require('../support/host');
const { asUser, play, readablePackage, users, withoutNpm, world } = require('../support/isolation');
const { modes, testWith } = require('../support/machine');
const { tempFolder } = require('../support/temp');
const { ConnectorRunner } = require('@owox/connector-runner');
const { capture } = require('../support/output');

const inStrict = testWith();
const withFiles = testWith('files');

/** What a host of this user prints that runs this code; it sees the package as `runner`. */
async function host(t, user, code) {
  const folder = user === process.getuid() ? root : readablePackage();
  const text = `const runner = require(${JSON.stringify(folder)}); (async () => { ${code} })()`;
  const [program, ...args] = asUser(user, [process.execPath, '-e', text]);
  const home = world(t, user);
  const child = spawn(program, args, { env: { ...withoutNpm(), HOME: home }, cwd: home });
  t.after(() => child.kill('SIGKILL'));
  const { stdout, stderr } = await ended(child);
  assert.match(stdout, /^\{/, stderr);
  return JSON.parse(stdout);
}

for (const user of users) {
  withFiles(
    `a link that a run has left in a granted folder leads no grant out (user ${user})`,
    async (t) => {
      const folder = fs.realpathSync(world(t, user, { 'granted/x': '', 'secret/key': 'a key' }));
      const at = (name) => path.join(folder, name);
      const link = `require('node:fs').symlinkSync(${JSON.stringify(at('secret'))}, ${JSON.stringify(at('granted/sub'))});`;
      assert.equal(
        (await play(t, link, { user, isolation: { write: [at('granted')] } })).code,
        undefined,
      );
      const acts = `
      act('written', () => fs.writeFileSync(${JSON.stringify(at('secret/new'))}, ''));
      act('read', () => fs.readFileSync(${JSON.stringify(at('secret/key'))}, 'utf8'));
      show();`;
      const free = (await play(t, acts, { user, isolation: 'none' })).outcomes;
      assert.deepEqual(free, { written: 'ok', read: 'a key' });
      for (const mode of modes) {
        const write = [at('granted'), at('granted/sub')];
        const refused = await play(t, acts, { user, isolation: { mode, write } });
        assert.equal(refused.code, 'INVALID_CONFIG', mode);
        assert.match(
          refused.message,
          /isolation\.write .*granted\/sub is a symbolic link to .*secret/,
        );
        // by itself it is an administrator's, who has named it
        const alone = await play(t, acts, {
          user,
          isolation: { mode, write: [at('granted/sub')] },
        });
        assert.equal(alone.outcomes.written, 'ok');
      }
      if (!modes.includes('strict')) return;
      const isolation = { mode: 'strict', write: [at('granted')], read: [at('granted/sub/key')] };
      const refused = await play(t, acts, { user, isolation });
      assert.equal(refused.code, 'INVALID_CONFIG');
      assert.match(refused.message, /isolation\.read .*granted\/sub is a symbolic link/);
    },
  );

  inStrict(
    `a kept directory reads its own environment, whatever a run has put there (user ${user})`,
    async (t) => {
      const secret = fs.realpathSync(world(t, user, { 'index.js': 'module.exports = "a key";' }));
      const folder = connectorsPackage(t, { sources: { Ok: 'run() {}' } });
      const files = world(t, user);
      fs.cpSync(path.dirname(folder), path.join(files, 'p'), { recursive: true });
      if (user !== process.getuid()) fs.chownSync(files, user, user);
      fs.chmodSync(path.join(files, 'p'), 0o755);
      const code = (mode) => `
      const fs = require('node:fs');
      const environment = new runner.NodeJsEnvironment({
        isolation: ${JSON.stringify(mode)}, storeDir: ${JSON.stringify(path.join(files, 'store', mode))},
        runsDir: ${JSON.stringify(path.join(files, 'runs', mode))},
        connectorsPackage: ${JSON.stringify(path.join(files, 'p', 'package'))},
      });
      const directory = await environment.createEnvironment('mart', 'run', []);
      const found = {};
      const run = async (name, script) => {
        fs.writeFileSync(directory + '/main.js', script);
        let out = '';
        const logCapture = { onStdout: (text) => { out += text; }, onStderr: (text) => { out += text; } };
        await environment.executeConnector(directory, { PATH: process.env.PATH }, { logCapture }).catch(() => {});
        found[name] = out.includes('a key') ? 'a key' : (/E[A-Z]{4,}/.exec(out)?.[0] ?? 'ok');
      };
      await run('own', "require('@owox/connectors')");
      await run('exchange', "const fs = require('fs'); fs.renameSync('node_modules', 'old'); fs.symlinkSync(" + ${JSON.stringify(JSON.stringify(secret))} + ", 'node_modules')");
      await run('exchanged', "console.log(require('./node_modules/index.js'))");
      await run('old', "require('./old/@owox/connectors')");
      await environment.cleanup('mart', 'run');
      console.log(JSON.stringify(found));`;
      const found = (exchanged) => ({ own: 'ok', exchange: 'ok', exchanged, old: 'ok' });
      assert.deepEqual(await host(t, user, code('none')), found('a key'));
      assert.deepEqual(await host(t, user, code('strict')), found('EACCES'));
    },
  );
}

const WRITES = {
  parameters: { File: { type: 'string', format: 'path', access: 'write' } },
  ...NODE_MANIFEST,
};

/** A run of a package whose storage proposes to write a file's folder, which its source does. */
async function propose(t, File, options) {
  const sources = {
    Ok: `run() {
      const fs = require('node:fs');
      fs.writeFileSync(this.config.json.storage.config.File.value, 'x');
    }`,
  };
  const connectors = connectorsPackage(t, { sources, storages: { Db: WRITES } });
  const { stdio } = capture();
  const config = configOf('Ok', {}, 'Db');
  config.storage.config = { File: { value: File } };
  const runner = new ConnectorRunner({
    connectorsPackage: connectors,
    storeDir: path.join(tempFolder(t), 'store'),
    runsDir: tempFolder(t),
    ...options,
  });
  return runner.run('mart', 'run', config, {}, stdio);
}

test('standard: what a manifest proposes to write is written, and said', async (t) => {
  const folder = fs.realpathSync(tempFolder(t));
  const file = path.join(folder, 'db');
  const { warnings } = await propose(t, file, { isolation: 'standard' });
  const said = warnings.filter((warning) => warning.includes('manifest of @test/connectors'));
  assert.equal(said.length, 1, warnings.join());
  assert.ok(said[0].includes(`write in ${folder},`) && said[0].includes('--allow-write'), said[0]);
  assert.equal(fs.readFileSync(file, 'utf8'), 'x');
  const quiet = await propose(t, file, { isolation: { mode: 'standard', write: [folder] } });
  assert.deepEqual(quiet.warnings, []);
  assert.deepEqual((await propose(t, file, { isolation: 'none' })).warnings, []);
});

inStrict('strict: what a manifest proposes to write needs whoever runs it', async (t) => {
  const folder = fs.realpathSync(tempFolder(t));
  const file = path.join(folder, 'db');
  await assert.rejects(propose(t, file, { isolation: 'strict' }), ({ code, message }) => {
    assert.equal(code, 'INVALID_CONFIG');
    assert.ok(message.includes(`--allow-write ${folder}`), message);
    assert.ok(message.includes(`isolation.write: ['${folder}']`), message);
    return true;
  });
  assert.deepEqual(fs.readdirSync(folder), []);
  for (const write of [folder, path.dirname(folder)]) {
    await propose(t, file, { isolation: { mode: 'strict', write: [write] } });
    assert.equal(fs.readFileSync(file, 'utf8'), 'x');
    fs.rmSync(file);
  }
});
