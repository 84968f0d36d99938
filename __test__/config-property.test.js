'use strict';
// Properties of the transform that hold for every config, with a small seeded generator.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Config, SourceConfig, StorageConfig } = require('@owox/connector-runner');

/** The seeds to try; other and more ones by FUZZ_SEED and FUZZ_CASES (__test__/heavy/fuzz.js). */
function* seeds(count) {
  const first = Number(process.env.FUZZ_SEED ?? 1);
  const last = first + Math.max(count, Number(process.env.FUZZ_CASES ?? 0));
  for (let seed = first; seed < last; seed += 1) yield seed;
}

/** A generator of numbers from 0 to below 1 (mulberry32), the same for equal seeds. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const KEYS = [
  'a',
  'b',
  'value',
  'items',
  '__proto__',
  'constructor',
  '0',
  '10',
  '',
  'ключ',
  '\ud800',
];
const LEAVES = [null, undefined, true, 0, -0, 1.5, 1e21, NaN, '', 'text', '2026-01-01', '\udfff\0'];

function generator(seed) {
  const next = random(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const object = (depth) => {
    const made = {};
    for (let count = Math.floor(next() * 4); count > 0; count -= 1) {
      Object.defineProperty(made, pick(KEYS), {
        value: value(depth + 1),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
    return made;
  };
  const value = (depth) => {
    const kind = next();
    if (depth > 4 || kind < 0.4) return pick(LEAVES);
    if (kind < 0.55) return [value(depth + 1), pick(LEAVES)];
    return object(depth);
  };
  return { object: () => object(0) };
}

/** What a source parameter becomes, written down independently of the implementation. */
function model(parameter) {
  if (parameter === null || typeof parameter !== 'object' || Array.isArray(parameter)) {
    return { value: parameter };
  }
  const keys = Object.keys(parameter);
  if (Object.hasOwn(parameter, 'value') || keys.length === 0) return parameter;
  const chosen = parameter[keys[0]];
  const items = {};
  if (chosen !== null && typeof chosen === 'object') {
    for (const key of Object.keys(chosen)) {
      const item = { value: model(chosen[key]), configurable: true, enumerable: true };
      Object.defineProperty(items, key, item);
    }
  }
  return { value: keys[0], items };
}

for (const Class of [SourceConfig, StorageConfig]) {
  test(`${Class.name}: transforming twice changes nothing, and every key survives`, () => {
    for (const seed of seeds(2000)) {
      const config = generator(seed).object();
      const once = new Class({ name: 'N', config });
      const twice = new Class(once);
      const text = JSON.stringify(once.config);
      assert.equal(JSON.stringify(twice.config), text, `seed ${seed}`);
      for (const key of Object.keys(config)) {
        assert.equal(
          twice.config[key],
          once.config[key],
          `seed ${seed}: ${key} is the same object`,
        );
      }
      assert.deepEqual(Object.keys(once.config), Object.keys(config), `seed ${seed}`);
    }
  });
}

test('SourceConfig agrees with a model of the contract’s rules', () => {
  for (const seed of seeds(2000)) {
    const config = generator(seed).object();
    const transformed = new SourceConfig({ name: 'N', config }).config;
    for (const key of Object.keys(config)) {
      assert.deepEqual(transformed[key], model(config[key]), `seed ${seed}: ${key}`);
    }
  }
});

test('a Config of instances is the Config of plain objects', () => {
  for (const seed of seeds(500)) {
    const { object } = generator(seed);
    const source = { name: 'S', config: object() };
    const storage = { name: 'GOOGLE_BIGQUERY', config: object() };
    const plain = new Config({ datamartId: 'd', name: 'n', source, storage });
    const halves = { source: new SourceConfig(source), storage: new StorageConfig(storage) };
    const config = new Config({ datamartId: 'd', name: 'n', ...halves });
    assert.equal(
      JSON.stringify(config.toObject()),
      JSON.stringify(plain.toObject()),
      `seed ${seed}`,
    );
  }
});
