'use strict';
// What BigQuery limits or keeps for itself, and tables that others have made. The proxy refuses what
// BigQuery refuses and the emulator does not.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');

const { withFunctions } = require('../../packages/connectors/src/Storages/GoogleBigQuery/longSql');
const { castTo } = require('../../packages/connectors/src/Storages/GoogleBigQuery/sql');
const { loaderOf } = require('./support/loader');
const { faultProxy } = require('./support/proxy');
const { target } = require('./support/targets');

const { options, target: bigQuery } = target('GoogleBigQuery', { before, after });

const MOST_CHARACTERS = 1024 * 1024;
const queryOf = (body) => {
  try {
    return JSON.parse(body).configuration?.query?.query ?? '';
  } catch {
    return '';
  }
};

function refusal(message) {
  return (response) =>
    response.writeHead(400, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        error: { code: 400, message, errors: [{ reason: 'invalidQuery', message }] },
      }),
    );
}

// The emulator takes a quarter of an hour for a table of so many columns.
test('1,500 moments that are written in several ways fit into one query', () => {
  const columns = Array.from({ length: 1500 }, (_, at) => ({
    name: `moment_${at}`,
    sqlType: 'TIMESTAMP',
    staged: `c${at}`,
    inferred: { type: 'timestamptz', hasOddDates: true, hasEmpty: at % 2 === 0 },
  }));
  const statementFor = (valueOf) => `SELECT ${columns.map(valueOf).join(', ')} FROM t`;
  const plain = statementFor(({ sqlType, staged, inferred }) => castTo(sqlType, staged, inferred));
  assert.ok(plain.length > MOST_CHARACTERS);
  const sql = withFunctions(columns, statementFor);
  assert.ok(sql.length < 100_000);
  assert.match(sql, /^CREATE TEMP FUNCTION owox_cast_0\(x STRING\) AS \(CAST/);
  assert.match(sql, /owox_cast_0\(c0\), owox_cast_1\(c1\)/);
  assert.equal(withFunctions(columns.slice(0, 9), String).includes('FUNCTION'), false);
});

test('names that BigQuery keeps for itself get others, with a warning', options, async (t) => {
  const load = await loaderOf(t, bigQuery, 'reserved', { UniqueKeys: ['id'] });
  const reserved = ['_PARTITIONDATE', '_file_name', '_TABLE_SUFFIX', '__root__x', '_CHANGE_TYPE'];
  const row = { id: 1, ...Object.fromEntries(reserved.map((name, at) => [name, `v${at}`])) };
  for (let run = 0; run < 2; run += 1) {
    const done = await load([{ ...row, id: run }]);
    assert.equal(done.status, 'success', `${done.message} ${done.stderrTail}`);
    for (const name of reserved) {
      const warning = `Column "${name}" is called "column${name}" in BigQuery`;
      assert.ok(JSON.stringify(done).includes(JSON.stringify(warning).slice(1, -1)), name);
    }
  }
  const types = await bigQuery.typesOf('reserved', 't');
  assert.deepEqual(Object.keys(types), ['id', ...reserved.map((name) => `column${name}`)]);
  const clash = await load([{ id: 1, _FILE_: 1, column_FILE_: 2 }]);
  assert.match(clash.stderrTail, /Columns "_FILE_" and "column_FILE_" have the same name/);
});

test('NUMERIC columns take the numbers that they hold', options, async (t) => {
  const load = await loaderOf(t, bigQuery, 'numeric', { UniqueKeys: ['id'] });
  await load([{ id: 1 }]);
  await bigQuery.client.query(
    'CREATE OR REPLACE TABLE `p.numeric.t` (id INT64, amount NUMERIC, big BIGNUMERIC)',
  );
  const taken = await load([
    { id: 1, amount: 12.34, big: 0.5 },
    { id: 2, amount: 5, big: 7 },
  ]);
  assert.equal(taken.status, 'success', `${taken.message} ${taken.stderrTail}`);
  const rounded = await load([{ id: 3, amount: 0.12345678912 }]);
  assert.match(rounded.stderrTail, /"amount" of table "t" is NUMERIC.*1 rows without rounding/);
  const word = await load([{ id: 3, amount: 'word' }]);
  assert.match(word.stderrTail, /"amount".*NUMERIC.*string.*"word"/);
  assert.deepEqual(
    await bigQuery.read('numeric', 't', { id: 'integer', amount: 'number', big: 'number' }),
    [
      { id: '1', amount: 12.34, big: 0.5 },
      { id: '2', amount: 5, big: 7 },
    ],
  );
});

test('columns that require a value are named', options, async (t) => {
  const load = await loaderOf(t, bigQuery, 'required', { UniqueKeys: ['id'] });
  await load([{ id: 1 }]);
  await bigQuery.client.query(
    'CREATE OR REPLACE TABLE `p.required.t` (id INT64 NOT NULL, a STRING NOT NULL, b INT64 NOT NULL)',
  );
  const lacking = await load([{ id: 1, a: 'x' }]);
  assert.match(lacking.stderrTail, /Table "t" requires a value in "b", which the rows do not have/);
  const empty = await load([
    { id: 1, a: 'x', b: 1 },
    { id: 2, a: null, b: null },
  ]);
  assert.match(empty.stderrTail, /Table "t" requires a value in "a", "b", which some rows/);
  assert.equal(await bigQuery.count('required', 't'), 0);
  const whole = await load([{ id: 1, a: 'x', b: 1 }]);
  assert.equal(whole.status, 'success', whole.stderrTail);
});

test(
  'a widened table keeps its partitions; one with policy tags is left alone',
  options,
  async (t) => {
    const queries = [];
    const rules = [
      {
        when(_, body) {
          queries.push(queryOf(body));
          // As BigQuery does where the new one is partitioned otherwise.
          return /^CREATE OR REPLACE TABLE `p\.part\.t`(?!.* PARTITION BY )/s.test(queryOf(body));
        },
        answer: refusal(
          'Cannot replace a table with a different partitioning spec. Instead, DROP the table, and then recreate it.',
        ),
      },
    ];
    const load = await loaderOf(t, bigQuery, 'part', { DateColumn: 'day' });
    assert.equal((await load([{ day: '2024-01-01', n: 1 }])).status, 'success');
    await faultProxy(t, bigQuery, rules);
    const wider = await load([{ day: '2024-01-02T01:02:03', n: 1.5 }]);
    assert.equal(wider.status, 'success', `${wider.message} ${wider.stderrTail}`);
    const [{ timePartitioning }] = await bigQuery.client.dataset('part').table('t').getMetadata();
    assert.deepEqual([timePartitioning?.type, timePartitioning?.field], ['DAY', 'day']);
    assert.deepEqual(await bigQuery.read('part', 't', { day: 'timestamp', n: 'number' }), [
      { day: '2024-01-01T00:00:00.000000', n: 1 },
      { day: '2024-01-02T01:02:03.000000', n: 1.5 },
    ]);
    const refresh = await load([{ day: '2024-02-02', n: 1 }], 'FULL_REFRESH');
    assert.equal(refresh.status, 'success', refresh.stderrTail);
    // In place where BigQuery can.
    queries.length = 0;
    assert.equal((await load([{ day: '2024-02-02', n: 2.5 }])).status, 'success');
    assert.ok(queries.some((query) => /ALTER COLUMN `n` SET DATA TYPE FLOAT64/.test(query)));
    assert.ok(!queries.some((query) => query.startsWith('CREATE OR REPLACE TABLE')));

    bigQuery.pointTo(bigQuery.origin);
    await faultProxy(t, bigQuery, [
      {
        when: ({ method, url }) => method === 'GET' && /tables\/t(?:\?|$)/.test(url),
        change: (text) =>
          text
            .replaceAll('"name":"day"', '"name":"day","policyTags":{"names":["x"]}')
            .replaceAll('"name": "day"', '"name": "day","policyTags":{"names":["x"]}'),
      },
    ]);
    const tagged = await load([{ day: '2024-02-03T01:02:03', n: 1 }]);
    assert.match(tagged.stderrTail, /written anew.*"day" as DATETIME.*policy tags/);
    assert.equal(await bigQuery.count('part', 't'), 1);
  },
);

test('integers beyond 2^53 are not made decimals', options, async (t) => {
  const load = await loaderOf(t, bigQuery, 'exact', { UniqueKeys: ['id'] });
  await load([{ id: '9007199254740993', n: 1 }]);
  await bigQuery.client.query('UPDATE `p.exact.t` SET n = 9007199254740993 WHERE TRUE');
  const failed = await load([{ id: '1', n: 1.5 }]);
  assert.match(failed.stderrTail, /"n" of table "t" has integers that decimals cannot hold/);
  assert.equal((await bigQuery.typesOf('exact', 't')).n, 'INTEGER');
});
