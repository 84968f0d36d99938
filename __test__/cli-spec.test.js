'use strict';
// `spec`: what a connectors package has, for people, programs and editors.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { after, test } = require('node:test');

const { NODE_MANIFEST, connectorsPackage } = require('./support/connectors');
const { root, runScript } = require('./support/host');
const { needs } = require('./support/machine');
const { until } = require('./support/processes');
const { tempFolder, writeFiles } = require('./support/temp');

const parameters = {
  Zone: { type: 'string', required: true, description: 'Which zone' },
  Days: { type: 'number', default: 2, minimum: 1 },
  Token: { type: 'string', secret: true },
  Auth: { oneOf: [{ value: 'key', items: { Key: { type: 'string', required: true } } }] },
};
const manifest = { title: 'Weather', logo: 'data:image/png;base64,AAAA', parameters };
const package_ = connectorsPackage(
  { after },
  {
    sources: { Weather: 'run() {}', Bare: 'run() {}' },
    storages: { Null: NODE_MANIFEST },
    after: `Connectors.Weather.manifest = ${JSON.stringify(manifest)};`,
  },
);
const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: package_ };
const spec = (...args) => runScript('src/cli-wrapper.js', ['spec', ...args], { env });

test('the list', async () => {
  const { stdout, code } = await spec();
  assert.equal(code, 0);
  assert.equal(
    stdout,
    '@test/connectors 1.2.3\n\nSources\n  Bare\n  Weather  Weather\n\nStorages\n  Null\n\n' +
      'Parameters of one: connector-runner spec NAME\n',
  );
});

test('one source: what is needed comes first; no logo', async () => {
  const { stdout } = await spec('Weather');
  assert.equal(
    stdout,
    'Weather (source)\nWeather\n\n' +
      '  Zone  string, required\n      Which zone\n' +
      '  Auth  choice\n      choice key\n        Key  string, required\n' +
      '  Days  number, default 2, 1 or more\n' +
      '  Token  string, secret\n',
  );
  assert.match((await spec('Bare')).stdout, /does not declare parameters/);
});

test('JSON, and a name with a slip of the pen', async () => {
  const all = JSON.parse((await spec('--json')).stdout);
  assert.deepEqual(
    all.sources.map(({ name }) => name),
    ['Bare', 'Weather'],
  );
  const one = JSON.parse((await spec('Weather', '--json')).stdout);
  assert.deepEqual([one.kind, one.title], ['source', 'Weather']);
  assert.deepEqual(one.parameters.Days, {
    type: 'number',
    required: false,
    secret: false,
    default: 2,
    minimum: 1,
  });
  assert.equal(JSON.stringify(one).includes('base64'), false);
  const { stderr, code } = await spec('Wether');
  assert.equal(code, 1);
  assert.match(stderr, /did you mean Weather\?/);
});

test('the schema accepts what runs and refuses what does not', async () => {
  const Ajv = createRequire(require.resolve('eslint'))('ajv');
  const { stdout } = await spec('--schema');
  const validate = new Ajv({ strict: false }).compile(JSON.parse(stdout));
  const config = (given, storage = 'Null') => ({
    $schema: './schema.json',
    name: 'x',
    source: { name: 'Weather', config: given },
    storage: { name: storage, config: {} },
  });
  for (const given of [
    { Zone: 'x' },
    { Zone: { value: 'x' }, Days: '7', Token: 't' },
    { Zone: 'x', Days: 7, Auth: { key: { Key: 'k' } } },
  ]) {
    assert.equal(validate(config(given)), true, JSON.stringify(validate.errors));
  }
  assert.equal(validate(config({ Zone: 'x' }, 'GOOGLE_BIGQUERY')), true);
  for (const given of [
    {},
    { Zone: 'x', Dayz: 1 },
    { Zone: 'x', Days: 0 },
    { Zone: 'x', Auth: { other: {} } },
    { Zone: 'x', Auth: { key: {} } },
  ]) {
    assert.equal(validate(config(given)), false, JSON.stringify(given));
  }
  const real = await runScript('src/cli-wrapper.js', ['spec', '--schema'], {
    env: { ...env, OWOX_CONNECTORS_PACKAGE: path.join(root, 'packages/connectors') },
  });
  const example = JSON.parse(fs.readFileSync(path.join(root, 'examples/quickstart.json'), 'utf8'));
  const ofReal = new Ajv({ strict: false }).compile(JSON.parse(real.stdout));
  assert.equal(ofReal(example), true, JSON.stringify(ofReal.errors));
});

