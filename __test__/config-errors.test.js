'use strict';
// Contract, section 2: what is refused, in which order, and whose error it is.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Config, RunConfig, SourceConfig, StorageConfig } = require('@owox/connector-runner');
const RunContext = require('@owox/connector-runner/src/core/domain/run-context');

const half = (config = {}, name = 'X') => ({ name, config });
const whole = (more = {}) => ({
  datamartId: 'dm',
  name: 'n',
  source: half(),
  storage: half(),
  ...more,
});

function thrownBy(work) {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('each missing field has its message, in the documented order', () => {
  const cases = [
    [undefined, 'Run configuration is required'],
    [null, 'Run configuration is required'],
    ['', 'Run configuration is required'],
    [{}, 'Data mart ID is required'],
    [whole({ datamartId: '', name: '' }), 'Data mart ID is required'],
    [whole({ datamartId: null }), 'Data mart ID is required'],
    [whole({ datamartId: undefined, source: undefined }), 'Data mart ID is required'],
    [whole({ name: '', source: null }), 'Run configuration name is required'],
    [whole({ source: 0, storage: null }), 'Source configuration is required'],
    [whole({ storage: undefined, source: {} }), 'Storage configuration is required'],
    [whole({ source: {} }), 'Source name is required'],
    [whole({ source: { name: 'X' }, storage: {} }), 'Source config object is required'],
    [whole({ source: half('text') }), 'Source config object is required'],
    [whole({ storage: {} }), 'Storage name is required'],
    [whole({ storage: { name: 'X' } }), 'Storage config object is required'],
    [whole({ datamartId: 7 }), 'Invalid data mart ID'],
    [whole({ datamartId: 7, name: 7 }), 'Invalid data mart ID'],
    [whole({ name: 7 }), 'Invalid run configuration name'],
    [whole({ name: 7, storage: {} }), 'Storage name is required'],
  ];
  for (const [input, message] of cases) {
    for (const work of [() => new Config(input), () => Config.fromObject(input)]) {
      const error = thrownBy(work);
      assert.equal(error.message, message);
      assert.equal(error.constructor, Error);
    }
  }
  assert.equal(thrownBy(() => new SourceConfig()).message, 'Source configuration is required');
  assert.equal(thrownBy(() => new StorageConfig(0)).message, 'Storage configuration is required');
});

test('an absent datamartId is accepted where all the rest is there', () => {
  const { datamartId, ...rest } = whole();
  for (const input of [rest, whole({ datamartId: undefined })]) {
    const config = new Config(input);
    assert.equal(config.datamartId, undefined);
    assert.equal(config.validate(), true);
    assert.equal('datamartId' in JSON.parse(JSON.stringify(config.toObject())), false);
  }
  assert.equal(datamartId, 'dm');
});

test('errors have a code that is not enumerable', () => {
  const error = thrownBy(() => new Config(null));
  assert.equal(error.code, 'INVALID_CONFIG');
  assert.deepEqual(Object.keys(error), []);
  assert.equal(JSON.stringify(error), '{}');
  assert.ok(error.stack.includes(__filename));
});

test('called without new, a class is a TypeError', () => {
  for (const Class of [Config, SourceConfig, StorageConfig, RunConfig, RunContext]) {
    assert.throws(() => Class(whole()), TypeError);
  }
});

test('what a getter throws arrives as the same object', () => {
  const reasons = [
    new Error('mine'),
    new TypeError('mine'),
    { not: 'an error' },
    'text',
    undefined,
  ];
  for (const reason of reasons) {
    const throwing = () => ({
      enumerable: true,
      get() {
        throw reason;
      },
    });
    const inputs = [
      Object.defineProperty(whole(), 'name', throwing()),
      whole({ source: Object.defineProperty(half(), 'name', throwing()) }),
      whole({ source: half(Object.defineProperty({}, 'parameter', throwing())) }),
      whole({ storage: half(Object.defineProperty({}, 'parameter', throwing())) }),
      whole({ source: half({ choice: { k: Object.defineProperty({}, 'p', throwing()) } }) }),
    ];
    for (const input of inputs) {
      let caught;
      let threw = false;
      try {
        new Config(input);
      } catch (error) {
        threw = true;
        caught = error;
      }
      assert.ok(threw);
      assert.equal(caught, reason);
    }
  }
});

test('a code on an error of the caller is the caller’s business', () => {
  for (const code of ['INVALID_CONFIG', 'GenericFailure', 'TYPE/INVALID_CONFIG', 'INTERNAL']) {
    const reason = Object.assign(new RangeError('mine'), { code });
    const input = Object.defineProperty(whole(), 'name', {
      get() {
        throw reason;
      },
    });
    assert.equal(
      thrownBy(() => new Config(input)),
      reason,
      code,
    );
  }
});

test('proxies work, and what their traps throw arrives as the same object', () => {
  const config = new Config(
    whole({ source: half(new Proxy({ a: 1, c: new Proxy({ k: { b: 2 } }, {}) }, {})) }),
  );
  const expected = '{"a":{"value":1},"c":{"value":"k","items":{"b":{"value":2}}}}';
  assert.equal(JSON.stringify(config.source.config), expected);

  const reason = new Error('trap');
  const fail = () => {
    throw reason;
  };
  for (const trap of ['get', 'ownKeys', 'getOwnPropertyDescriptor']) {
    const input = half({ p: new Proxy({ k: {} }, { [trap]: fail }) });
    assert.equal(
      thrownBy(() => new SourceConfig(input)),
      reason,
      trap,
    );
  }
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assert.throws(() => new SourceConfig(half({ proxy })), TypeError);
  assert.throws(() => new SourceConfig(proxy), TypeError);
});

test('a one-of that refers to itself is an error and no crash', () => {
  const cyclic = {};
  cyclic.self = cyclic;
  const deep = {};
  for (let level = deep, depth = 0; depth < 100_000; depth += 1) level = level.k = {};
  for (const parameter of [cyclic, deep]) {
    const error = thrownBy(() => new SourceConfig(half({ parameter })));
    assert.equal(error.constructor, Error);
    assert.equal(error.code, 'INVALID_CONFIG');
  }
  // a storage keeps its objects, so a cycle stays one
  assert.equal(new StorageConfig(half({ cyclic })).config.cyclic, cyclic);
});

test('odd inputs are errors or accepted, never a crash', () => {
  const odd = [1, 'text', true, [], () => {}, Symbol('s'), 10n, new Map(), new Date(), /x/];
  for (const value of odd) {
    for (const Class of [Config, SourceConfig, StorageConfig]) {
      assert.ok(thrownBy(() => new Class(value)) instanceof Error);
    }
    for (const name of ['datamartId', 'name', 'source', 'storage']) {
      try {
        new Config(whole({ [name]: value }));
      } catch (error) {
        assert.ok(error instanceof Error, `${name} ${typeof value}`);
      }
    }
    assert.ok(new RunConfig(value) instanceof RunConfig);
  }
});

test('methods on a foreign this are errors, never a crash', () => {
  for (const method of ['toObject', 'validate']) {
    for (const receiver of [{}, undefined, 1, Object.create(Config.prototype), new RunConfig()]) {
      assert.throws(() => Config.prototype[method].call(receiver));
    }
  }
});
