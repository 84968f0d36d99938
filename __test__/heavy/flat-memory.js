'use strict';
// Memory of CsvFile into DuckDb does not grow with the rows: 10,000 and 1,000,000 of them.
//   node __test__/heavy/flat-memory.js [ROWS]

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { query } = require('../support/duckdb');
const { runnerOf } = require('../support/runs');
const { tempFolder } = require('../support/temp');

const FEW = 10_000;
const many = Number(process.argv[2] ?? 1_000_000);
/** DuckDB may use 256 MB before it works with files, as MemoryLimitMb says, and is not exact. */
const DUCKDB_BYTES = 1.5 * 256 * 2 ** 20;

/** About 100 bytes a row. */
function csvWith(folder, rows) {
  const file = path.join(folder, `${rows}.csv`);
  const out = fs.openSync(file, 'w');
  fs.writeSync(out, 'id,day,amount,name,note\n');
  for (let from = 0; from < rows; from += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, rows - from) }, (_, offset) => {
      const id = from + offset;
      const day = new Date(Date.UTC(2020, 0, 1 + (id % 1000))).toISOString().slice(0, 10);
      return `${id},${day},${id / 8},"Назва ${id}","${'n'.repeat(40)} ${id % 97}"\n`;
    });
    fs.writeSync(out, lines.join(''));
  }
  fs.closeSync(out);
  return file;
}

test(`${FEW} and ${many} rows`, async (t) => {
  const folder = tempFolder(t);
  const peaks = {};
  for (const rows of [FEW, many]) {
    const database = path.join(folder, `${rows}.duckdb`);
    const source = {
      name: 'CsvFile',
      parameters: { Path: csvWith(folder, rows), UniqueKeys: ['id'], DateColumn: 'day' },
    };
    const config = { DatabasePath: database, DestinationTableName: 't' };
    const run = runnerOf(t, source, { name: 'DuckDb', config });
    // The second run merges each row with itself, which takes more.
    for (const what of ['load', 'merge']) {
      const { resources, status, timings, stderrTail } = await run();
      assert.equal(status, 'success', stderrTail);
      peaks[`${what} ${rows}`] = resources.peakRssBytes;
      const [megabytes, seconds] = [resources.peakRssBytes / 2 ** 20, timings.executionMs / 1000];
      console.log(
        `${what} ${rows} rows: ${Math.round(megabytes)} MB at most, ${seconds.toFixed(1)} s, ` +
          `${Math.round(rows / seconds)} rows/s`,
      );
    }
    assert.deepEqual(await query(database, 'SELECT count(*), sum(id) FROM t'), [
      [`${rows}`, `${(BigInt(rows) * BigInt(rows - 1)) / 2n}`],
    ]);
  }
  for (const what of ['load', 'merge']) {
    const growth = peaks[`${what} ${many}`] - peaks[`${what} ${FEW}`];
    console.log(
      `${what}: ${Math.round(growth / 2 ** 20)} MB more for ${many / FEW} times the rows`,
    );
    assert.ok(growth < DUCKDB_BYTES, `${growth} bytes more`);
  }
});
