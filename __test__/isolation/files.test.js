'use strict';
// Acceptance cases 1 to 5, 7, 8, 33 and 41: files. Each act is tried without isolation, too.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { layerOf, play, users, world } = require('../support/isolation');
const { modes, testWith } = require('../support/machine');

const inStrict = testWith();
const withFiles = testWith('files');

/** Things of the same user that are not this run's: another run, keys, a store. */
function surroundings(t, user) {
  const folder = world(t, user, {
    'other/secret.txt': 'of another run',
    'home/.ssh/id': 'a key',
    'store/node_modules/dependency/index.js': 'module.exports = 1;',
  });
  const at = (name) => JSON.stringify(path.join(folder, name));
  return { folder, other: at('other/secret.txt'), key: at('home/.ssh/id'), store: at('store'), at };
}

for (const user of users) {
  inStrict(`strict reads nothing of others, also by links (user ${user})`, async (t) => {
    const { other, key, at } = surroundings(t, user);
    const acts = `
      act('own', () => fs.readFileSync('main.js') && undefined);
      act('another run', () => fs.readFileSync(${other}, 'utf8'));
      act('a folder', () => fs.readdirSync(${at('other')}).join());
      act('a key', () => fs.readFileSync(${key}, 'utf8'));
      act('shadow', () => fs.readFileSync('/etc/shadow') && undefined);
      fs.symlinkSync(${other}, 'link');
      act('by a link', () => fs.readFileSync('link', 'utf8'));
      act('by a folder link', () => {
        fs.symlinkSync(${at('other')}, 'folder');
        return fs.readFileSync('folder/secret.txt', 'utf8');
      });
      act('watch', () => fs.watch(${at('other')}).close());
      show();`;
    const control = (await play(t, acts, { user, isolation: 'none' })).outcomes;
    const standard = (await play(t, acts, { user })).outcomes;
    for (const free of [control, standard]) {
      assert.deepEqual(
        [
          free['another run'],
          free['a folder'],
          free['a key'],
          free['by a link'],
          free['by a folder link'],
        ],
        ['of another run', 'secret.txt', 'a key', 'of another run', 'of another run'],
      );
      assert.equal(free.shadow, user === 0 ? 'ok' : 'EACCES');
    }
    const { outcomes, result } = await play(t, acts, { user, isolation: 'strict' });
    assert.equal(layerOf(result, 'files').enforced, 'full');
    const { own, watch, ...denied } = outcomes;
    assert.equal(own, 'ok');
    assert.equal(watch, 'EPERM', 'it would tell of names');
    for (const [name, outcome] of Object.entries(denied)) assert.equal(outcome, 'EACCES', name);
    assert.equal(Object.keys(denied).length, 6);
  });

  withFiles(`nothing outside is written, moved or linked (user ${user})`, async (t) => {
    const { folder, other, store, at } = surroundings(t, user);
    const acts = `
      const os = require('node:os');
      const shared = process.env.SHARED;
      fs.symlinkSync(${store} + '/node_modules', 'node_modules');
      fs.writeFileSync('own', 'x');
      act('store', () => fs.writeFileSync('node_modules/dependency/index.js', ''));
      act('store, truncated', () => fs.truncateSync('node_modules/dependency/index.js'));
      act('store, new', () => fs.writeFileSync('node_modules/new.js', ''));
      act('store, removed', () => fs.rmSync('node_modules/dependency/index.js'));
      act('store, folder', () => fs.mkdirSync('node_modules/folder'));
      act('temporary', () => { fs.writeFileSync(shared + '/isolation-test', ''); fs.rmSync(shared + '/isolation-test'); });
      act('shared memory', () => { fs.writeFileSync('/dev/shm/isolation-test', ''); fs.rmSync('/dev/shm/isolation-test'); });
      act('home', () => { fs.writeFileSync(os.homedir() + '/isolation-test', ''); fs.rmSync(os.homedir() + '/isolation-test'); });
      act('append', () => fs.appendFileSync(${other}, ''));
      act('moved out', () => fs.renameSync('own', ${at('other/own')}));
      act('linked in', () => fs.linkSync(${other}, 'linked'));
      act('moved in', () => fs.renameSync(${other}, 'moved'));
      act('device', () => { const outcome = call('mknodat', -100, 's:device', 0o20600, 259); if (outcome !== 'ok') throw { code: outcome }; });
      // --- what must go on working
      act('fifo', () => { const outcome = call('mknodat', -100, 's:fifo', 0o10600, 0); if (outcome !== 'ok') throw { code: outcome }; });
      act('own folder', () => { fs.mkdirSync('a/b', { recursive: true }); fs.writeFileSync('a/b/c', 'x'); fs.renameSync('a/b/c', 'c'); fs.truncateSync('c'); });
      act('own link', () => fs.linkSync('c', 'd'));
      act('own socket', () => void require('node:net').createServer().on('error', () => {}).listen('socket').close());
      act('own temporary', () => fs.writeFileSync(fs.mkdtempSync(os.tmpdir() + '/x-') + '/y', 'y'));
      act('null', () => fs.writeFileSync('/dev/null', 'x'));
      show();`;
    const run = (isolation) => {
      // each changes the things, so each has its own
      fs.rmSync(path.join(folder, 'other'), { recursive: true });
      fs.cpSync(world(t, user, { 'secret.txt': 'of another run' }), path.join(folder, 'other'), {
        recursive: true,
      });
      if (user !== process.getuid()) {
        fs.chownSync(path.join(folder, 'other'), user, user);
        fs.chownSync(path.join(folder, 'other/secret.txt'), user, user);
      }
      const env = { SHARED: require('node:os').tmpdir() };
      return play(t, acts, { user, isolation, env, options: { env: 'inherit' } });
    };
    const works = ['fifo', 'own folder', 'own link', 'own socket', 'own temporary', 'null'];
    for (const mode of modes) {
      const { outcomes, result } = await run(mode);
      assert.equal(layerOf(result, 'files').enforced, 'full');
      for (const name of works) {
        const isSocketInStrict = name === 'own socket' && mode === 'strict';
        if (!isSocketInStrict) assert.equal(outcomes[name], 'ok', `${mode}: ${name}`);
      }
      assert.equal(outcomes['linked in'], 'EXDEV', mode);
      const denied = Object.keys(outcomes).filter(
        (name) => ![...works, 'linked in'].includes(name),
      );
      assert.equal(denied.length, 12);
      for (const name of denied) assert.equal(outcomes[name], 'EACCES', `${mode}: ${name}`);
      assert.equal(
        fs.readFileSync(path.join(folder, 'other/secret.txt'), 'utf8'),
        'of another run',
      );
      assert.equal(fs.readdirSync(path.join(folder, 'other')).length, 1);
    }
    const control = (await run('none')).outcomes;
    const refusedToNobody = user === 0 ? [] : ['device'];
    for (const [name, outcome] of Object.entries(control)) {
      // what was moved in before cannot be moved again
      assert.equal(outcome, refusedToNobody.includes(name) ? 'EPERM' : 'ok', name);
    }
  });

  withFiles(
    `mode, times and attributes are changed of own files only (user ${user})`,
    async (t) => {
      const { folder, other } = surroundings(t, user);
      const acts = `
      const modeOf = (file) => (fs.statSync(file).mode & 0o7777).toString(8);
      fs.writeFileSync('own', 'x');
      fs.symlinkSync(${other}, 'link');
      const descriptor = () => fs.openSync(${other}, 'r');
      act('chmod', () => fs.chmodSync(${other}, 0o600));
      act('chmod of a device', () => fs.chmodSync('/dev/null', 0o666));
      act('chmod by a link', () => fs.chmodSync('link', 0o600));
      act('fchmod', () => fs.fchmodSync(descriptor(), 0o600));
      act('utimes', () => fs.utimesSync(${other}, 1, 2));
      act('futimes', () => fs.futimesSync(descriptor(), 1, 2));
      act('chown', () => fs.chownSync(${other}, process.getuid(), process.getgid()));
      act('setxattr', () => { const outcome = call('setxattr', 's:' + ${other}, 's:user.x', 's:y', 1, 0); if (outcome !== 'ok') throw { code: outcome }; });
      // --- what must go on working
      act('own chmod', () => { fs.chmodSync('own', 0o640); return modeOf('own'); });
      act('own chmod, absolute', () => { fs.chmodSync(process.cwd() + '/own', 0o604); return modeOf('own'); });
      act('own fchmod', () => { fs.fchmodSync(fs.openSync('own', 'r'), 0o644); return modeOf('own'); });
      act('own chmod, by descriptor', () => { fs.chmodSync('/proc/self/fd/' + fs.openSync('own', 'r'), 0o600); return modeOf('own'); });
      act('own utimes', () => { fs.utimesSync('own', 1, 2); return String(fs.statSync('own').mtimeMs); });
      act('own lutimes', () => { fs.lutimesSync('link', 1, 3); return String(fs.lstatSync('link').mtimeMs); });
      act('own futimes', () => { fs.futimesSync(fs.openSync('own', 'r'), 1, 4); return String(fs.statSync('own').mtimeMs); });
      act('copyFile', () => fs.copyFileSync('own', 'copy'));
      act('cp', () => fs.cpSync('own', 'copied', { preserveTimestamps: true }));
      act('missing', () => fs.chmodSync('missing', 0o600));
      act('in a child', () => {
        const { status } = spawnSync(process.execPath, ['-e', 'fs.mkdirSync("deep"); process.chdir("deep"); fs.chmodSync("../own", 0o611)']);
        return status + ' ' + modeOf('own');
      });
      act('set-id', () => fs.chmodSync('own', 0o4755));
      show();`;
      const works = {
        'own chmod': '640',
        'own chmod, absolute': '604',
        'own fchmod': '644',
        'own chmod, by descriptor': '600',
        'own utimes': '2000',
        'own lutimes': '3000',
        'own futimes': '4000',
        copyFile: 'ok',
        cp: 'ok',
        missing: 'ENOENT',
        'in a child': '0 611',
      };
      const before = fs.statSync(path.join(folder, 'other/secret.txt'));
      for (const mode of modes) {
        const { outcomes } = await play(t, acts, { user, isolation: mode });
        for (const [name, outcome] of Object.entries(outcomes)) {
          // strict cannot even open it
          const opened = ['fchmod', 'futimes'].includes(name) && mode === 'strict';
          assert.equal(outcome, works[name] ?? (opened ? 'EACCES' : 'EPERM'), `${mode}: ${name}`);
        }
        assert.equal(Object.keys(outcomes).length, 20);
      }
      const after = fs.statSync(path.join(folder, 'other/secret.txt'));
      assert.deepEqual([after.mode, after.mtimeMs], [before.mode, before.mtimeMs]);
      const control = (await play(t, acts, { user, isolation: 'none' })).outcomes;
      const refusedToNobody = user === 0 ? {} : { 'chmod of a device': 'EPERM' };
      for (const [name, outcome] of Object.entries(control)) {
        const expected = works[name] ?? refusedToNobody[name] ?? 'ok';
        assert.equal(outcome, expected, `without isolation: ${name}`);
      }
    },
  );

  test(`descriptors of the host do not reach a run, and one that is given leads nowhere else (user ${user})`, async (t) => {
    const { folder } = surroundings(t, user);
    const acts = `
      const leaked = fs.readdirSync('/proc/self/fd').map(Number).filter((fd) => {
        try { return fs.readlinkSync('/proc/self/fd/' + fd).startsWith(${JSON.stringify(folder)}); } catch { return false; }
      });
      outcomes.leaked = leaked.join();
      act('openat', () => void fs.readFileSync('/proc/self/fd/3/secret.txt'));
      show();`;
    const opened = `(() => {
      const fs = require('fs');
      globalThis.kept = fs.openSync(${JSON.stringify(path.join(folder, 'home/.ssh/id'))}, 'r');
      const descriptor = fs.openSync(${JSON.stringify(path.join(folder, 'other'))}, 'r');
      const out = fs.openSync(${JSON.stringify(path.join(folder, 'out'))}, 'w');
      return ['ignore', out, 'ignore', descriptor];
    })()`;
    const out = path.join(folder, 'out');
    const outcomesOf = async (isolation) => {
      await play(t, acts, { user, isolation, stdio: opened });
      return JSON.parse(fs.readFileSync(out, 'utf8'));
    };
    const control = await outcomesOf('none');
    assert.deepEqual(control, { leaked: '1,3', openat: 'ok' });
    assert.deepEqual(await outcomesOf('standard'), { leaked: '1,3', openat: 'ok' });
    if (modes.includes('strict'))
      assert.deepEqual(await outcomesOf('strict'), { leaked: '1,3', openat: 'EACCES' });
  });
}

