'use strict';
// Contract, section 8: the rendered main.js, run in a child.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');

const { NodeJsTemplateRenderer } = require('@owox/connector-runner');
const { BUNDLE, SHAPE, configOf } = require('./support/connectors');
const { ended } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const OWOX = { name: '@owox/connectors', version: '*', global: ['OWOX'], global_is: true };
const renderer = new NodeJsTemplateRenderer();

/** A package with these members, and a source `S` whose run() is the given text. */
const connectors = (run, { before = '', core = '', storages = '', sources = '' } = {}) => `
  ${before}
  const Core = {
    NodeJsConfig: class NodeJsConfig {
      constructor(json) { this.json = json; }
      getSourceName() { return this.json.source.name; }
      getStorageName() { return this.json.storage.name; }
    },
    AbstractRunConfig: class AbstractRunConfig {
      constructor(...given) { this.given = given; }
    },
    ${core}
  };
  const Storages = { Null: { NullStorage: class NullStorage {} }, ${storages} };
  const Connectors = {
    S: {
      SSource: class SSource { constructor(...given) { this.given = given; } },
      SConnector: class SConnector {
        constructor(...given) { this.given = given; }
        ${run}
      },
    },
    ${sources}
  };
  module.exports = { Core, Storages, Connectors };`;

/** Renders, runs and gives what came out. */
async function play(t, index, { dependencies = [], modules = {}, env = {}, source = 'S' } = {}) {
  const files = { 'main.js': renderer.render([OWOX, ...dependencies]) };
  files[`node_modules/@owox/connectors/package.json`] = SHAPE;
  files[`node_modules/@owox/connectors/${BUNDLE}`] = index;
  for (const [name, text] of Object.entries(modules)) {
    files[`node_modules/${name}/index.js`] = text;
  }
  const cwd = writeFiles(tempFolder(t), files);
  const variables = { OW_CONFIG: JSON.stringify(configOf(source)), ...env };
  return ended(
    spawn(process.execPath, ['main.js'], {
      cwd,
      env: variables,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

const print = (expression) => `run() { console.log(JSON.stringify(${expression})); }`;

/** What the connector printed; fails when the script did. */
async function printed(...given) {
  const { code, stdout, stderr } = await play(...given);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

test('the connector is built from config, source, the storage’s name and run config', async (t) => {
  const expression = `[
    this.given.length,
    this.given[0] instanceof NodeJsConfig,
    this.given[1] instanceof SSource,
    this.given[1].given[0] === this.given[0],
    this.given[2],
    this.given[3] instanceof AbstractRunConfig,
    this.given[3].given,
  ]`;
  const env = { OW_RUN_CONFIG: '{"type":"FULL_REFRESH"}' };
  const facts = await printed(t, connectors(print(expression)), { env });
  assert.deepEqual(facts, [4, true, true, true, 'NullStorage', true, [{ type: 'FULL_REFRESH' }]]);
});

for (const env of [{}, { OW_RUN_CONFIG: '' }]) {
  test(`without OW_RUN_CONFIG (${JSON.stringify(env)}) the run config gets no argument`, async (t) => {
    assert.deepEqual(await printed(t, connectors(print('this.given[3].given')), { env }), []);
  });
}

test('everything up to run() is synchronous: no microtask or tick runs before it', async (t) => {
  const before = `
    globalThis.ran = [];
    Promise.resolve().then(() => ran.push('microtask'));
    queueMicrotask(() => ran.push('queued'));
    process.nextTick(() => ran.push('tick'));
    setImmediate(() => ran.push('immediate'));`;
  const run = `async run() {
    const early = [...ran];
    await new Promise((resolve) => setTimeout(resolve, 10));
    console.log(JSON.stringify({ early, late: ran.length }));
  }`;
  assert.deepEqual(await printed(t, connectors(run, { before })), { early: [], late: 4 });
});

test('run() may block on the event loop’s behalf: its stack has no promise below it', async (t) => {
  const run = `run() { console.log(JSON.stringify(new Error().stack)); }`;
  const stack = await printed(t, connectors(run));
  assert.doesNotMatch(stack, /async |processTicksAndRejections|runMicrotasks/);
});

test('globals: members of Core, then storages and theirs, then connectors and theirs', async (t) => {
  const more = {
    core: `Shared: 'core', OnlyCore: 1, Twice: 'core',`,
    storages: `Store: { Shared: 'storage', OnlyStore: 2, Member: 'storage' },`,
    sources: `Conn: { Shared: 'connector', OnlyConn: 3, Member: 'connector' }, Twice: { x: 1 },`,
  };
  const expression = `[
    Shared, OnlyCore, OnlyStore, OnlyConn, Member, Twice,
    typeof Store, typeof NullStorage, typeof Null, typeof S, typeof SSource, typeof OWOX,
    globalThis.Shared,
  ]`;
  assert.deepEqual(await printed(t, connectors(print(expression), more)), [
    'connector',
    1,
    2,
    3,
    'connector',
    { x: 1 },
    ...['object', 'function', 'object', 'object', 'function', 'object'],
    'connector',
  ]);
});

const dependency = (name, global, more) => ({ name, version: '1.0.0', global, ...more });

test('dependencies: the module itself, its properties, and a single name that falls back', async (t) => {
  const modules = {
    itself: `module.exports = { i: 1, itself: 'not this' };`,
    members: `module.exports = { One: 1, Two: 2 };`,
    single: `module.exports = { Single: 'property' };`,
    'snowflake-sdk': `module.exports = { createConnection: 1 };`,
    fn: `module.exports = () => 'called';`,
    '@scope/deep': `exports.Deep = 'deep';`,
  };
  const dependencies = [
    dependency('itself', ['itself'], { global_is: true }),
    dependency('members', ['One', 'Two', 'Three']),
    dependency('single', ['Single']),
    dependency('snowflake-sdk', ['snowflake'], { global_is: false }),
    dependency('fn', ['fn']),
    dependency('@scope/deep', ['Deep']),
  ];
  const expression = `[
    itself, One, Two, typeof Three, Single, snowflake, fn(), Deep
  ]`;
  const facts = await printed(t, connectors(print(expression)), { dependencies, modules });
  const expected = [{ i: 1, itself: 'not this' }, 1, 2, 'undefined', 'property'];
  assert.deepEqual(facts, [...expected, { createConnection: 1 }, 'called', 'deep']);
});

test('of two dependencies with one global name the later wins', async (t) => {
  const modules = { one: `exports.x = 'one'`, two: `exports.x = 'two'` };
  const dependencies = [dependency('one', ['x']), dependency('two', ['x'])];
  assert.equal(await printed(t, connectors(print('x')), { dependencies, modules }), 'two');
});

test('modules are loaded at first use, and can be set like any other global', async (t) => {
  const modules = {
    lazy: `globalThis.loaded = (globalThis.loaded ?? 0) + 1; module.exports = { v: 1 };`,
    replaced: `throw new Error('loaded although it was replaced');`,
  };
  const dependencies = [
    dependency('lazy', ['lazy'], { global_is: true }),
    dependency('replaced', ['replaced'], { global_is: true }),
  ];
  const run = `run() {
    const before = globalThis.loaded ?? 0;
    replaced = 'mine';
    const [one, two] = [lazy, lazy];
    console.log(JSON.stringify([before, one === two, globalThis.loaded, replaced]));
  }`;
  const facts = await printed(t, connectors(run), { dependencies, modules });
  assert.deepEqual(facts, [0, true, 1, 'mine']);
});

test('a package that does not resolve fails at start, before run()', async (t) => {
  const dependencies = [dependency('is-missing', ['missing'], { global_is: true })];
  const { code, stdout, stderr } = await play(t, connectors(print('1')), { dependencies });
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, /is-missing/);
});

test('a module that fails to load fails at its use only', async (t) => {
  const modules = { broken: `throw new Error('broken inside')` };
  const dependencies = [dependency('broken', ['broken'], { global_is: true })];
  assert.equal(await printed(t, connectors(print('1')), { dependencies, modules }), 1);
  const { code, stderr } = await play(t, connectors(print('broken')), { dependencies, modules });
  assert.equal(code, 1);
  assert.match(stderr, /broken inside/);
});

test('sources and storages that are missing are named', async (t) => {
  const missing = await play(t, connectors(print('1')), { source: 'Nope' });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /Source class Nope not found/);
  const env = { OW_CONFIG: JSON.stringify(configOf('S', {}, 'Gone')) };
  const storage = await play(t, connectors(print('1')), { env });
  assert.equal(storage.code, 1);
  assert.match(storage.stderr, /Storage class Gone not found/);
});

test('it is CommonJS also below a package of type module, and keeps its file name', async (t) => {
  const expression = `[require.main.filename.split('/').pop(), typeof globalThis.require]`;
  const [name] = await printed(t, connectors(print(expression)));
  assert.equal(name, 'main.js');
  assert.equal(path.extname(name), '.js');
});

const HOSTILE_NAMES = ["x');process.exit(0)//", '../x', 'a b', '', 'a/b', '@a', '.x', 'x\n', 'x`'];
const HOSTILE_GLOBALS = ['x;process.exit()', 'a.b', '', '1a', 'a b', "x']", '__proto__', 'x\u2028'];
test('names that are no npm names or identifiers are refused, never pasted', () => {
  for (const name of HOSTILE_NAMES) {
    assert.throws(() => renderer.render([dependency(name, ['ok'])]), Error, name);
  }
  for (const name of HOSTILE_GLOBALS) {
    const render = () => renderer.render([dependency('ok', [name])]);
    assert.throws(render, { constructor: Error, code: 'INVALID_CONFIG' }, name);
  }
  for (const odd of ['text', {}, [null], [1], [{}], [{ version: '1', global: ['x'] }]]) {
    assert.throws(() => renderer.render(odd), Error, JSON.stringify(odd));
  }
});

test('rendering does not depend on what else a dependency holds', () => {
  const script = renderer.render([OWOX]);
  assert.equal(typeof script, 'string');
  assert.equal(renderer.render([{ ...OWOX, version: 'file:/x`${y}', extra: '</script>' }]), script);
});
