'use strict';
// A connectors package is loaded as Node's own `require` loads it from a host: what has been read of
// it, what is installed and what a run loads are the same entry of the same package.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, describe, it } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf } = require('./support/connectors');
const { runScript } = require('./support/host');
const { capture } = require('./support/output');
const { tempFolder, writeFiles } = require('./support/temp');

/** A source named after the file that it is in, which it prints. */
const members = (name) => `
  class NodeJsConfig {
    constructor(json) { this.json = json; }
    getSourceName() { return this.json.source.name; }
    getStorageName() { return this.json.storage.name; }
  }
  const Core = { NodeJsConfig, AbstractRunConfig: class {}, AbstractConfig: class {} };
  const Connectors = { ${name}: {
    ${name}Source: class {},
    ${name}Connector: class { run() { console.log('${name} runs'); } },
  } };
  const manifest = { environment: { node: { enabled: true } } };
  const Storages = { Null: { NullStorage: class {}, manifest } };`;
const cjs = (name) => `${members(name)}\nmodule.exports = { Core, Connectors, Storages };\n`;
const esm = (name) => `${members(name)}\nexport { Core, Connectors, Storages };\n`;
const wrong = "throw new Error('this is not the entry');\n";

const named = { name: '@test/shape', version: '1.0.0' };

/** Shapes of packages: what is in package.json, and the files. The source `S` has to be found. */
const SHAPES = {
  'exports with a require condition, as published': {
    manifest: {
      ...named,
      type: 'module',
      exports: { '.': { import: './dist/index.js', require: './dist/index.cjs' } },
      files: ['dist/**/*.js', 'dist/**/*.cjs'],
    },
    files: { 'dist/index.js': wrong, 'dist/index.cjs': cjs('S') },
  },
  'exports, and a main that is another file': {
    manifest: { ...named, main: 'main.js', exports: { require: './right.js' } },
    files: { 'main.js': wrong, 'index.js': wrong, 'right.js': cjs('S') },
  },
  'conditions in conditions, in the order of the package': {
    manifest: {
      ...named,
      exports: {
        '.': [
          {
            browser: './wrong.js',
            import: './wrong.js',
            node: { import: './wrong.js', 'never-set': './wrong.js', require: './deep/right.cjs' },
            default: './wrong.js',
          },
        ],
        './*': './wrong.js',
      },
    },
    files: { 'wrong.js': wrong, 'deep/right.cjs': cjs('S') },
  },
  'exports that are one file': {
    manifest: { ...named, exports: './right.cjs' },
    files: { 'index.js': wrong, 'right.cjs': cjs('S') },
  },
  'main without an ending': {
    manifest: { ...named, main: './lib/right' },
    files: { 'index.js': wrong, 'lib/right.js': cjs('S') },
  },
  'main that is a folder': {
    manifest: { ...named, main: 'lib' },
    files: { 'lib/index.js': cjs('S') },
  },
  'main that is not there, and index.js': {
    manifest: { ...named, main: 'gone.js' },
    files: { 'index.js': cjs('S') },
    warning: 'DEP0128',
  },
  'index.js alone': { manifest: named, files: { 'index.js': cjs('S') } },
  'exports, and no name or version': {
    manifest: { exports: { '.': { require: './right.cjs' } } },
    files: { 'right.cjs': cjs('S') },
  },
  'exports, and the name of a module of Node.js': {
    manifest: { name: 'stream', version: '1.0.0', exports: { '.': { require: './right.cjs' } } },
    files: { 'right.cjs': cjs('S') },
  },
};

const env = { ...process.env };
delete env.OWOX_CONNECTORS_PACKAGE;
const storeDir = tempFolder({ after });

/** Writes a package of this shape, and gives its folder. */
function packageOf(t, { manifest, files }) {
  // nothing else has to be installed
  const whole = { ...manifest, owox: { runnerDependencies: [] } };
  return writeFiles(path.join(tempFolder(t), 'package'), { 'package.json': whole, ...files });
}

/** What `spec --json` lists, or its error. */
async function listed(connectors, options = {}) {
  const args = ['spec', '--json', '--connectors', connectors];
  const { stdout, stderr } = await runScript('src/cli-wrapper.js', args, { env, ...options });
  const answer = JSON.parse(stdout);
  return answer.error ?? { sources: answer.sources.map(({ name }) => name), stderr };
}

/** The outcome of a run of `S`. */
async function run(t, connectorsPackage) {
  const { stdout, stderr, stdio } = capture();
  const runner = new ConnectorRunner({ connectorsPackage, storeDir, runsDir: tempFolder(t) });
  const config = new Config(configOf('S'));
  const error = await runner
    .run('d', 'r', config, new RunConfig({}), stdio)
    .then(() => {})
    .catch((caught) => caught);
  return { error, stdout: stdout.join(''), stderr: stderr.join('') };
}

