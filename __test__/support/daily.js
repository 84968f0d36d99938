'use strict';
// A server that has rows of 30 days and counts who asks for which, and loads of them that are killed
// at random moments and go on from their checkpoints.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');

const { query } = require('./duckdb');
const { runnerOf } = require('./runs');
const { tempFolder } = require('./temp');

const DAYS = Array.from({ length: 30 }, (_, at) => `2026-01-${String(at + 1).padStart(2, '0')}`);
const ROWS_A_DAY = 20;
const RANGE = { StartDate: DAYS[0], EndDate: DAYS.at(-1) };

/** Numbers that are the same for the same seed (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A server of `/?from=DAY&to=DAY`; `asked` is told of each request before it is answered. */
async function startDaily(t) {
  const daily = { counts: new Map(), asked: () => {} };
  const server = http.createServer((request, response) => {
    const { searchParams } = new URL(request.url, 'http://host');
    const [from, to] = ['from', 'to'].map((name) => searchParams.get(name));
    const days = DAYS.filter((day) => day >= from && day <= to);
    for (const day of days) daily.counts.set(day, (daily.counts.get(day) ?? 0) + 1);
    daily.asked(days);
    const rows = days.flatMap((day) =>
      Array.from({ length: ROWS_A_DAY }, (_, id) => ({ id: `${day}/${id}`, day, text: 'ї✓' })),
    );
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(rows));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  daily.url = `http://127.0.0.1:${server.address().port}/?from={StartDate}&to={EndDate}`;
  return daily;
}

/** Loads the 30 days; kills the run when `kill` says so, which is given the number of its request. */
function loaderOf(t, daily, database) {
  const source = {
    name: 'HttpJson',
    parameters: {
      Url: daily.url,
      UniqueKeys: ['id'],
      DateColumn: 'day',
      DaysPerStep: 1,
      ...RANGE,
    },
  };
  const storage = {
    name: 'DuckDb',
    config: { DatabasePath: database, DestinationTableName: 't' },
  };
  const run = runnerOf(t, source, storage, 'none');
  return async (asked, kill = () => undefined) => {
    let pid;
    let requests = 0;
    daily.asked = () => {
      const after = kill((requests += 1));
      if (after === undefined) return;
      const end = () => {
        try {
          process.kill(-pid, 'SIGKILL');
        } catch {
          // it was faster this time
        }
      };
      setTimeout(end, after);
    };
    return run({ ...asked, onSpawn: (given) => void (pid = given) });
  };
}

const contentOf = (database) => query(database, 'SELECT * FROM t ORDER BY id');

/** How a run is asked for: the range is the configuration's, or the run's own. */
const ASKED = [
  { type: 'INCREMENTAL' },
  {
    type: 'MANUAL_BACKFILL',
    data: Object.entries(RANGE).map(([configField, value]) => ({ configField, value })),
  },
];

/**
 * Loads that are killed, so many times in all: no more than one day is fetched again for each, and
 * the table is the one of a load in peace.
 */
async function killedLoads(t, { kills, seed }) {
  const random = randomOf(seed);
  const daily = await startDaily(t);
  const folder = tempFolder(t);
  const peaceful = path.join(folder, 'peaceful.duckdb');
  const result = await loaderOf(t, daily, peaceful)({});
  assert.equal(result.status, 'success', `${result.message} ${result.stderrTail}`);
  assert.deepEqual(
    [...daily.counts.values()],
    DAYS.map(() => 1),
  );
  const wanted = await contentOf(peaceful);

  let killed = 0;
  for (let load = 0; killed < kills; load += 1) {
    const database = path.join(folder, `${load}.duckdb`);
    const run = loaderOf(t, daily, database);
    const asked = ASKED[load % ASKED.length];
    daily.counts.clear();
    let [state, killsHere, ended] = [{}, 0, null];
    while (ended?.status !== 'success') {
      const left = DAYS.length - daily.counts.size + 2;
      const at = 1 + Math.floor(random() * Math.min(left, 12));
      const after = Math.floor(random() * 25);
      const isLast = killed + killsHere >= kills;
      ended = await run({ ...asked, state }, (request) =>
        request === at && !isLast ? after : undefined,
      );
      if (ended.status === 'success') break;
      assert.equal(ended.result?.signal, 'SIGKILL', `${ended.message} ${ended.stderrTail}`);
      killsHere += 1;
      state = ended.run.checkpoint ?? state;
    }
    const again = [...daily.counts.values()].reduce((sum, count) => sum + count - 1, 0);
    assert.equal(daily.counts.size, DAYS.length);
    assert.ok(again <= killsHere, `${again} days again after ${killsHere} kills (seed ${seed})`);
    assert.deepEqual(await contentOf(database), wanted, `load ${load} (seed ${seed})`);
    killed += killsHere;
  }
  return killed;
}

module.exports = { killedLoads, randomOf };
