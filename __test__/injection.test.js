'use strict';
// Nothing from a configuration, an id, a path or a manifest becomes code: of a shell, of npm, of
// the script that runs.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorRunner, NodeJsEnvironment } = require('@owox/connector-runner');
const { configOf, connectorsPackage, variablesOf } = require('./support/connectors');
const { runScript } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { tempFolder, writeFiles } = require('./support/temp');

/** Text that a shell, a template or a script would run; it makes the file `pwned` somewhere. */
const PAYLOADS = [
  '$(touch pwned)',
  '`touch pwned`',
  '; touch pwned ;',
  "'; touch pwned; '",
  '"; touch pwned; "',
  '\ntouch pwned\n',
  '&& touch pwned',
  "');require('fs').writeFileSync('pwned','')//",
  "${require('fs').writeFileSync('pwned','')}",
  '__DEPENDENCIES__',
  '--registry=http://127.0.0.1:9/',
  '-e',
  '</script>\u2028\u2029',
];

const package_ = connectorsPackage(
  { after },
  { sources: { Ok: `run() { console.log(JSON.stringify(process.env.OW_CONFIG)); }` } },
);

/** An npm that records its arguments and otherwise does as the real one. */
function recordingNpm(t) {
  const folder = tempFolder(t);
  const log = path.join(folder, 'calls');
  const real = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  const script = `#!/bin/sh\nfor one in "$@"; do echo "$one" >> '${log}'; done\nexec '${real}' "$@"\n`;
  fs.writeFileSync(path.join(folder, 'npm'), script, { mode: 0o755 });
  const saved = process.env;
  // npm writes in its cache, and hardly anywhere else
  process.env = { ...saved, PATH: `${folder}:${saved.PATH}`, npm_config_cache: folder };
  t.after(() => {
    process.env = saved;
  });
  return () => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8') : '');
}

/** Whether any of these folders has the file that a payload makes. */
function pwned(...folders) {
  return [process.cwd(), ...folders].filter((folder) => fs.existsSync(path.join(folder, 'pwned')));
}

test('control: a shell and a template do run these payloads', (t) => {
  const cwd = tempFolder(t);
  const ran = PAYLOADS.filter((payload) => {
    fs.rmSync(path.join(cwd, 'pwned'), { force: true });
    try {
      execFileSync('sh', ['-c', `echo ${payload}`], { cwd, stdio: 'ignore' });
    } catch {
      // a syntax error, often after the damage
    }
    return pwned(cwd).length > 0;
  });
  assert.ok(ran.length >= 5, ran.join());
  fs.rmSync(path.join(cwd, 'pwned'), { force: true });
  const script = `String('${PAYLOADS[7]}`;
  execFileSync(process.execPath, ['-e', script], { cwd });
  assert.deepEqual(pwned(cwd), [cwd]);
});

test('ids, names and parameters are data', async (t) => {
  const runsDir = tempFolder(t);
  const runner = new ConnectorRunner({ connectorsPackage: package_, runsDir });
  for (const payload of PAYLOADS) {
    const { stdout, stdio } = capture();
    const config = { ...configOf('Ok', { [payload]: payload }), name: payload };
    const result = await runner.run(payload, payload, config, {}, stdio, { redact: false });
    assert.equal(result.status, 'success');
    const seen = JSON.parse(JSON.parse(stdout.join('')));
    assert.deepEqual(seen.source.config, { [payload]: { value: payload } });
    for (const [source, storage] of [
      [payload, 'Null'],
      ['Ok', payload],
    ]) {
      const error = await rejection(runner.run('d', 'r', configOf(source, {}, storage), {}, stdio));
      assert.match(error.code, /^(INVALID_CONFIG|STORAGE_NOT_FOUND)$/);
    }
  }
  assert.deepEqual(fs.readdirSync(runsDir), []);
  assert.deepEqual(pwned(runsDir, package_), []);
});

