'use strict';
// Wide tables, and tables on which others have put indexes and decimals, in DuckDB.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');

const { execute } = require('../support/duckdb');
const { loaderOf } = require('./support/loader');
const { target } = require('./support/targets');

const { options, target: duckDb } = target('DuckDb', { before, after });

const fileOf = (place) => duckDb.storage(place).config.DatabasePath;

function wideRow(columns, id, valueOf) {
  return {
    id,
    ...Object.fromEntries(Array.from({ length: columns }, (_, at) => [`c${at}`, valueOf(at)])),
  };
}

test('1,800 columns are loaded, merged and added with the usual settings', options, async (t) => {
  const load = await loaderOf(t, duckDb, 'wide', { UniqueKeys: ['id'] });
  const rows = (from, count, more) =>
    Array.from({ length: count }, (_, at) => wideRow(1800, from + at, (c) => c + at + more));
  const first = await load(rows(0, 300, 0));
  assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
  const second = await load(rows(200, 200, 0.5));
  assert.equal(second.status, 'success', `${second.message} ${second.stderrTail}`);
  const part = await load([
    { id: 0, c5: 55.5, added: 'x' },
    { id: 5000, c5: 1 },
  ]);
  assert.equal(part.status, 'success', `${part.message} ${part.stderrTail}`);
  assert.equal(await duckDb.count('wide', 't'), 401);
  const kinds = { id: 'integer', c4: 'number', c5: 'number', c1799: 'number', added: 'string' };
  const read = await duckDb.read('wide', 't', kinds);
  assert.deepEqual(
    [read[0], read[200], read[399], read[400]],
    [
      { id: '0', c4: 4, c5: 55.5, c1799: 1799, added: 'x' },
      { id: '200', c4: 4.5, c5: 5.5, c1799: 1799.5, added: null },
      { id: '399', c4: 203.5, c5: 204.5, c1799: 1998.5, added: null },
      { id: '5000', c4: null, c5: 1, c1799: null, added: null },
    ],
  );
});

for (const [kind, index] of [
  ['a unique index', 'CREATE UNIQUE INDEX u ON t(id); CREATE UNIQUE INDEX v ON t(name)'],
  [
    'a primary key',
    'CREATE TABLE c (id BIGINT PRIMARY KEY, name VARCHAR UNIQUE, n BIGINT); INSERT INTO c FROM t; DROP TABLE t; ALTER TABLE c RENAME TO t',
  ],
]) {
  test(
    `rows of a table with ${kind} are replaced, and columns added and widened`,
    options,
    async (t) => {
      const place = kind.replaceAll(' ', '_');
      const load = await loaderOf(t, duckDb, place, { UniqueKeys: ['id'] });
      const rows = (n) =>
        Array.from({ length: 3000 }, (_, id) => ({ id, name: `name ${id}`, n: id + n }));
      assert.equal((await load(rows(0))).status, 'success');
      await execute(fileOf(place), index);
      const changed = await load(rows(1).slice(0, 2000));
      assert.equal(changed.status, 'success', `${changed.message} ${changed.stderrTail}`);
      const wider = await load([{ id: 1, name: 'name 1', n: 1.5, more: 'x' }]);
      assert.equal(wider.status, 'success', `${wider.message} ${wider.stderrTail}`);
      const kinds = { id: 'integer', n: 'number', more: 'string' };
      const read = await duckDb.read(place, 't', kinds);
      assert.deepEqual(
        [read.length, read[0], read[1], read[2999]],
        [
          3000,
          { id: '0', n: 1, more: null },
          { id: '1', n: 1.5, more: 'x' },
          { id: '2999', n: 2999, more: null },
        ],
      );
      // It is still there.
      await assert.rejects(
        execute(fileOf(place), "INSERT INTO t (id, name) VALUES (1, 'y')"),
        /Constraint Error/,
      );
      await assert.rejects(
        execute(fileOf(place), "INSERT INTO t (id, name) VALUES (-1, 'name 1')"),
        /Constraint Error/,
      );
    },
  );
}

test('a decimal column takes the numbers that it holds', options, async (t) => {
  const load = await loaderOf(t, duckDb, 'decimals', { UniqueKeys: ['id'] });
  await load([{ id: 1 }]);
  await execute(fileOf('decimals'), 'ALTER TABLE t ADD COLUMN amount DECIMAL(10,2)');
  const taken = await load([
    { id: 1, amount: 12.34 },
    { id: 2, amount: 5 },
  ]);
  assert.equal(taken.status, 'success', `${taken.message} ${taken.stderrTail}`);
  const rounded = await load([{ id: 3, amount: 0.125 }]);
  assert.match(
    rounded.stderrTail,
    /"amount" of table "t" is DECIMAL\(10,2\).*1 rows without rounding/,
  );
  const large = await load([{ id: 3, amount: 1e9 }]);
  assert.match(large.stderrTail, /1 rows without rounding/);
  assert.deepEqual(await duckDb.read('decimals', 't', { id: 'integer', amount: 'number' }), [
    { id: '1', amount: 12.34 },
    { id: '2', amount: 5 },
  ]);
});
