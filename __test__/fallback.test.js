'use strict';
// Contract, section 11: where no connectors package is installed.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf } = require('./support/connectors');
const { runScript } = require('./support/host');
const { rejection } = require('./support/output');
const { tempFolder, writeFiles } = require('./support/temp');

function installed() {
  try {
    return require.resolve('@owox/connectors/package.json');
  } catch {
    return undefined;
  }
}
const skip = installed() ? '@owox/connectors is installed here' : false;
delete process.env.OWOX_CONNECTORS_PACKAGE;

test('a source that the reference package lacks says what was searched', { skip }, async (t) => {
  const runner = new ConnectorRunner({ runsDir: tempFolder(t) });
  const run = (config) => runner.run('dm', 'run', new Config(config), new RunConfig({}), 'pipe');
  const storage = await rejection(run(configOf('CsvFile', {}, 'SNOWFLAKE')));
  assert.equal(storage.code, 'STORAGE_NOT_FOUND');
  assert.match(storage.message, /^Storage Snowflake not found/);
  const source = await rejection(run(configOf('GoogleAds', {}, 'DuckDb')));
  assert.match(source.message, /^Source GoogleAds not found/);
  for (const { message } of [storage, source]) {
    assert.match(message, /@owox\/connectors-local/);
    assert.match(message, /npm install @owox\/connectors/);
  }
});

test('the CLI says on stderr that it uses the reference package', { skip }, async (t) => {
  const cwd = writeFiles(tempFolder(t), { 'config.json': configOf('Nope', {}, 'DuckDb') });
  const { stdout, stderr, code } = await runScript('src/cli-wrapper.js', ['config.json'], { cwd });
  assert.deepEqual({ stdout, code }, { stdout: '', code: 1 });
  const notice = stderr.replace(/\s+/g, ' ');
  assert.match(notice, /@owox\/connectors is not installed/);
  assert.match(notice, /@owox\/connectors-local/);
});
