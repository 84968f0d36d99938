'use strict';
// DuckDb inserts what is staged while more comes, as long as its types stay as they were.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { TypeInference } = require('../../packages/connectors/src/Core/TypeInference');
const { Publication } = require('../../packages/connectors/src/Storages/DuckDb/Publication');

/** A publication of staged files that are only names, and the statements that it runs. */
function publication({ tables = [], files = 4 } = {}) {
  const statements = [];
  const connection = {
    run: async (sql) => void statements.push(sql.replace(/ \(.*/, '')),
    runAndReadAll: async (sql) => ({
      getRows: () => {
        if (sql.includes('current_database() AND')) return tables;
        return [[sql.startsWith('SELECT count') ? 0n : 'db']];
      },
    }),
  };
  const staging = {
    columns: new Map([['id', 'c0']]),
    rowCount: 0,
    fullFiles: files,
    partBetween: (from, to) => `files_${from}_to_${to}`,
  };
  const plan = { name: 't', uniqueKeys: ['id'], dateColumn: null, replace: false };
  const options = { maxKeys: 1000, makeRoom: async () => false, shrink: async () => {} };
  return { statements, staging, publishing: new Publication(connection, plan, staging, options) };
}

const turns = () => new Promise((resolve) => setImmediate(resolve));
const BEGUN = [
  'BEGIN TRANSACTION',
  'DROP TABLE IF EXISTS "db".main."t"',
  'CREATE TABLE "db".main."t"',
];
const INSERT = 'INSERT INTO "db".main."t"';

test('full files are inserted while others come, and taken back where a type changes', async () => {
  const { statements, staging, publishing } = publication();
  const types = new TypeInference({}, { isText: true });
  types.observe([{ id: '1' }]);
  publishing.goAhead(types.columns);
  await turns();
  assert.deepEqual(statements, [...BEGUN, INSERT]);
  staging.fullFiles = 7;
  publishing.goAhead(types.columns); // too few files
  await turns();
  assert.equal(statements.length, 4);
  staging.fullFiles = 8;
  publishing.goAhead(types.columns);
  await turns();
  assert.deepEqual(statements.slice(4), [INSERT]);
  types.observe([{ id: 'x' }]);
  staging.fullFiles = 12;
  publishing.goAhead(types.columns);
  await turns();
  publishing.goAhead(types.columns);
  await turns();
  assert.deepEqual(statements.slice(5), ['ROLLBACK']);
});

test('what went ahead is taken back where the run ends without it', async () => {
  const { statements, publishing } = publication();
  const types = new TypeInference({}, { isText: true });
  types.observe([{ id: '1' }]);
  publishing.goAhead(types.columns);
  await publishing.abandon();
  assert.deepEqual(statements, [...BEGUN, INSERT, 'ROLLBACK']);
});

test('nothing goes ahead into a table that is there', async () => {
  const { statements, publishing } = publication({ tables: [['BASE TABLE', 'BIGINT']] });
  const types = new TypeInference({}, { isText: true });
  types.observe([{ id: '1' }]);
  publishing.goAhead(types.columns);
  await turns();
  assert.deepEqual(statements, ['BEGIN TRANSACTION', 'ROLLBACK']);
});
