'use strict';
// Memory of CsvFile into DuckDb does not grow with the rows: 10,000, 1,000,000 and 3,000,000 of them.
//   node __test__/heavy/flat-memory.js [ROWS…]

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { query } = require('../support/duckdb');
const { runnerOf } = require('../support/runs');
const { tempFolder } = require('../support/temp');

const sizes = process.argv.slice(2).map(Number);
if (sizes.length === 0) sizes.push(10_000, 1_000_000, 3_000_000);

/**
 * From the first size to the second: V8's young generation grows to its full size, and DuckDB works
 * with a group of rows and with a part of the staged ones. Then it stays so, but for a run that
 * changes all rows: DuckDB remembers each until the commit, within MemoryLimitMb.
 */
const MEGABYTE = 2 ** 20;
const FIXED_BYTES = { load: 96 * MEGABYTE, merge: 96 * MEGABYTE, change: 256 * MEGABYTE };
const LATER_BYTES = { load: 32 * MEGABYTE, merge: 32 * MEGABYTE, change: 256 * MEGABYTE };

/** About 100 bytes a row; with `shuffled`, all rows are changed and come in another order. */
function writeCsv(file, rows, { shuffled = false } = {}) {
  const out = fs.openSync(file, 'w');
  fs.writeSync(out, 'id,day,amount,name,note\n');
  const note = (shuffled ? 'm' : 'n').repeat(40);
  for (let from = 0; from < rows; from += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, rows - from) }, (_, offset) => {
      // 7,919 is a prime that divides none of the sizes, so each row comes once.
      const id = shuffled ? ((from + offset) * 7919) % rows : from + offset;
      const day = new Date(Date.UTC(2020, 0, 1 + (id % 1000))).toISOString().slice(0, 10);
      return `${id},${day},${id / 8},"Назва ${id}","${note} ${id % 97}"\n`;
    });
    fs.writeSync(out, lines.join(''));
  }
  fs.closeSync(out);
}

test(`${sizes.join(', ')} rows`, async (t) => {
  const folder = tempFolder(t);
  const peaks = { load: [], merge: [], change: [] };
  for (const rows of sizes) {
    const file = path.join(folder, `${rows}.csv`);
    const database = path.join(folder, `${rows}.duckdb`);
    const source = {
      name: 'CsvFile',
      parameters: { Path: file, UniqueKeys: ['id'], DateColumn: 'day' },
    };
    const config = { DatabasePath: database, DestinationTableName: 't' };
    const run = runnerOf(t, source, { name: 'DuckDb', config });
    writeCsv(file, rows);
    for (const what of Object.keys(peaks)) {
      if (what === 'change') writeCsv(file, rows, { shuffled: true });
      const { resources, status, timings, stderrTail } = await run();
      assert.equal(status, 'success', stderrTail);
      peaks[what].push(resources.peakRssBytes);
      const seconds = timings.executionMs / 1000;
      console.log(
        `${what} ${rows} rows: ${Math.round(resources.peakRssBytes / MEGABYTE)} MB at most, ${seconds.toFixed(1)} s, ` +
          `${Math.round(rows / seconds)} rows/s`,
      );
    }
    const sum = (BigInt(rows) * BigInt(rows - 1)) / 2n;
    assert.deepEqual(
      await query(database, "SELECT count(*), sum(id), count(*) FILTER (note LIKE 'm%') FROM t"),
      [[`${rows}`, `${sum}`, `${rows}`]],
    );
    fs.rmSync(file);
  }
  for (const [what, [first, second, ...more]] of Object.entries(peaks)) {
    assert.ok(second - first < FIXED_BYTES[what], `${what}: ${second - first} bytes more`);
    for (const peak of more) {
      assert.ok(
        peak - second < LATER_BYTES[what],
        `${what}: still growing, ${peak - second} bytes more`,
      );
    }
  }
});
