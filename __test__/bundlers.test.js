'use strict';
// Hosts that are bundled: what is wrong is said, and what docs/bundlers.md has works.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const esbuild = require('esbuild');
const webpack = require('webpack');

const { root } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const NAME = '@owox/connector-runner';
const USE = `console.log('loaded', new ConnectorRunner() instanceof ConnectorRunner);`;

/** A host's project that has the package installed. */
function project(t) {
  const folder = writeFiles(fs.realpathSync(tempFolder(t)), {
    'package.json': { name: 'host', version: '1.0.0' },
    'main.js': `const { ConnectorRunner } = require('${NAME}');\n${USE}`,
    'main.mjs': `import { ConnectorRunner } from '${NAME}';\n${USE}`,
  });
  fs.mkdirSync(path.join(folder, 'node_modules', '@owox'), { recursive: true });
  fs.symlinkSync(root, path.join(folder, 'node_modules', NAME));
  return folder;
}

/** Bundlers: each makes a file of an entry, and leaves out what is named. */
const BUNDLERS = {
  'esbuild, CommonJS': (folder, external) => {
    const outfile = path.join(folder, 'dist', 'main.js');
    const common = { bundle: true, platform: 'node', logLevel: 'silent', external, outfile };
    esbuild.buildSync({ ...common, entryPoints: [path.join(folder, 'main.js')] });
    return outfile;
  },
  'esbuild, ES module': (folder, external) => {
    const outfile = path.join(folder, 'dist', 'main.mjs');
    const common = { bundle: true, platform: 'node', logLevel: 'silent', external, outfile };
    esbuild.buildSync({ ...common, format: 'esm', entryPoints: [path.join(folder, 'main.mjs')] });
    return outfile;
  },
  webpack: async (folder, external) => {
    const compiler = webpack({
      mode: 'production',
      target: 'node',
      context: folder,
      entry: './main.js',
      externals: Object.fromEntries(external.map((name) => [name, `commonjs ${name}`])),
      output: { path: path.join(folder, 'dist'), filename: 'main.js' },
    });
    const stats = await new Promise((resolve, reject) => {
      compiler.run((error, done) => (error ? reject(error) : resolve(done)));
    });
    assert.deepEqual(stats.toJson().errors, []);
    return path.join(folder, 'dist', 'main.js');
  },
};

for (const [name, bundle] of Object.entries(BUNDLERS)) {
  test(`${name}: bundled, it says that it is, and what to write`, async (t) => {
    const file = await bundle(project(t), []);
    const { status, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    assert.equal(status, 1);
    // before it Node.js shows the line of the bundle
    const said = stderr.split('\n').find((line) => line.startsWith('Error: @owox'));
    assert.match(said, /was bundled, and cannot find its native addon/);
    assert.match(said, /externals: \{ '@owox\/connector-runner': 'commonjs /);
    assert.match(stderr, /code: 'NATIVE_MISSING'/);
  });

  test(`${name}: left out of the bundle, it works`, async (t) => {
    const file = await bundle(project(t), [NAME]);
    const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    assert.equal(stdout, 'loaded true\n', stderr);
  });
}

test('a prebuilt package that a bundle finds does not make it whole', (t) => {
  const folder = project(t);
  const file = BUNDLERS['esbuild, CommonJS'](folder, []);
  const platform = fs
    .readdirSync(path.join(root, 'npm'))
    .find((entry) =>
      fs.existsSync(path.join(root, 'npm', entry, `connector-runner.${entry}.node`)),
    );
  const installed = path.join(folder, 'node_modules', '@owox', `connector-runner-${platform}`);
  fs.symlinkSync(path.join(root, 'npm', platform), installed);
  const { stderr } = spawnSync(process.execPath, ['--preserve-symlinks', file], {
    encoding: 'utf8',
  });
  assert.match(stderr, /was bundled/);
});
