'use strict';
// The failure matrix: a run that fails says why and what to do, its table is as it was, and the run
// after it heals everything.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { runnerOf } = require('../../support/runs');
const { tempFolder } = require('../../support/temp');
const { KINDS, expectedOf, rowsOf, toCsv } = require('./dataset');
const { assertHolds } = require('./matrix');
const { faultProxy } = require('./proxy');

const tableOf = (rows) => ({ t: { kinds: KINDS, rows: expectedOf(rows) } });
let places = 0;

/** A place of its own with a table that has 100 rows, and 400 more that the next run loads. */
async function prepared(t, target, { source = {}, type } = {}) {
  places += 1;
  const place = `failure_${places}`;
  const file = path.join(tempFolder(t), 'data.csv');
  const parameters = { Path: file, UniqueKeys: ['id'], DateColumn: 'day', Types: ['tags: json'] };
  const run = runnerOf(
    t,
    { name: 'CsvFile', parameters: { ...parameters, ...source } },
    target.storage(place, { DestinationTableName: 't' }),
  );
  const before = rowsOf(0, 100);
  const after = rowsOf(0, 500);
  fs.writeFileSync(file, toCsv(before));
  const seeded = await run({ type });
  assert.equal(seeded.status, 'success', seeded.stderrTail);
  fs.writeFileSync(file, toCsv(after));
  return {
    run: (more) => run({ type, ...more }),
    holdsBefore: () => assertHolds(target, place, tableOf(before)),
    holdsAfter: () => assertHolds(target, place, tableOf(after)),
  };
}

/**
 * @param {{ options: object, target: object }} storage
 * @param {string} title
 * @param {object} given
 * @param {import('./proxy').Rule[]} given.rules
 * @param {RegExp} given.message that the run must end with
 * @param {object} [given.storage] parameters of the run that fails
 */
function fails({ options, target }, title, { rules, message, storage }) {
  test(`${title}: fails, says what to do, and is healed by the next run`, options, async (t) => {
    const { run, holdsBefore, holdsAfter } = await prepared(t, target);
    const proxy = await faultProxy(t, target, rules);
    const failed = await run({ storage });
    assert.equal(failed.code, 'CONNECTOR_FAILED', failed.stderrTail);
    assert.equal(failed.result.status, 'failed');
    assert.equal(failed.result.lastStatus, 5);
    assert.match(failed.stderrTail, message);
    assert.ok(proxy.asked.length > 0);
    target.pointTo(target.origin);
    await holdsBefore();
    const healed = await run();
    assert.equal(healed.status, 'success', healed.stderrTail);
    await holdsAfter();
  });
}

/** As `fails`, but the trouble passes, and the run must succeed. */
function overcomes({ options, target }, title, { rules, ...more }) {
  test(`${title}: is overcome`, options, async (t) => {
    const { run, holdsAfter } = await prepared(t, target, more);
    const proxy = await faultProxy(t, target, rules);
    const result = await run();
    assert.equal(result.status, 'success', result.stderrTail);
    assert.ok(proxy.isDone(), 'each fault was met');
    await holdsAfter();
  });
}

/** A table that the rows do not fit into. */
function isOfAnotherShape({ options, target }) {
  test('a table of another shape: the run fails, and a FULL_REFRESH heals', options, async (t) => {
    const { run, holdsBefore, holdsAfter } = await prepared(t, target);
    const Columns = Object.keys(KINDS).map((name) => (name === 'code' ? 'rank' : name));
    for (const [source, message] of [
      [{ Types: ['tags: json', 'amount: string'] }, /"amount" of table "t" is .*FULL_REFRESH/],
      [{ UniqueKeys: ['rank'], Columns }, /no column "rank".*FULL_REFRESH/],
      [{ UniqueKeys: ['flag'] }, /unique key "flag" has no value in \d+ rows/],
    ]) {
      const failed = await run({ source });
      assert.equal(failed.code, 'CONNECTOR_FAILED', JSON.stringify(source));
      assert.match(failed.stderrTail, message);
      await holdsBefore();
    }
    const refreshed = await run({ type: 'FULL_REFRESH' });
    assert.equal(refreshed.status, 'success', refreshed.stderrTail);
    await holdsAfter();
  });
}

module.exports = { fails, isOfAnotherShape, overcomes };
