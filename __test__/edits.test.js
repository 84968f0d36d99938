'use strict';
// Edits of a connectors package: they cost no installation, and give what npm would have installed.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');

const { ConnectorRunner } = require('@owox/connector-runner');
const { BUNDLE, configOf, connectorsPackage } = require('./support/connectors');
const { runScript, withVariables } = require('./support/host');
const { capture } = require('./support/output');
const { npmVariables, registry } = require('./support/registry');
const { tempFolder, writeFiles } = require('./support/temp');

async function run(options, source = 'Ok') {
  const { stdout, stdio } = capture();
  const steps = [];
  const onProgress = (step) => steps.push(step.phase);
  const result = await new ConnectorRunner(options).run('d', 'r', configOf(source), {}, stdio, {
    onProgress,
  });
  return { result, steps, output: stdout.join('') };
}

function optionsOf(t, root) {
  return {
    connectorsPackage: root,
    storeDir: path.join(tempFolder(t), 'store'),
    runsDir: tempFolder(t),
  };
}

function edit(root, from, to) {
  const bundle = path.join(root, BUNDLE);
  const text = fs.readFileSync(bundle, 'utf8');
  assert.ok(text.includes(from));
  fs.writeFileSync(bundle, text.replaceAll(from, to));
}

/** Folder of the connectors package in the environment with this key. */
function installed({ storeDir }, key) {
  const environments = path.join(storeDir, 'v2/environments');
  const name = fs.readdirSync(environments).find((entry) => entry.startsWith(key));
  return path.join(environments, name, 'node_modules/@owox/connectors');
}

/** Files below a folder, without what is installed in it. */
function filesOf(folder) {
  const all = fs.readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = all.filter((entry) => entry.isFile());
  const names = files.map((entry) =>
    path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)),
  );
  return names.filter((name) => !name.startsWith('node_modules/')).sort();
}

/** What a connector sees of its environment, but for where that is. */
const LOOK = `run() {
  const version = (name) => require(name + '/package.json').version;
  const fails = (name) => { try { require(name); return 'found'; } catch (error) { return error.code; } };
  console.log(JSON.stringify({
    edit: 'EDIT',
    main: require('main'),
    sameModule: globalThis.shared === require('shared'),
    nested: require('nested'),
    peer: version('peer'),
    direct: version('leaf'),
    scoped: require('@scope/one'),
    beside: require('@owox/other'),
    self: require('@owox/connectors/package.json').name,
    undeclared: fails('nothing-of-this-name'),
    files: require('fs').readdirSync(__dirname + '/..').sort(),
    inPlace: require('fs').realpathSync(__filename) === __filename,
  }));
  return import('scoped-esm').then((module) => console.log(module.default));
}`;