test('a file beside the package that has its name is not taken for it', async (t) => {
  const folder = connectorsPackage(t, { sources: { Weather: 'run() {}' } });
  fs.writeFileSync(`${folder}.json`, '{}');
  const { stdout } = await spec('--connectors', folder);
  assert.match(stdout, /^ {2}Weather$/m);
});

test('the schema that the examples name is that of the reference package', async () => {
  const file = path.join(root, 'packages', 'connectors', 'config.schema.json');
  const { stdout } = await spec('--schema', '--connectors', path.dirname(file));
  const isFresh = fs.readFileSync(file, 'utf8') === stdout;
  if (process.env.UPDATE_SNAPSHOTS && !isFresh) fs.writeFileSync(file, stdout);
  const advice = 'the manifests have changed: UPDATE_SNAPSHOTS=1 writes it anew';
  assert.ok(isFresh || process.env.UPDATE_SNAPSHOTS, `${file}: ${advice}`);
  for (const name of ['quickstart.json', 'http-json.json']) {
    const example = path.join(root, 'examples', name);
    const { $schema } = JSON.parse(fs.readFileSync(example, 'utf8'));
    assert.equal(path.resolve(path.dirname(example), $schema), file, name);
    const { stdout: checked } = await runScript('src/cli-wrapper.js', ['check', example], {
      env: { ...process.env, OWOX_CONNECTORS_PACKAGE: path.dirname(file) },
    });
    assert.match(checked, /is fine/, name);
  }
});

test('a second command reads what the first has remembered, unless others could have written it', async (t) => {
  const store = tempFolder(t);
  const variables = { ...process.env, OWOX_RUNNER_STORE: store };
  const args = ['spec', '--connectors', path.join(root, 'packages', 'connectors')];
  const read = async () => (await runScript('src/cli-wrapper.js', args, { env: variables })).stdout;
  // files that were written just now are not believed to be settled
  const isRemembered = () => fs.existsSync(path.join(store, 'catalogs'));
  const first = await until(
    async () => {
      const text = await read();
      return isRemembered() && fs.readdirSync(path.join(store, 'catalogs')).length > 0 && text;
    },
    'the catalog is remembered',
    60_000,
  );
  assert.match(first, /CsvFile/);
  const [name] = fs.readdirSync(path.join(store, 'catalogs'));
  const file = path.join(store, 'catalogs', name);
  fs.writeFileSync(file, '{"sources":{"Remembered":null},"storages":{}}');
  assert.match(await read(), /Remembered/);
  fs.chmodSync(file, 0o666);
  assert.equal(await read(), first);
});

/** A package in the manner of 0.11: parameters are only in its classes. */
function olderPackage(t, before = '') {
  return connectorsPackage(t, {
    sources: { Ads: 'run() {}', Stubborn: 'run() {}' },
    storages: { Null: NODE_MANIFEST, Warehouse: NODE_MANIFEST },
    before,
    after: `
      Core.AbstractConfig = class { mergeParameters(given) { Object.assign(this, given); return this; } };
      Core.AbstractSource = class { constructor(config) { this.config = config; } };
      Connectors.Ads.AdsSource = class extends Core.AbstractSource {
        constructor(config) {
          super(config.mergeParameters({
            Account: { isRequired: true, requiredType: 'string', label: 'Account', description: 'Whose ads' },
            Token: { requiredType: 'string', attributes: ['secret'] },
            Days: { requiredType: 'number', isRequired: true, default: 2 },
            Auth: { oneOf: [{ label: 'Key', value: 'key', items: { Key: { requiredType: 'string', isRequired: true } } }] },
          }));
          if (!(this instanceof AbstractSource)) throw new Error('members of Core are global');
        }
      };
      Connectors.Stubborn.StubbornSource = class { constructor() { throw new Error('no'); } };
      Storages.Warehouse.WarehouseStorage = class {
        constructor(config) {
          config.mergeParameters({ Project: { isRequired: true, requiredType: 'string' } });
          for (;;) ; // it would connect
        }
      };`,
  });
}

