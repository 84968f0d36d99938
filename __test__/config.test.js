'use strict';
// Contract, sections 2 and 3: what JSON vectors cannot show.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const vm = require('node:vm');

const { Config, RunConfig, SourceConfig, StorageConfig } = require('@owox/connector-runner');

const half = (config = {}, name = 'X') => ({ name, config });
const whole = (more = {}) => ({
  datamartId: 'dm',
  name: 'n',
  source: half(),
  storage: half(),
  ...more,
});
const sourceOf = (config) => new SourceConfig(half(config)).config;
const storageOf = (config) => new StorageConfig(half(config)).config;

test('objects that stay as they are stay the same reference', () => {
  const parameter = { value: { deep: [1] }, label: 'L' };
  const array = [1, 2];
  const inner = { value: 1 };
  const source = sourceOf({ parameter, array, choice: { k: { inner } } });
  assert.equal(source.parameter, parameter);
  assert.equal(source.array.value, array);
  assert.equal(source.choice.items.inner, inner);
  const anything = { without: 'value' };
  const storage = storageOf({ parameter, array, anything });
  assert.equal(storage.parameter, parameter);
  assert.equal(storage.array, array);
  assert.equal(storage.anything, anything);
  const config = new Config(whole({ source: half({ parameter }), storage: half({ anything }) }));
  assert.equal(config.toObject().source.config.parameter, parameter);
  assert.equal(config.toObject().storage.config.anything, anything);
});

test('the input is not changed, and config is the same object each time', () => {
  const input = whole({ source: half({ a: 1, c: { k: { b: 2 } } }) });
  const before = JSON.stringify(input);
  const config = new Config(input);
  assert.equal(JSON.stringify(input), before);
  assert.equal(config.source.config, config.source.config);
  assert.equal(config.toObject().source.config, config.source.config);
  assert.equal(config.toObject().storage.config, config.storage.config);
  assert.notEqual(config.toObject(), config.toObject());
});

test('getters, halves and fromObject', () => {
  const config = new Config(whole({ description: 'left out', source: half({ a: 1 }, 'S') }));
  assert.equal(config.datamartId, 'dm');
  assert.equal(config.name, 'n');
  assert.ok(config.source instanceof SourceConfig);
  assert.ok(config.storage instanceof StorageConfig);
  assert.equal(config.source.name, 'S');
  assert.equal(config.validate(), true);
  assert.equal(config.source.validate(), true);
  assert.equal(config.storage.validate(), true);
  assert.deepEqual(Object.keys(config.toObject()), ['datamartId', 'name', 'source', 'storage']);
  assert.ok(Config.fromObject(whole()) instanceof Config);
});

test('instances are read through their getters, and transforming twice changes nothing', () => {
  const source = new SourceConfig(half({ a: 1, choice: { k: { b: null } }, list: [1] }));
  const storage = new StorageConfig(half({ a: 1, b: null }, 'GOOGLE_BIGQUERY'));
  const config = new Config(whole({ source, storage }));
  assert.equal(JSON.stringify(config.source.toObject()), JSON.stringify(source.toObject()));
  assert.equal(JSON.stringify(config.storage.toObject()), JSON.stringify(storage.toObject()));
  assert.equal(config.storage.name, 'GoogleBigQuery');
  const again = new Config(config);
  assert.equal(JSON.stringify(again.toObject()), JSON.stringify(config.toObject()));
  class Getters {
    get name() {
      return 'G';
    }
    get config() {
      return { p: 1 };
    }
  }
  assert.deepEqual(new SourceConfig(new Getters()).toObject(), half({ p: { value: 1 } }, 'G'));
});

test('storage names of hosts become names of classes', () => {
  const names = {
    GOOGLE_BIGQUERY: 'GoogleBigQuery',
    AWS_ATHENA: 'AwsAthena',
    SNOWFLAKE: 'Snowflake',
    AWS_REDSHIFT: 'AwsRedshift',
    DATABRICKS: 'Databricks',
    google_bigquery: 'google_bigquery',
    constructor: 'constructor',
    toString: 'toString',
  };
  for (const [given, name] of Object.entries(names)) {
    assert.equal(new StorageConfig(half({}, given)).name, name);
    assert.equal(new SourceConfig(half({}, given)).name, given);
  }
});

test('undefined and functions are wrapped, and in JSON their key stays', () => {
  const work = () => {};
  for (const transform of [sourceOf, storageOf]) {
    const config = transform({ u: undefined, f: work, n: NaN, i: -Infinity });
    assert.ok('value' in config.u);
    assert.equal(config.u.value, undefined);
    assert.equal(config.f.value, work);
    assert.ok(Number.isNaN(config.n.value));
    const text = '{"u":{},"f":{},"n":{"value":null},"i":{"value":null}}';
    assert.equal(JSON.stringify(config), text);
  }
});

test('symbols and bigints as values are wrapped; symbols as keys are ignored', () => {
  const key = Symbol('key');
  const config = sourceOf({ s: key, b: 10n, [key]: 1, choice: { [key]: 1, k: { a: 1 } } });
  assert.equal(config.s.value, key);
  assert.equal(config.b.value, 10n);
  assert.deepEqual(Reflect.ownKeys(config), ['s', 'b', 'choice']);
  assert.equal(config.choice.value, 'k');
});

test('a storage keeps its Date; Dates, Maps and class instances do no harm', () => {
  const date = new Date(0);
  assert.equal(storageOf({ date }).date, date);
  assert.equal(JSON.stringify(storageOf({ date })), '{"date":"1970-01-01T00:00:00.000Z"}');
  // a source's Date has no own keys: as an empty object, it stays
  const source = sourceOf({ date, map: new Map(), empty: {} });
  assert.equal(source.date, date);
  assert.equal(JSON.stringify(source.empty), '{}');
});