describe('an edit of the connectors package', () => {
  it('has what npm install --install-links gives, in each isolation', async (t) => {
    const leaf = (version) => ({
      name: 'leaf',
      version,
      files: { 'index.js': `module.exports = '${version}';` },
    });
    const url = await registry(t, [
      {
        name: 'main',
        version: '1.0.0',
        dependencies: { leaf: '1.0.0' },
        peerDependencies: { peer: '2.0.0' },
        files: { 'index.js': "module.exports = ['main', require('leaf'), require('peer')];" },
      },
      leaf('1.0.0'),
      leaf('2.0.0'),
      {
        name: 'nested',
        version: '1.0.0',
        dependencies: { leaf: '2.0.0' },
        files: { 'index.js': "module.exports = ['nested', require('leaf')];" },
      },
      { name: 'peer', version: '2.0.0', files: { 'index.js': "module.exports = 'peer';" } },
      { name: 'shared', version: '1.0.0', files: { 'index.js': 'module.exports = {};' } },
      { name: '@scope/one', version: '1.0.0', files: { 'index.js': "module.exports = 'scoped';" } },
      {
        name: '@owox/other',
        version: '1.0.0',
        bin: { other: 'index.js' },
        files: { 'index.js': "module.exports = 'other';" },
      },
      {
        name: 'scoped-esm',
        version: '1.0.0',
        type: 'module',
        files: { 'index.js': "import leaf from 'leaf'; export default 'esm ' + leaf;" },
        dependencies: { leaf: '^1.0.0' },
      },
    ]);
    withVariables(t, npmVariables(url, tempFolder(t)));
    const shared = { name: 'shared', version: '1.0.0', global: ['shared'], global_is: true };
    const root = connectorsPackage(t, {
      sources: { Ok: LOOK },
      packageJson: {
        dependencies: {
          main: '^1.0.0',
          nested: '1',
          leaf: '1.0.0',
          '@scope/one': '1',
          '@owox/other': '1',
          'scoped-esm': '1',
        },
        peerDependencies: { peer: '2' },
        owox: { runnerDependencies: [shared] },
        bin: { mine: './dist/mine.js' },
        exports: undefined,
        main: './dist/index.cjs',
      },
      files: { 'dist/mine.js': '#!/usr/bin/env node\n', 'src/left-out.ts': '', 'README.md': '' },
    });
    const options = optionsOf(t, root);
    const first = await run(options);
    assert.deepEqual(first.steps, ['installing']);
    edit(root, 'EDIT', 'second');
    const second = await run(options);
    assert.deepEqual(second.steps, [], 'npm has not run');
    assert.equal(second.output, first.output.replace('EDIT', 'second'));
    assert.notEqual(second.result.environment.key, first.result.environment.key);

    const byNpm = await run({ ...options, store: 'off' });
    assert.equal(second.output, byNpm.output);
    const strict = await run({ ...options, isolation: 'strict' });
    assert.equal(strict.output, byNpm.output);
    const [before, after] = [first, second].map(({ result }) =>
      installed(options, result.environment.key),
    );
    assert.deepEqual(filesOf(after), filesOf(before));
    const bin = path.join(after, '../../.bin');
    assert.deepEqual(
      fs.readdirSync(bin).map((name) => [name, fs.statSync(path.join(bin, name)).mode & 0o100]),
      [
        ['mine', 0o100],
        ['other', 0o100],
      ],
    );
    edit(root, 'second', 'EDIT');
    const back = await run(options);
    assert.equal(back.result.environment.cached, true, 'what was taken back is there');
    const verified = await runScript('src/cli-wrapper.js', [
      'store',
      'verify',
      '--store',
      options.storeDir,
    ]);
    assert.match(verified.stdout, /^all 2 environments are intact$/m);
  });

  it('has the files that npm packs', async (t) => {
    const shapes = [
      { files: ['dist', 'lib/', '!dist/**/*.map', 'src/only.js', '*.{md,txt}'] },
      { files: ['dist/*', './lib/**/*.js'], main: 'src/only.js', bin: 'bin/run' },
      { files: undefined },
    ];
    for (const shape of shapes) {
      const root = connectorsPackage(t, {
        sources: { Ok: 'run() { console.log("EDIT"); }' },
        packageJson: { owox: { runnerDependencies: [] }, ...shape },
        files: {
          'dist/index.cjs.map': '',
          'dist/.gitignore': 'ignored.js\n',
          'dist/ignored.js': '',
          'lib/deep/a.js': '',
          'lib/deep/a.ts': '',
          'src/only.js': '',
          'src/other.js': '',
          'src/.npmignore': '*.js\n!only.js\n',
          'bin/run': '#!/bin/sh\n',
          '.gitignore': 'dist\n',
          '.npmignore': '/lib/**/*.ts\n*.txt\n',
          '.npmrc': '',
          'LICENSE.md': '',
          'notes.txt': '',
          'node_modules/x/index.js': '',
          'package-lock.json': {},
        },
      });
      fs.symlinkSync('only.js', path.join(root, 'src/link.js'));
      const options = optionsOf(t, root);
      await run(options);
      edit(root, 'EDIT', 'edited');
      fs.writeFileSync(path.join(root, 'lib/deep/new.js'), '');
      const { result, steps, output } = await run(options);
      assert.deepEqual([steps, output], [[], 'edited\n']);
      const [packed] = JSON.parse(
        execFileSync(
          'npm',
          ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'],
          {
            cwd: root,
            encoding: 'utf8',
          },
        ),
      );
      const expected = packed.files.map((file) => file.path).sort();
      assert.deepEqual(filesOf(installed(options, result.environment.key)), expected);
    }
  });

  it('shares nothing where another package needs the connectors package', async (t) => {
    const url = await registry(t, [
      {
        name: 'plugin',
        version: '1.0.0',
        peerDependencies: { '@owox/connectors': '*' },
        files: {
          'index.js': "module.exports = () => Object.keys(require('@owox/connectors').Connectors);",
        },
      },
    ]);
    withVariables(t, npmVariables(url, tempFolder(t)));
    const root = connectorsPackage(t, {
      sources: { Ok: "run() { console.log('EDIT', require('plugin')()); }" },
      packageJson: { dependencies: { plugin: '1' } },
    });
    const options = optionsOf(t, root);
    assert.equal((await run(options)).output, "EDIT [ 'Ok' ]\n");
    edit(root, 'EDIT', 'edited');
    const edited = await run(options);
    assert.deepEqual([edited.steps, edited.output], [['installing'], "edited [ 'Ok' ]\n"]);
  });

  it('never lets the store grow without bound, and takes no more than the package', async (t) => {
    const root = connectorsPackage(t, {
      sources: { Ok: 'run() { console.log("EDIT0;"); }' },
      files: { 'dist/large.js': `//${'x'.repeat(1_000_000)}` },
    });
    const options = optionsOf(t, root);
    const store = (...args) =>
      runScript('src/cli-wrapper.js', ['store', ...args, '--json', '--store', options.storeDir]);
    for (let number = 0; number < 12; number += 1) {
      const { output, steps } = await run(options);
      assert.deepEqual([output, steps], [`EDIT${number};\n`, number ? [] : ['installing']]);
      edit(root, `EDIT${number};`, `EDIT${number + 1};`);
    }
    await store('prune');
    const all = JSON.parse((await store('list')).stdout);
    assert.equal(all.length, 8);
    assert.equal(new Set(all.map(({ shared }) => shared)).size, 1);
    assert.ok(
      all.every(({ bytes }) => bytes < 1_100_000),
      JSON.stringify(all),
    );
    const used = await runScript('src/cli-wrapper.js', [
      'store',
      'du',
      '--store',
      options.storeDir,
    ]);
    assert.match(used.stdout, /packages of .*, shared with 7 other environments\n/);
    const young = JSON.parse((await store('prune', '--older-than', '1')).stdout);
    assert.equal(young.removed.length, 0);
    const old = JSON.parse((await store('prune', '--older-than', '0')).stdout);
    assert.equal(old.removed.length, 8);
    await store('prune', '--all');
    assert.deepEqual(fs.readdirSync(path.join(options.storeDir, 'v2/environments')), []);
    assert.deepEqual(fs.readdirSync(path.join(options.storeDir, 'v2/marks')), []);
  });

  it('does not hide damage of what is shared', async (t) => {
    const url = await registry(t, [
      { name: 'needed', version: '1.0.0', files: { 'index.js': 'module.exports = "needed";' } },
    ]);
    withVariables(t, npmVariables(url, tempFolder(t)));
    const root = connectorsPackage(t, {
      sources: { Ok: "run() { console.log('EDIT', require('needed')); }" },
      packageJson: { dependencies: { needed: '1' } },
    });
    const options = optionsOf(t, root);
    await run(options);
    edit(root, 'EDIT', 'edited');
    const { result } = await run(options);
    const file = path.join(installed(options, result.environment.key), '../../needed/index.js');
    const real = fs.realpathSync(file);
    fs.chmodSync(real, 0o644);
    fs.writeFileSync(real, 'module.exports = "damage";');
    fs.chmodSync(real, 0o444);
    const verify = () =>
      runScript('src/cli-wrapper.js', ['store', 'verify', '--store', options.storeDir]);
    const found = await verify();
    assert.match(found.stdout, /^0 of 2 environments are intact$/m);
    const healed = await run(options);
    assert.deepEqual([healed.steps, healed.output], [['installing'], 'edited needed\n']);
  });
});

describe('what npm does not pack', () => {
  it('is no part of an environment, and changes none', async (t) => {
    const sources = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`src/${at}.ts`, '']));
    const root = connectorsPackage(t, { files: sources });
    const options = optionsOf(t, root);
    await run(options);
    writeFiles(root, { 'src/0.ts': 'changed', 'docs/new.png': 'new' });
    const { result, steps } = await run(options);
    assert.deepEqual([result.environment.cached, steps], [true, []]);
  });
});