// Node's permission model refuses to make links
testWith('landlock')('what a run leaves behind never blocks or leads its host', async (t) => {
  const { folder } = surroundings(t, process.getuid());
  const { runHost } = require('../support/host');
  const { connectorsPackage } = require('../support/connectors');
  const package_ = connectorsPackage(t, {
    sources: {
      Odd: `run() {
        const fs = require('fs');
        const { execFileSync } = require('child_process');
        for (const name of ['main.js', 'package.json', 'node_modules']) {
          fs.rmSync(name, { recursive: true });
          if (name !== 'node_modules') execFileSync('mkfifo', [name]);
        }
        fs.symlinkSync(${JSON.stringify(folder)}, 'node_modules');
        fs.symlinkSync(${JSON.stringify(folder)}, 'link');
        fs.symlinkSync('/dev/zero', 'device');
        fs.writeFileSync('huge', ''); fs.truncateSync('huge', 1e12);
        fs.mkdirSync('closed/deep', { recursive: true }); fs.chmodSync('closed', 0);
        const tmp = process.env.TMPDIR; fs.rmSync(tmp, { recursive: true }); fs.symlinkSync(${JSON.stringify(folder)}, tmp);
        console.log('left');
      }`,
    },
  });
  const runs = world(t, process.getuid());
  const { stdout, stderr } = await runHost(
    t,
    `const { ConnectorRunner, Config, RunConfig } = runner;
     const config = new Config(${JSON.stringify({ datamartId: 'd', name: 'n', source: { name: 'Odd', config: {} }, storage: { name: 'Null', config: {} } })});
     new ConnectorRunner(${JSON.stringify({ connectorsPackage: package_, runsDir: runs })})
       .run('d', 'r', config, new RunConfig({}), 'ignore')
       .then(({ status, warnings }) => console.log(JSON.stringify({ status, warnings })), (error) => console.error(error));`,
  );
  assert.equal(stderr, '');
  assert.deepEqual(JSON.parse(stdout).status, 'success');
  assert.deepEqual(fs.readdirSync(runs), []);
  assert.deepEqual(fs.readdirSync(folder).sort(), ['home', 'other', 'store']);
  assert.equal(fs.readFileSync(path.join(folder, 'other/secret.txt'), 'utf8'), 'of another run');
});