describe('what Node.js can require', () => {
  for (const [name, shape] of Object.entries(SHAPES)) {
    it(name, async (t) => {
      const folder = packageOf(t, shape);
      const { sources, message } = await listed(folder);
      assert.deepEqual(sources, ['S'], message);
      const { error, stdout, stderr } = await run(t, folder);
      assert.deepEqual({ error, stdout }, { error: undefined, stdout: 'S runs\n' });
      if (!shape.warning || !stderr.includes(shape.warning)) assert.equal(stderr, '');
    });
  }

  it('leaves nothing behind, and no file of the same name beside the folder is meant', async (t) => {
    const folder = packageOf(t, SHAPES['index.js alone']);
    fs.writeFileSync(`${folder}.js`, wrong);
    fs.writeFileSync(`${folder}.json`, '{}');
    const temporary = tempFolder(t);
    const { sources } = await listed(folder, { env: { ...env, TMPDIR: temporary } });
    assert.deepEqual(sources, ['S']);
    assert.deepEqual(fs.readdirSync(temporary), []);
  });
});

describe('a package without an entry says what was tried', () => {
  const refused = async (t, manifest, files = {}) => {
    const folder = packageOf(t, { manifest: { ...named, ...manifest }, files });
    const { code, message } = await listed(folder);
    assert.equal(code, 'CONNECTORS_NOT_FOUND');
    assert.ok(message.includes(folder), message);
    assert.doesNotMatch(message, /owox-run-/, 'no path of the runner’s own');
    const { error, stdout } = await run(t, folder);
    assert.deepEqual([error.code, stdout], ['CONNECTORS_NOT_FOUND', '']);
    return message;
  };
  const version = new RegExp(`Node\\.js ${process.version.replaceAll('.', '\\.')}`);

  it('exports for import alone', async (t) => {
    const exports = { '.': { import: './index.js' } };
    const message = await refused(t, { type: 'module', exports }, { 'index.js': esm('S') });
    assert.match(message, version);
    assert.ok(message.includes(JSON.stringify(exports)) && message.includes('"require"'), message);
  });

  it('exports without "."', async (t) => {
    const message = await refused(t, { exports: { './runner': './i.cjs' } }, { 'i.cjs': cjs('S') });
    assert.match(message, /\.\/runner/);
  });

  it('exports of a file that is not there', async (t) => {
    const message = await refused(t, { exports: { require: './gone.cjs' } }, { 'index.js': wrong });
    assert.match(message, /gone\.cjs.*not there/);
  });

  it('no main, no index.js', async (t) => {
    assert.match(await refused(t, {}), /no "main".*index\.js/);
    assert.match(await refused(t, { main: 'gone.js' }), /"main" "gone\.js".*index\.js/);
  });

  it('an entry that exports something else', async (t) => {
    const files = { 'index.js': 'module.exports = { default: {}, helper() {} };' };
    assert.match(
      await refused(t, {}, files),
      /neither Connectors nor Storages, but default, helper/,
    );
  });

  it('an entry that lacks a package', async (t) => {
    const files = { 'index.js': "require('needed-and-not-there');" };
    assert.match(await refused(t, {}, files), /Cannot find module 'needed-and-not-there'/);
  });
});

describe('an ES module', () => {
  const canRequire = process.features.require_module === true;
  const manifest = { ...named, type: 'module', exports: './index.js' };

  it('loads where Node.js can require it, without a warning, and else the version is named', async (t) => {
    const folder = packageOf(t, { manifest, files: { 'index.js': esm('S') } });
    const { sources, message } = await listed(folder);
    const { error, stdout, stderr } = await run(t, folder);
    if (canRequire) {
      assert.deepEqual(sources, ['S'], message);
      assert.deepEqual(
        { error, stdout, stderr },
        { error: undefined, stdout: 'S runs\n', stderr: '' },
      );
    } else {
      assert.equal(error.code, 'CONNECTORS_NOT_FOUND');
      assert.ok(message.includes(`Node.js ${process.version}`), message);
      assert.match(message, /is an ES module.*20\.19, 22\.12/);
    }
  });

  it(
    'loads below a CommonJS entry and as a dependency of it, without a warning',
    {
      skip: !canRequire && `Node.js ${process.version} cannot require ES modules`,
    },
    async (t) => {
      const folder = packageOf(t, {
        manifest: { ...named, exports: { require: './index.cjs' } },
        files: { 'index.cjs': "module.exports = require('./right.mjs');", 'right.mjs': esm('S') },
      });
      assert.deepEqual((await listed(folder)).sources, ['S']);
      const { error, stdout, stderr } = await run(t, folder);
      assert.deepEqual(
        { error, stdout, stderr },
        { error: undefined, stdout: 'S runs\n', stderr: '' },
      );
    },
  );

  it('that awaits at its top level is an error that says why', async (t) => {
    const files = { 'index.js': `await null;\n${esm('S')}` };
    const folder = packageOf(t, { manifest, files });
    const { code, message } = await listed(folder);
    assert.equal(code, 'CONNECTORS_NOT_FOUND');
    assert.ok(message.includes(`Node.js ${process.version}`), message);
    assert.match(message, canRequire ? /awaits at its top level.*run\(\)/ : /is an ES module/);
  });

  it('that only the run cannot require is an error that names the version', async (t) => {
    const folder = packageOf(t, {
      manifest: { ...named, exports: { require: './index.cjs' } },
      files: {
        'index.cjs': cjs('S').replace("console.log('S runs')", "require('./late.mjs')"),
        'late.mjs': 'await null;',
      },
    });
    const { error, stderr } = await run(t, folder);
    assert.equal(error.code, 'CONNECTOR_FAILED');
    assert.ok(stderr.includes(`Node.js ${process.version} cannot load it`), stderr);
  });
});