test('parameters that no manifest declares are found in the classes', async (t) => {
  const folder = olderPackage(t);
  const { stdout } = await spec('Ads', '--connectors', folder);
  assert.equal(
    stdout,
    'Ads (source)\n\n  Account  string, required\n      Whose ads\n' +
      '  Auth  choice\n      choice key\n        Key  string, required\n' +
      '  Days  number, default 2\n  Token  string, secret\n\n' +
      'Found in its classes, since its manifest declares none; there may be others.\n',
  );
  const storage = await spec('Warehouse', '--connectors', folder);
  assert.match(storage.stdout, /^ {2}Project {2}string, required$/m);
  assert.match((await spec('Stubborn', '--connectors', folder)).stdout, /does not declare/);

  const cwd = writeFiles(tempFolder(t), {
    'config.json': {
      name: 'x',
      source: { name: 'Ads', config: { Acount: 'a', Auth: { key: {} } } },
      storage: { name: 'Warehouse', config: { Project: 'p' } },
    },
  });
  const args = ['check', 'config.json', '--json', '--connectors', folder];
  const checked = await runScript('src/cli-wrapper.js', args, { cwd, env });
  const findings = JSON.parse(checked.stdout).findings.map((one) => `${one.severity} ${one.path}`);
  assert.deepEqual(findings, [
    'warning source.config.Acount',
    'error source.config.Auth.key.Key',
    'error source.config.Account',
  ]);
});

/** Storages in the manner of 0.31, and what they do to a configuration before they name parameters. */
function curiousPackage(t) {
  const before = {
    Plain: `const [project, dataset] = config.DestinationDatasetID.value.split('.');`,
    Template:
      'const project = `${config.A.value}-${config.B}`; const dataset = "" + config.C.value.trim();',
    Arithmetic: `const project = config.Max.value * 2 + (config.Max - 1); const dataset = -config.N.value;`,
    Iterates: `const project = [...config.Fields.value, ...config.Other.value.map((x) => x.name)];
      for (const field of config.Fields) field.name.toUpperCase();
      for (let i = 0; i < config.Fields.value.length; i += 1); const dataset = Object.keys(config.X);`,
    Calls: `const project = new config.Client.value(config.Key()).open({ a: 1 })?.[0]; const dataset = config.a.b.c.d();`,
    Json: `const project = JSON.parse(JSON.stringify(config.A.value) || '""'); const dataset = String(config.B.value);
      if (typeof config.setParametersValues !== 'function') throw new Error('no configuration');
      if (!(config instanceof Core.AbstractConfig) || config.then) throw new Error('odd');`,
  };
  const storages = Object.keys(before);
  return connectorsPackage(t, {
    sources: { Ads: 'run() {}' },
    storages: Object.fromEntries(storages.map((name) => [name, NODE_MANIFEST])),
    after: `
      Core.AbstractConfig = class {
        #own = new Set();
        mergeParameters(given) { Object.assign(this, given); this.#own.add(given); return this; }
        setParametersValues() { return this.#own.size; }
      };
      Core.AbstractStorage = class { constructor(config, keys, schema) { this.keys = keys.concat(Object.keys(schema)); } };
      ${storages
        .map(
          (name) => `Storages.${name}.${name}Storage = class extends Core.AbstractStorage {
        constructor(config, keys, schema) {
          ${before[name]}
          super(config.mergeParameters({
            DestinationDatasetID: { isRequired: true, requiredType: 'string' },
            DestinationTableName: { isRequired: true, requiredType: 'string' },
            'Location*': { requiredType: 'string' },
            ProjectID: { isRequired: true, value: project ?? '' },
            DatasetName: { isRequired: true, value: dataset, default: dataset },
            MaxBufferSize: { isRequired: true, default: 250 },
          }), keys, schema);
          for (;;) ; // it would connect
        }
      };`,
        )
        .join('\n')}`,
  });
}

