'use strict';
// HttpJson into DuckDb through real runs: what a second run may bring into the columns of the first.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { query, referencePackage } = require('./support/duckdb');
const { tempFolder } = require('./support/temp');

/** A server of records, and a function that loads them. */
async function project(t, source = {}) {
  const folder = tempFolder(t);
  const database = path.join(folder, 'data.duckdb');
  const runner = new ConnectorRunner({ connectorsPackage: referencePackage, runsDir: folder });
  let answer = '[]';
  const server = http.createServer((_request, response) => response.end(answer));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const load = async (records) => {
    answer = typeof records === 'string' ? records : JSON.stringify(records);
    const Url = `http://127.0.0.1:${server.address().port}/`;
    const config = new Config({
      name: 'test',
      source: { name: 'HttpJson', config: { Url, UniqueKeys: ['id'], ...source } },
      storage: {
        name: 'DuckDb',
        config: { DatabasePath: database, DestinationTableName: 't' },
      },
    });
    const stdio = { logCapture: { onStdout() {}, onStderr() {} } };
    const run = runner.run('id', 'run', config, new RunConfig({ type: 'INCREMENTAL' }), stdio);
    const result = await run.catch((error) => error);
    assert.equal(result.status, 'success', `${result.message} ${result.stderrTail}`);
  };
  return { load, rows: (sql) => query(database, sql) };
}

test('an empty text is no value in a typed column, and a JSON column takes any value', async (t) => {
  const { load, rows } = await project(t);
  const first = { n: 5, d: 1.5, b: true, day: '2026-01-02', at: '2026-01-02T03:04:05Z' };
  await load([{ id: 1, ...first, j: { a: 1 }, text: 'x', none: '' }]);
  const empty = Object.fromEntries(Object.keys(first).map((name) => [name, '']));
  await load([
    { id: 2, ...empty, j: '', text: '', none: '' },
    { id: 3, ...first, n: '', j: null, text: 'y', none: null },
  ]);
  await load([{ id: 4, j: 'a "text"' }]);
  await load([{ id: 5, j: 7 }]);
  await load([{ id: 6, j: false }]);
  await load([{ id: 7, j: '2026-01-01' }]);
  await load([
    { id: 8, j: '' },
    { id: 9, j: '[1' },
  ]);
  assert.deepEqual(
    await rows(
      'SELECT id, n, d, b, day IS NULL, "at" IS NULL, text, none FROM t WHERE id < 4 ORDER BY id',
    ),
    [
      ['1', '5', '1.5', 'true', 'false', 'false', 'x', ''],
      ['2', null, null, null, 'true', 'true', '', ''],
      ['3', null, '1.5', 'true', 'false', 'false', 'y', null],
    ],
  );
  assert.deepEqual(await rows('SELECT j FROM t ORDER BY id'), [
    ['{"a":1}'],
    [null],
    [null],
    [JSON.stringify('a "text"')],
    ['7'],
    ['false'],
    ['"2026-01-01"'],
    [null],
    ['"[1"'],
  ]);
});

test('types are declared, texts mean no value, and fields within fields are columns', async (t) => {
  const { load, rows } = await project(t, {
    UniqueKeys: ['key.id'],
    DateColumn: 'meta.day',
    Types: ['amount: number', 'any: json', 'when: date'],
    NullValues: ['n/a', '0000-00-00'],
  });
  const meta = { day: '2026-01-02' };
  await load([
    { key: { id: 1 }, meta, amount: 5, any: { a: [] }, when: '2026-01-01' },
    { key: { id: 2 }, meta: { day: '0000-00-00' }, amount: 'n/a', any: 'text', when: '' },
  ]);
  await load([{ key: { id: 2 }, meta, amount: 2.5, any: 1, when: '0000-00-00' }]);
  const sql =
    'SELECT "key.id", CAST("meta.day" AS VARCHAR), amount, "any", CAST("when" AS VARCHAR) FROM t ORDER BY 1';
  assert.deepEqual(await rows(sql), [
    ['1', '2026-01-02', '5', '{"a":[]}', '2026-01-01'],
    ['2', '2026-01-02', '2.5', '1', null],
  ]);
});
