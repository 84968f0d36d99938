'use strict';
// The end-to-end matrix of one storage: each source, each run type, each isolation, 1,000 rows,
// read back by the storage's client and compared value by value.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');

const { runnerOf } = require('../../support/runs');
const { ROWS, SOURCES } = require('./sources');
const { target: targetOf } = require('./targets');

const TYPES = ['INCREMENTAL', 'MANUAL_BACKFILL', 'FULL_REFRESH'];
const ISOLATIONS = ['none', 'standard', 'strict'];

/** The rows in the order of all their values: databases sort texts in several ways. */
function sorted(rows) {
  const keyed = rows.map((row) => [JSON.stringify(row), row]);
  return keyed.sort(([a], [b]) => (a < b ? -1 : Number(a > b))).map(([, row]) => row);
}

/** Compares tables with what they must hold, types included. */
async function assertTables(target, place, expected) {
  for (const [table, { kinds, rows }] of Object.entries(expected)) {
    const types = Object.entries(kinds).map(([name, kind]) => [name, target.types[kind]]);
    assert.deepEqual(await target.typesOf(place, table), Object.fromEntries(types), table);
    const found = sorted(await target.read(place, table, kinds));
    const wanted = sorted(rows);
    // Row by row, so that a failure shows the row and not a thousand of them.
    wanted.forEach((row, at) => assert.deepEqual(found[at], row, `${table}, row ${at}`));
    assert.equal(found.length, wanted.length, table);
  }
}

/** The same, and that there is nothing else. */
async function assertHolds(target, place, expected) {
  await assertTables(target, place, expected);
  assert.deepEqual(await target.tables(place), Object.keys(expected).sort());
  assert.deepEqual(await target.leftFiles(place), []);
}

/** The strict mode with no more of the network than the cell needs. */
function policyOf(isolation, source, target) {
  if (isolation !== 'strict') return isolation;
  const ports = [source, target].map(({ port }) => port).filter((port) => port !== undefined);
  return { mode: 'strict', tcpPorts: ports };
}

/** One cell: a run that is compared, and a second one that must change nothing. */
async function cell(t, target, place, { source: name, type, isolation }) {
  const source = await SOURCES[name](t);
  const storage = target.storage(place, source.storageParameters);
  const run = runnerOf(t, source, storage, policyOf(isolation, source, target));
  const succeed = async (more) => {
    const result = await run({ type, ...more });
    assert.equal(result.status, 'success', `${result.message} ${result.stderrTail}`);
    assert.equal(result.isolation.mode, isolation);
    return result;
  };
  const range = Object.entries(source.range);
  const data = range.map(([configField, value]) => ({ configField, value }));
  const ofType = type === 'MANUAL_BACKFILL' ? { data } : {};

  if (type === 'FULL_REFRESH') {
    source.serve({ isStale: true });
    await succeed();
  }
  source.serve({ isWider: type === 'MANUAL_BACKFILL' });
  const first = await succeed(ofType);
  const date = type === 'MANUAL_BACKFILL' ? undefined : `${source.lastDay}T00:00:00.000Z`;
  assert.equal(first.state?.date, date);
  const expected = source.expected();
  const total = Object.values(expected).reduce((sum, { rows }) => sum + rows.length, 0);
  assert.equal(total, ROWS);
  await assertHolds(target, place, expected);

  const second = await succeed({ ...ofType, state: first.state ?? {} });
  assert.deepEqual(second.state, first.state);
  assert.deepEqual(second.warnings, first.warnings, 'the table is there');
  await assertHolds(target, place, expected);
}

/** Declares the tests of one storage. */
function matrix(storage) {
  const { options, target } = targetOf(storage, { before, after });
  for (const source of Object.keys(SOURCES)) {
    for (const type of TYPES) {
      for (const isolation of ISOLATIONS) {
        const place = `${source}_${type}_${isolation}`.toLowerCase();
        test(`${source}, ${type}, isolation ${isolation}`, options, (t) =>
          cell(t, target, place, { source, type, isolation }),
        );
      }
    }
  }
}

module.exports = { assertHolds, assertTables, matrix };
