'use strict';
// The recorded behaviour of the original: 409 cases.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { Config, RunConfig, SourceConfig, StorageConfig } = require('@owox/connector-runner');
const RunContext = require('@owox/connector-runner/src/core/domain/run-context');

const vectors = JSON.parse(readFileSync(path.join(__dirname, 'config-vectors.json'), 'utf8'));

const run = {
  Config: (input) => new Config(input).toObject(),
  SourceConfig: (input) => new SourceConfig(input).toObject(),
  StorageConfig: (input) => new StorageConfig(input).toObject(),
  RunContext: ({ datamartId, runId, config, runConfig }) => {
    const context = new RunContext(datamartId, runId, new Config(config), new RunConfig(runConfig));
    const names = ['OW_DATAMART_ID', 'OW_RUN_ID', 'OW_CONFIG', 'OW_RUN_CONFIG'];
    const variables = context.getEnvironmentVariables();
    const own = Object.fromEntries(names.map((name) => [name, variables[name]]));
    return { ...own, uniqueId: context.getUniqueId() };
  },
};

/** What a case shows: the JSON text of the result, or the error's constructor and message. */
function play({ class: name, input }) {
  try {
    return { json: JSON.stringify(run[name](input)) };
  } catch (error) {
    return { type: error.constructor, message: error.message };
  }
}

function expected({ result, error, type }) {
  return error === undefined
    ? { json: JSON.stringify(result) }
    : { type: globalThis[type], message: error };
}

test('all 409 recorded cases, byte for byte', () => {
  const differing = [];
  let checked = 0;
  for (const [index, vector] of vectors.entries()) {
    checked += 1;
    try {
      assert.deepStrictEqual(play(vector), expected(vector));
    } catch (error) {
      differing.push(`case ${index} (${vector.class}): ${error.message}`);
    }
  }
  assert.deepEqual(differing, []);
  assert.equal(checked, 409);
});

test('every class has cases that succeed, and all but RunContext cases that fail', () => {
  const count = (name, failing) =>
    vectors.filter((vector) => vector.class === name && 'error' in vector === failing).length;
  assert.deepEqual(
    Object.keys(run).map((name) => [name, count(name, false), count(name, true)]),
    [
      ['Config', 52, 142],
      ['SourceConfig', 69, 21],
      ['StorageConfig', 90, 26],
      ['RunContext', 9, 0],
    ],
  );
});

test('fromObject and the JSON of the instance itself agree with toObject', () => {
  for (const vector of vectors.filter((one) => one.class === 'Config' && !one.error)) {
    const text = JSON.stringify(vector.result);
    assert.equal(JSON.stringify(Config.fromObject(vector.input).toObject()), text);
    const { source, storage } = new Config(vector.input);
    assert.equal(JSON.stringify(source.toObject()), JSON.stringify(vector.result.source));
    assert.equal(JSON.stringify(storage.toObject()), JSON.stringify(vector.result.storage));
  }
});