test('folders may be called anything', async (t) => {
  const awkward = path.join(tempFolder(t), 'a $(touch pwned) \'b\' "c" `d` ; -e %41 #x ?y é\n');
  const connectors = path.join(awkward, '-connectors');
  fs.mkdirSync(awkward);
  fs.cpSync(package_, connectors, { recursive: true });
  const options = {
    connectorsPackage: connectors,
    runsDir: path.join(awkward, 'runs'),
    storeDir: path.join(awkward, 'store'),
  };
  for (const store of ['shared', 'off']) {
    const { stdout, stdio } = capture();
    const runner = new ConnectorRunner({ ...options, store });
    const result = await runner.run('d', 'r', configOf('Ok'), {}, stdio);
    assert.equal(result.status, 'success');
    assert.match(stdout.join(''), /datamart/);
  }
  assert.deepEqual(pwned(awkward, connectors, options.runsDir), []);
});

const GOOD = { name: 'ok', version: '1.0.0', global: ['ok'] };
/** All but the one that could be a tag and an identifier, and does no harm as such. */
const CODE = PAYLOADS.filter((payload) => payload !== '__DEPENDENCIES__');
const HOSTILE = [
  ...PAYLOADS.map((name) => ({ name })),
  ...CODE.map((version) => ({ version })),
  ...CODE.map((global) => ({ global: [global] })),
  ...['../x', '/etc', 'a/b', '@a', 'node_modules', 'x'.repeat(215)].map((name) => ({ name })),
  ...['file:/etc', './x', '../x', '/x', '~/x', 'x.tgz', 'a/b', 'github:a/b'].map((version) => ({
    version,
  })),
  ...[
    'git+ssh://git@host/a.git',
    'git@host:a/b',
    'https://host/a.tgz',
    'git+ext::sh -c id',
    'npm:../x@1',
    'npm:a@file:/etc',
    'workspace:*',
    '1.0.0\u0000',
    ' ',
  ].map((version) => ({ version })),
  ...['class', '__proto__', 'a.b', 'a b', ''].map((name) => ({ global: [name] })),
];