test('parameters of storages that read the configuration first are found', async (t) => {
  const folder = curiousPackage(t);
  for (const name of ['Plain', 'Template', 'Arithmetic', 'Iterates', 'Calls', 'Json']) {
    const { stdout } = await spec(name, '--connectors', folder);
    assert.match(stdout, /^ {2}DestinationDatasetID {2}string, required$/m, name);
    assert.match(stdout, /^ {2}Location {2}string, required$/m, name);
    assert.match(stdout, /^ {2}MaxBufferSize {2}\S+, default 250$/m, name);
    assert.match(stdout, /^ {2}ProjectID {2}\S+$/m, `${name}: derived, so that it is not required`);
  }
});

test('what the connector may set itself is no error of check', async (t) => {
  const folder = curiousPackage(t);
  const cwd = writeFiles(tempFolder(t), {
    'config.json': {
      name: 'x',
      source: { name: 'Ads', config: {} },
      storage: { name: 'Plain', config: { DestinationDatasetID: 'p.d', Location: null } },
    },
  });
  const args = ['check', 'config.json', '--json', '--connectors', folder];
  const { stdout, code } = await runScript('src/cli-wrapper.js', args, { cwd, env });
  const { findings } = JSON.parse(stdout);
  assert.deepEqual(
    findings.map((one) => `${one.severity} ${one.path}`),
    ['warning storage.config.Location', 'warning storage.config.DestinationTableName'],
  );
  assert.match(findings[1].message, /its connector may set it itself/);
  assert.equal(code, 0);
  const schema = JSON.parse((await spec('--schema', '--connectors', folder)).stdout);
  assert.ok(!JSON.stringify(schema).includes('"required":["DestinationDatasetID"'));
});

test('a package that is looked at can write nothing', { skip: needs('landlock') }, async (t) => {
  const marker = path.join(tempFolder(t), 'marker');
  const before = `try { require('fs').writeFileSync(${JSON.stringify(marker)}, ''); } catch {}`;
  const { stdout } = await spec('--connectors', olderPackage(t, before));
  assert.match(stdout, /^ {2}Ads$/m);
  assert.equal(fs.existsSync(marker), false);
});

test('what a manifest says does nothing to a terminal', async (t) => {
  const evil = 'a\u001b]52;c;cm0=\u0007b\u001b[2Jc\u202ed\u009b2Je\u001b[>4;2mf\u001b]0;g';
  const hostile = {
    title: evil,
    parameters: {
      Mode: { type: 'string', required: true, description: evil, enum: [evil] },
      [evil]: { type: 'string', required: true },
    },
  };
  const connectors = connectorsPackage(t, {
    sources: { Evil: 'run() {}' },
    storages: { Null: NODE_MANIFEST },
    after: `Connectors.Evil.manifest = ${JSON.stringify(hostile)};`,
  });
  const folder = tempFolder(t);
  const storage = { name: 'Null', config: {} };
  writeFiles(folder, {
    'c.json': JSON.stringify({ source: { name: 'Evil', config: { Mode: 'x' } }, storage }),
  });
  const args = [
    ['spec'],
    ['spec', 'Evil'],
    ['spec', 'Evil', '--json'],
    ['check', path.join(folder, 'c.json')],
    ['check', path.join(folder, 'c.json'), '--json'],
  ];
  for (const color of ['0', '1']) {
    for (const given of args) {
      const told = await runScript('src/cli-wrapper.js', given, {
        env: { ...env, OWOX_CONNECTORS_PACKAGE: connectors, FORCE_COLOR: color },
      });
      // eslint-disable-next-line no-control-regex
      const rest = (told.stdout + told.stderr).replace(/\u001b\[[\d;]*m/g, '');
      if (!given.includes('--json')) assert.match(rest, /cd2Je/, given.join(' '));
      assert.doesNotMatch(rest, /[^\P{Cc}\n\t]|\p{Bidi_Control}/u, given.join(' '));
    }
  }
});
