'use strict';
// Once per storage: many rows, a run that is killed in the middle, a schema that grows.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { runnerOf } = require('../../support/runs');
const { tempFolder } = require('../../support/temp');
const { rowsOf, toCsv } = require('./dataset');
const { assertHolds } = require('./matrix');
const { target: targetOf } = require('./targets');

const AT_A_TIME = 10_000;

/** A CSV file with so many rows of dataset.js. */
function csvWith(t, rows) {
  const file = path.join(tempFolder(t), 'data.csv');
  for (let from = 0; from < rows; from += AT_A_TIME) {
    const text = toCsv(rowsOf(from, Math.min(from + AT_A_TIME, rows)));
    fs.appendFileSync(file, from === 0 ? text : text.slice(text.indexOf('\n') + 1));
  }
  return file;
}

function csvRunner(t, target, place, parameters) {
  const source = { name: 'CsvFile', parameters: { UniqueKeys: ['id'], ...parameters } };
  return runnerOf(t, source, target.storage(place, { DestinationTableName: 't' }));
}

async function succeed(run) {
  const result = await run;
  assert.equal(result.status, 'success', `${result.message} ${result.stderrTail}`);
  return result;
}

/**
 * Runs that are killed at random moments, each repeated: the table is as it was or whole, and after
 * the repetition the same as one that was loaded in peace.
 *
 * @param {number} rows
 * @param {number} kills
 */
function killed({ options, target }, rows, kills) {
  test(`${rows} rows, and ${kills} runs that are killed in the middle`, options, async (t) => {
    const parameters = { DateColumn: 'day', Types: ['tags: json'] };
    const few = csvWith(t, 100);
    const many = csvWith(t, rows);
    const whole = csvRunner(t, target, 'whole', { ...parameters, Path: many });
    const { timings } = await succeed(whole());
    assert.equal(await target.count('whole', 't'), rows);
    const wanted = await target.digest('whole', 't');

    for (let kill = 1; kill <= kills; kill += 1) {
      const place = `killed_${kill}`;
      const run = csvRunner(t, target, place, parameters);
      await succeed(run({ source: { Path: few } }));
      const before = await target.digest(place, 't');
      const moment = Math.round(Math.random() * timings.executionMs);
      t.diagnostic(`killed ${moment} ms after its start, of ${timings.executionMs}`);
      const failed = await run({
        source: { Path: many },
        onSpawn: (pid) => {
          const end = () => {
            try {
              process.kill(-pid, 'SIGKILL');
            } catch {
              // it was faster this time
            }
          };
          setTimeout(end, moment).unref();
        },
      });
      assert.ok(failed.result?.signal === 'SIGKILL' || failed.status === 'success', failed.message);
      const left = await target.digest(place, 't');
      assert.ok([String(before), String(wanted)].includes(String(left)), `half of it: ${left}`);
      await succeed(run({ source: { Path: many } }));
      assert.deepEqual(await target.digest(place, 't'), wanted);
    }
  });
}

/** Columns that come later, or get their first value later. */
function grows({ options, target }) {
  test('a schema that grows, and shrinks again', options, async (t) => {
    const file = path.join(tempFolder(t), 'data.csv');
    const run = csvRunner(t, target, 'grows', { Path: file });
    const load = async (text) => {
      fs.writeFileSync(file, text);
      await succeed(run());
    };
    await load('id,late,first\n1,,a\n2,,b\n');
    await load('id,late,first,second\n2,2026-01-02,B,1.5\n3,,c,\n');
    const third = Array.from({ length: 60 }, (_, at) => `third_${at}`);
    await load(
      `id,${third.join(',')}\n3,${third.map((_, at) => at).join(',')}\n4${',0'.repeat(60)}\n`,
    );
    await load('id,first\n1,"ще раз"\n');
    const kinds = {
      id: 'integer',
      first: 'string',
      late: 'date',
      second: 'number',
      ...Object.fromEntries(third.map((name) => [name, 'integer'])),
    };
    const all = (value) => Object.fromEntries(third.map((name, at) => [name, value(at)]));
    const none = all(() => null);
    await assertHolds(target, 'grows', {
      t: {
        kinds,
        rows: [
          { id: '1', first: 'ще раз', late: null, second: null, ...none },
          { id: '2', first: 'B', late: '2026-01-02', second: 1.5, ...none },
          { id: '3', first: 'c', late: null, second: null, ...all(String) },
          { id: '4', first: null, late: null, second: null, ...all(() => '0') },
        ],
      },
    });
  });
}

/** Declares the tests of one storage. */
function large(storage, { rows = 100_000, kills = 1 } = {}) {
  const started = targetOf(storage, { before, after });
  grows(started);
  killed(started, rows, kills);
}

module.exports = { csvWith, large };
