'use strict';
// What storages stage: lines of text, in batches.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { TextRows } = require('../../packages/connectors/src/Core/TextRows');
const { TextStaging } = require('../../packages/connectors/src/Storages/TextStaging');

/** The batches that a staging would send. */
async function batchesOf(rows, maxRows) {
  const batches = [];
  const staging = new TextStaging(maxRows);
  staging.send = async (text) => void batches.push(text);
  await staging.write(rows);
  await staging.flush();
  return { batches, staging };
}

const linesOf = (batch) =>
  batch
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

test('a line has the number and the values, by columns in the order in which they came', async () => {
  const { batches, staging } = await batchesOf(
    [
      { a: 'x', b: null },
      { c: 1n, a: 'y' },
    ],
    10,
  );
  assert.deepEqual(linesOf(batches[0]), [
    { n: 0, c0: 'x' },
    { n: 1, c0: 'y', c2: '1' },
  ]);
  assert.deepEqual(
    [...staging.columns],
    [
      ['a', 'c0'],
      ['b', 'c1'],
      ['c', 'c2'],
    ],
  );
  assert.equal(staging.rowCount, 2);
});

test('half a character, which JSON can have and no storage takes, becomes U+FFFD', async () => {
  const { batches } = await batchesOf([{ a: JSON.parse(String.raw`"x\ud83d\ud83d\ude00"`) }], 10);
  assert.deepEqual(linesOf(batches[0]), [{ n: 0, c0: 'x\ufffd😀' }]);
});

test('a batch ends with its number of rows, or before it gets large', async () => {
  const few = await batchesOf(
    Array.from({ length: 5 }, (_, a) => ({ a })),
    2,
  );
  assert.deepEqual(
    few.batches.map((batch) => linesOf(batch).length),
    [2, 2, 1],
  );
  const wide = await batchesOf(
    Array.from({ length: 5 }, () => ({ a: 'x'.repeat(9e6) })),
    100,
  );
  assert.deepEqual(
    wide.batches.map((batch) => linesOf(batch).length),
    [2, 2, 1],
  );
  assert.deepEqual((await batchesOf([], 2)).batches, []);
});

test('a list of records is staged as the same rows are as objects', async () => {
  const before = [{ b: 'first' }];
  const rows = new TextRows(
    ['a', 'b', '__proto__'],
    [
      ['1', null, 'x'],
      [null, '\ud800', ''],
    ],
  );
  const batchesWith = async (given) => {
    const staging = new TextStaging(10);
    const texts = [];
    staging.send = async (text) => void texts.push(text);
    await staging.write(before);
    await staging.write(given);
    await staging.flush();
    return { texts, columns: [...staging.columns] };
  };
  assert.deepEqual(await batchesWith(rows), await batchesWith([...rows]));
});