test('what the original only crashed on or mangled', () => {
  const config = sourceOf({
    nothing: null,
    array: [{ a: 1 }],
    empty: {},
    one: { k: 1 },
    none: { k: null },
    text: { k: 'abc' },
    two: { first: { a: 1 }, second: { b: 2 } },
  });
  assert.equal(
    JSON.stringify(config),
    '{"nothing":{"value":null},"array":{"value":[{"a":1}]},"empty":{},' +
      '"one":{"value":"k","items":{}},"none":{"value":"k","items":{}},' +
      '"text":{"value":"k","items":{}},"two":{"value":"first","items":{"a":{"value":1}}}}',
  );
  assert.equal(JSON.stringify(storageOf({ nothing: null })), '{"nothing":{"value":null}}');
});

test('an own key value decides, whatever it holds; an inherited one does not', () => {
  const own = { value: undefined };
  assert.equal(sourceOf({ own }).own, own);
  const inherited = Object.assign(Object.create({ value: 1 }), { k: { a: 1 } });
  const bare = Object.assign(Object.create(null), { k: { a: 1 } });
  for (const given of [inherited, bare]) {
    const { choice } = sourceOf({ choice: given });
    assert.equal(JSON.stringify(choice), '{"value":"k","items":{"a":{"value":1}}}');
  }
});

test('keys such as __proto__, constructor and hasOwnProperty are keys like others', () => {
  const text =
    '{"__proto__":{"value":1},"constructor":2,"hasOwnProperty":3,' +
    '"choice":{"__proto__":{"__proto__":4,"value":5}}}';
  const source = sourceOf(JSON.parse(text));
  assert.equal(
    JSON.stringify(source),
    '{"__proto__":{"value":1},"constructor":{"value":2},"hasOwnProperty":{"value":3},' +
      '"choice":{"value":"__proto__","items":{"__proto__":{"value":4},"value":{"value":5}}}}',
  );
  assert.equal(Object.getPrototypeOf(source), Object.prototype);
  assert.equal({}.value, undefined);
  const storage = storageOf(JSON.parse('{"__proto__":{"polluted":true}}'));
  assert.equal(JSON.stringify(storage), '{"__proto__":{"polluted":true}}');
  assert.equal(storage.polluted, undefined);
});

test('keys with NUL and lone surrogates survive in keys and values', () => {
  const odd = ['a\0b', '\ud800', 'x\udfffy', '\u2028', '', 'ключ', '✓'];
  for (const transform of [sourceOf, storageOf]) {
    for (const text of odd) {
      const config = transform({ [text]: text });
      assert.deepEqual(Object.keys(config), [text]);
      assert.equal(config[text].value, text);
    }
  }
  const { choice } = sourceOf({ choice: { '\ud800': { '\udc00\0': 1 } } });
  assert.equal(choice.value, '\ud800');
  assert.deepEqual(Object.keys(choice.items), ['\udc00\0']);
});

test('names that are no well-formed text survive too', () => {
  const name = 'S\ud800\0';
  assert.equal(new SourceConfig(half({}, name)).name, name);
  assert.equal(new StorageConfig(half({}, name)).name, name);
  assert.equal(new Config(whole({ name })).name, name);
});

test('key order: integers first, then as written', () => {
  const given = JSON.parse('{"b":1,"10":2,"a":3,"9":4}');
  assert.deepEqual(Object.keys(sourceOf(given)), ['9', '10', 'b', 'a']);
});

test('configs of another realm (Jest, vm) are read like our own', () => {
  const input = vm.runInNewContext(
    `(${JSON.stringify(whole({ source: half({ l: [1], c: {} }) }))})`,
  );
  const config = new Config(input);
  assert.equal(JSON.stringify(config.source.config), '{"l":{"value":[1]},"c":{}}');
});

test('own properties show in JSON, spread and deep equality', () => {
  const config = new Config(whole());
  const other = new Config(whole({ name: 'other' }));
  assert.equal({ ...config }.name, 'n');
  assert.equal(JSON.parse(JSON.stringify(config)).datamartId, 'dm');
  assert.notDeepEqual(config, other);
  assert.deepEqual(config, new Config(whole()));
});

test('RunConfig keeps what it is given, by reference', () => {
  const data = [{ configField: 'd', value: 1 }];
  const state = { date: 'x' };
  const given = { type: 'INCREMENTAL', data, state, other: 1 };
  const runConfig = new RunConfig(given);
  assert.equal(runConfig.type, 'INCREMENTAL');
  assert.equal(runConfig.data, data);
  assert.equal(runConfig.state, state);
  assert.equal(runConfig.config, given);
  data[0].value = 2;
  const text = '{"type":"INCREMENTAL","data":[{"configField":"d","value":2}],"state":{"date":"x"}}';
  assert.equal(JSON.stringify(runConfig.toObject()), text);
});

test('RunConfig requires nothing', () => {
  for (const given of [undefined, {}, { type: undefined }]) {
    const runConfig = new RunConfig(given);
    for (const name of ['type', 'data', 'state']) assert.equal(runConfig[name], undefined);
    assert.deepEqual(Object.keys(runConfig.toObject()), ['type', 'data', 'state']);
    assert.equal(JSON.stringify(runConfig.toObject()), '{}');
  }
  for (const type of ['MANUAL_BACKFILL', 'FULL_REFRESH', 'CUSTOM', 'SOMETHING_ELSE', 7]) {
    assert.equal(new RunConfig({ type }).type, type);
  }
  assert.deepEqual(new RunConfig({ data: {}, state: 'text' }).toObject(), {
    type: undefined,
    data: {},
    state: 'text',
  });
});
