'use strict';
// Writes small connectors packages that are laid out as the contract's section 8 expects, with the
// package.json of the real one: an ES module by type, `exports`, no `main`, one CommonJS bundle.

const path = require('node:path');

const { tempFolder, writeFiles } = require('./temp');

const CORE = `
class NodeJsConfig {
  constructor(json) { this.json = json; }
  getSourceName() { return this.json.source.name; }
  getStorageName() { return this.json.storage.name; }
}
class AbstractRunConfig {
  constructor(...given) { this.given = given; }
}
class AbstractConfig {}
const Core = { NodeJsConfig, AbstractRunConfig, AbstractConfig };
`;

/** What the published package has in its package.json. */
const SHAPE = {
  type: 'module',
  exports: { '.': { import: './dist/index.js', require: './dist/index.cjs' } },
  files: ['dist/**/*.js', 'dist/**/*.cjs'],
};

/** The bundle that is required. */
const BUNDLE = 'dist/index.cjs';

/** The manifest of a storage that needs nothing but node. */
const NODE_MANIFEST = { environment: { node: { enabled: true, dependencies: [] } } };

/** The text of one source: its connector's \`run\` is the given method, such as 'run() { … }'. */
function sourceText(name, run) {
  return `{
    ${name}Source: class ${name}Source { constructor(config) { this.config = config; } },
    ${name}Connector: class ${name}Connector {
      constructor(config, source, storageName, runConfig) {
        Object.assign(this, { config, source, storageName, runConfig });
      }
      ${run}
    },
  }`;
}

function storageText(name, manifest) {
  return `{ ${name}Storage: class ${name}Storage {}, manifest: ${JSON.stringify(manifest)} }`;
}

/**
 * Writes a connectors package and gives its folder.
 * @param {object} content
 * @param {Record<string, string>} content.sources source name → its connector's `run` method
 * @param {Record<string, object>} [content.storages] storage name → its manifest
 * @param {string} [content.before] code at the top of the package's bundle
 * @param {string} [content.after] code at its end; sees Core, Connectors, Storages
 * @param {object} [content.packageJson] more fields; without them, no default dependencies
 * @param {object} [content.files] more files
 */
function connectorsPackage(t, content = {}) {
  const { sources = { Ok: 'run() {}' }, storages = { Null: NODE_MANIFEST } } = content;
  const entries = (group, text) =>
    Object.entries(group).map(([name, given]) => `  ${name}: ${text(name, given)},\n`);
  const index = [
    content.before ?? '',
    CORE,
    `const Connectors = {\n${entries(sources, sourceText).join('')}};\n`,
    `const Storages = {\n${entries(storages, storageText).join('')}};\n`,
    content.after ?? '',
    'module.exports = { Core, Connectors, Storages };\n',
  ].join('\n');
  return writeFiles(path.join(tempFolder(t), 'package'), {
    'package.json': {
      name: '@test/connectors',
      version: '1.2.3',
      ...SHAPE,
      ...(content.packageJson ?? { owox: { runnerDependencies: [] } }),
    },
    [BUNDLE]: index,
    'dist/index.js': "throw new Error('a connectors package is never imported');\n",
    ...content.files,
  });
}

/** A configuration for a source of such a package. */
function configOf(source, parameters = {}, storage = 'Null') {
  return {
    datamartId: 'datamart',
    name: 'Test',
    source: { name: source, config: parameters },
    storage: { name: storage, config: {} },
  };
}

/** The environment with which a rendered main.js runs that source. */
function variablesOf(source, more = {}) {
  return { ...process.env, OW_CONFIG: JSON.stringify(configOf(source)), ...more };
}

module.exports = { BUNDLE, NODE_MANIFEST, SHAPE, configOf, connectorsPackage, variablesOf };