test('hostile dependencies of a manifest are refused before npm or a connector starts', async (t) => {
  const calls = recordingNpm(t);
  const storages = Object.fromEntries(
    HOSTILE.map((bad, index) => [
      `S${index}`,
      { environment: { node: { enabled: true, dependencies: [{ ...GOOD, ...bad }] } } },
    ]),
  );
  const runsDir = tempFolder(t);
  const options = {
    connectorsPackage: connectorsPackage(t, { storages }),
    runsDir,
    storeDir: tempFolder(t),
  };
  for (const store of ['shared', 'off']) {
    const runner = new ConnectorRunner({ ...options, store });
    for (const [index, bad] of HOSTILE.entries()) {
      const config = configOf('Ok', {}, `S${index}`);
      const error = await rejection(runner.run('d', 'r', config, {}, 'ignore'));
      assert.equal(error.code, 'INVALID_CONFIG', JSON.stringify(bad));
      assert.match(error.message, /^dependency "/, JSON.stringify(bad));
    }
  }
  assert.equal(calls(), '', 'npm was not called');
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

test('what a connectors package asks for itself is held to the same rule', async (t) => {
  const calls = recordingNpm(t);
  for (const bad of [{ version: 'file:/etc' }, { name: '--global' }, { global: ['a;b'] }]) {
    const packageJson = { owox: { runnerDependencies: [{ ...GOOD, ...bad }] } };
    const connectors = connectorsPackage(t, { packageJson });
    const environment = new NodeJsEnvironment({
      connectorsPackage: connectors,
      runsDir: tempFolder(t),
    });
    const error = await rejection(environment.createEnvironment('d', 'r'));
    assert.equal(error.code, 'INVALID_CONFIG');
  }
  assert.equal(calls(), '');
});

test('control: with the option, a folder is installed; inside the connectors package without', async (t) => {
  const calls = recordingNpm(t);
  const local = writeFiles(tempFolder(t), {
    'package.json': { name: 'local', version: '1.0.0' },
    'index.js': 'module.exports = "local";',
  });
  const connectors = connectorsPackage(t, {
    sources: { Use: 'run() { console.log(local); }' },
    files: {
      'vendor/local/package.json': { name: 'local', version: '1.0.0' },
      'vendor/local/index.js': 'module.exports = "vendored";',
    },
  });
  const play = async (folder, more) => {
    const options = { connectorsPackage: connectors, runsDir: tempFolder(t), ...more };
    const environment = new NodeJsEnvironment(options);
    const dependency = { name: 'local', version: `file:${folder}`, global: ['local'] };
    const directory = await environment.createEnvironment('d', 'r', [dependency]);
    const { stdout, stdio } = capture();
    await environment.executeConnector(directory, variablesOf('Use'), stdio);
    return stdout.join('');
  };
  const refused = await rejection(play(local));
  assert.match(refused.message, /allowSpecs: \['file'\] or --allow-specs file/);
  assert.equal(calls(), '');
  assert.equal(await play(local, { allowSpecs: ['file'] }), 'local\n');
  assert.equal(await play(path.join(connectors, 'vendor', 'local')), 'vendored\n');
  assert.match(calls(), /^install\n/);
  for (const allowSpecs of ['file', ['ftp'], [1], true]) {
    assert.throws(() => new ConnectorRunner({ allowSpecs }), { code: 'INVALID_CONFIG' });
  }
});

test('npm gets the same arguments whatever a run is called', async (t) => {
  const calls = recordingNpm(t);
  const options = { connectorsPackage: package_, runsDir: tempFolder(t), store: 'off' };
  const seen = new Set();
  for (const id of ['plain', '--global', '-g', '$(touch pwned)', '; npm publish']) {
    const before = calls().length;
    await new ConnectorRunner(options).run(id, id, configOf('Ok'), {}, 'ignore');
    seen.add(calls().slice(before));
  }
  assert.equal(seen.size, 1);
  assert.match([...seen][0], /^install\n--ignore-scripts\n/);
});

test('arguments of the command line reach npm as names only', async (t) => {
  const calls = recordingNpm(t);
  const config = path.join(writeFiles(tempFolder(t), { 'c.json': configOf('Ok') }), 'c.json');
  const common = ['--connectors', package_, '--store', tempFolder(t), '--allow-scripts=--global'];
  for (const [command, named] of [
    [[config, '--no-state'], '--allow-scripts'],
    [['store', 'warm', config], 'option allowScripts'],
  ]) {
    const { code, stderr } = await runScript('src/cli-wrapper.js', [...command, ...common], {
      env: process.env,
    });
    assert.equal(code, 1);
    assert.ok(stderr.includes(`${named}: "--global" is not a valid npm package name`), stderr);
  }
  assert.equal(calls(), '');
});

const LONG = 'x'.repeat(5000);
test('paths that cannot be are refused, or stay where they belong', async (t) => {
  const inside = tempFolder(t);
  const real = path.join(inside, 'real');
  fs.mkdirSync(real);
  fs.symlinkSync(real, path.join(inside, 'link'));
  fs.writeFileSync(path.join(inside, 'file'), '');
  const kept = path.join(real, 'kept');
  fs.writeFileSync(kept, '');
  const run = (more) =>
    new ConnectorRunner({ connectorsPackage: package_, runsDir: tempFolder(t), ...more }).run(
      'd',
      'r',
      configOf('Ok'),
      {},
      'ignore',
    );
  for (const name of ['runsDir', 'storeDir', 'connectorsPackage', 'lockfile']) {
    for (const bad of [`${inside}/a\0b`, `${inside}/${LONG}`, `${inside}/file/below`, '']) {
      const error = await rejection(Promise.resolve().then(() => run({ [name]: bad })));
      assert.match(
        error.code,
        /^(INVALID_CONFIG|CONNECTORS_NOT_FOUND)$/,
        `${name} ${bad.slice(0, 40)}: ${error.code} ${error.message.slice(0, 200)}`,
      );
    }
  }
  // a symlink is followed once, when the folder is named, and what lies beside a run stays
  const { status } = await run({ runsDir: path.join(inside, 'link', '..', 'link') });
  assert.equal(status, 'success');
  assert.deepEqual(fs.readdirSync(real), ['kept']);
  const environment = new NodeJsEnvironment({ connectorsPackage: package_, runsDir: real });
  for (const id of ['..', '../kept', '*', '', '/', kept, `d\0`]) {
    await environment.cleanup(id || '..', id || '..').catch(() => {});
  }
  assert.deepEqual(fs.readdirSync(real), ['kept']);
});
