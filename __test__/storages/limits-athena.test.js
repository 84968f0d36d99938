'use strict';
// What Athena limits: the length of a query, the partitions that one writes to, the columns of a table
// that a MERGE changes. The emulator refuses what Athena refuses.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');

const { loaderOf } = require('./support/loader');
const { faultProxy } = require('./support/proxy');
const { target } = require('./support/targets');

const { options, target: athena } = target('AwsAthena', { before, after });

const MOST_QUERY_BYTES = 262_144;
const isQuery = ({ headers }) => headers['x-amz-target'] === 'AmazonAthena.StartQueryExecution';

/** Runs through a proxy that knows the longest query, and refuses those that Athena would. */
async function measured(t) {
  const queries = [];
  await faultProxy(t, athena, [
    {
      when(request, body) {
        if (!isQuery(request)) return false;
        const query = JSON.parse(body).QueryString;
        queries.push(query);
        return Buffer.byteLength(query) > MOST_QUERY_BYTES;
      },
      answer: (response) =>
        response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' }).end(
          JSON.stringify({
            __type: 'InvalidRequestException',
            message: `Value at 'queryString' failed to satisfy constraint: Member must have length less than or equal to ${MOST_QUERY_BYTES}`,
          }),
        ),
    },
  ]);
  return queries;
}

function wideRow(columns, id, valueOf, nameOf = (at) => `c${at}`) {
  const names = Array.from({ length: columns }, (_, at) => nameOf(at));
  return { id, ...Object.fromEntries(names.map((name, at) => [name, valueOf(at)])) };
}

test('500 moments and 2,000 numbers with long names are loaded twice', options, async (t) => {
  await measured(t);
  const load = await loaderOf(t, athena, 'wide', { UniqueKeys: ['id'] });
  const nameOf = (at) => `a_rather_long_name_for_a_column_of_a_report_number_${at}`;
  const rowOf = (id, day) =>
    wideRow(
      2500,
      id,
      (at) => (at < 500 ? `2024-01-0${day}T01:02:03.5+0200` : at + day / 10),
      nameOf,
    );
  const first = await load([rowOf(1, 1), rowOf(2, 1)]);
  assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
  const second = await load([rowOf(2, 3), rowOf(2, 2), rowOf(3, 2)]);
  assert.equal(second.status, 'success', `${second.message} ${second.stderrTail}`);
  const kinds = { id: 'integer', [nameOf(499)]: 'timestamptz', [nameOf(2499)]: 'number' };
  const shown = (id, day) => ({
    id: String(id),
    [nameOf(499)]: `2023-12-31T23:02:03.500000Z`.replace(
      '2023-12-31',
      ['2023-12-31', '2024-01-01'][day - 1],
    ),
    [nameOf(2499)]: 2499 + day / 10,
  });
  const rows = await athena.read('wide', 't', kinds);
  assert.deepEqual(rows, [shown(1, 1), shown(2, 2), shown(3, 2)]);
  assert.deepEqual(await athena.tables('wide'), ['t']);
});

test(
  'wide tables: days are replaced, a refresh replaces all, columns that are lacking stay',
  options,
  async (t) => {
    await measured(t);
    const keyed = await loaderOf(t, athena, 'kept', { UniqueKeys: ['id'] });
    await keyed([wideRow(400, 1, (at) => at)]);
    const part = await keyed([
      { id: 1, c3: 33, added: 'x' },
      { id: 2, c3: 4 },
    ]);
    assert.equal(part.status, 'success', part.stderrTail);
    const kinds = { id: 'integer', c2: 'integer', c3: 'integer', added: 'string' };
    assert.deepEqual(await athena.read('kept', 't', kinds), [
      { id: '1', c2: '2', c3: '33', added: 'x' },
      { id: '2', c2: null, c3: '4', added: null },
    ]);

    const dated = await loaderOf(t, athena, 'dated', { DateColumn: 'day' });
    const on = (day, value) => ({ day, ...wideRow(400, value, (at) => at) });
    await dated([on('2024-01-01', 1), on('2024-01-02', 2), on(null, 3)]);
    const again = await dated([on('2024-01-02', 20), on('2024-01-03', 30)]);
    assert.equal(again.status, 'success', again.stderrTail);
    const ids = async () =>
      (await athena.read('dated', 't', { id: 'integer', c1: 'integer' })).map(({ id }) => id);
    assert.deepEqual(
      await ids(),
      ['1', '20', '3', '30'].sort((a, b) => a - b),
    );
    const undated = await dated([on(null, 4)]);
    assert.equal(undated.status, 'success', undated.stderrTail);
    assert.deepEqual(await ids(), ['1', '4', '20', '30']);
    const refresh = await dated([on('2024-01-04', 5)], 'FULL_REFRESH');
    assert.equal(refresh.status, 'success', refresh.stderrTail);
    assert.deepEqual(await ids(), ['5']);
    assert.deepEqual(await athena.tables('dated'), ['t']);
  },
);

test('names that no query has room for are refused, and nothing is left', options, async (t) => {
  const nameOf = (at) => `${'n'.repeat(240)}_${at}`;
  const load = await loaderOf(t, athena, 'names', { UniqueKeys: ['id'] });
  const first = await load([wideRow(1500, 1, (at) => at, nameOf)]);
  assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
  // Decimals make a copy of the table, which names each column once.
  const failed = await load([wideRow(1500, 1, (at) => at + 0.5, nameOf)]);
  assert.match(failed.stderrTail, /query would have [\d,]+ bytes.*262,144.*Fields.*shorter names/);
  assert.deepEqual(await athena.tables('names'), ['t']);
  const rows = await athena.read('names', 't', { id: 'integer', [nameOf(7)]: 'integer' });
  assert.deepEqual(rows, [{ id: '1', [nameOf(7)]: '7' }]);
});

test('a statement that fails leaves no table, no column and no draft', options, async (t) => {
  const load = await loaderOf(t, athena, 'nothing', { UniqueKeys: ['id'] });
  const rules = (pattern) => [
    {
      when: (request, body) => isQuery(request) && pattern.test(JSON.parse(body).QueryString),
      answer: (response) =>
        response
          .writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
          .end(
            JSON.stringify({ __type: 'InvalidRequestException', message: 'refused by the test' }),
          ),
    },
  ];
  await faultProxy(t, athena, rules(/^INSERT INTO/));
  const first = await load([{ id: 1, n: 1 }]);
  assert.match(first.stderrTail, /refused by the test/);
  assert.deepEqual(await athena.tables('nothing'), []);
  athena.pointTo(athena.origin);
  assert.equal((await load([{ id: 1, n: 1 }])).status, 'success');
  await faultProxy(t, athena, rules(/^(?:MERGE|INSERT) INTO/));
  for (const row of [
    { id: 1, n: 2, more: 'x' },
    { id: 1, n: 2.5, more: 'x' },
  ]) {
    const failed = await load([row]);
    assert.match(failed.stderrTail, /refused by the test/);
    assert.deepEqual(await athena.tables('nothing'), ['t']);
    assert.deepEqual(await athena.typesOf('nothing', 't'), { id: 'bigint', n: 'bigint' });
  }
});

test('more months than partitions in one statement', options, async (t) => {
  const month = (at) =>
    `${2000 + Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, '0')}-15`;
  const days = (from, count) =>
    Array.from({ length: count }, (_, at) => ({ id: from + at, day: month(from + at), v: from }));
  const dayKinds = { id: 'integer', day: 'date', v: 'integer' };
  const count = (place) => athena.count(place, 't');

  // A table with partitions by month, into which many months come.
  const keyed = await loaderOf(t, athena, 'months', { UniqueKeys: ['id'], DateColumn: 'day' });
  await keyed(days(0, 3));
  const many = await keyed([...days(1, 150), { id: 900, day: null, v: 9 }]);
  assert.equal(many.status, 'success', `${many.message} ${many.stderrTail}`);
  assert.equal(await count('months'), 152);
  const [zero, one] = await athena.read('months', 't', dayKinds);
  assert.deepEqual([zero.v, one.v, one.day], ['0', '1', month(1)]);
  const refresh = await keyed(days(2, 140), 'FULL_REFRESH');
  assert.equal(refresh.status, 'success', refresh.stderrTail);
  assert.equal(await count('months'), 140);

  // Without keys, and rewritten for a wider type.
  const loose = await loaderOf(t, athena, 'loose', { DateColumn: 'day' });
  await loose(days(0, 2));
  const more = await loose([...days(1, 130), { id: 901, day: null, v: 1 }]);
  assert.equal(more.status, 'success', more.stderrTail);
  assert.equal(await count('loose'), 132);
  const wider = await loose([{ id: 1.5, day: '2024-01-01T01:02:03', v: 2.5 }]);
  assert.equal(wider.status, 'success', wider.stderrTail);
  assert.equal(await count('loose'), 133);
  assert.equal((await athena.typesOf('loose', 't')).day, 'timestamp');

  // Partitions by day, which others have made.
  await athena.sql(
    'CREATE TABLE `loose`.`daily` (`id` bigint, `day` date) PARTITIONED BY (day(`day`)) ' +
      "LOCATION 's3://bucket/daily/' TBLPROPERTIES ('table_type' = 'ICEBERG')",
  );
  const daily = await loaderOf(
    t,
    athena,
    'loose',
    { UniqueKeys: ['id'], DateColumn: 'day' },
    'daily',
  );
  const year = Array.from({ length: 300 }, (_, at) => ({
    id: at,
    day: new Date(Date.UTC(2024, 0, 1 + at)).toISOString().slice(0, 10),
  }));
  const whole = await daily(year);
  assert.equal(whole.status, 'success', whole.stderrTail);
  assert.equal(await athena.count('loose', 'daily'), 300);
});

test(
  'a run that is killed while a table is replaced is completed by the next',
  options,
  async (t) => {
    const load = await loaderOf(t, athena, 'halfway', { UniqueKeys: ['id'] });
    await load([
      { id: 1, n: 1 },
      { id: 2, n: 2 },
    ]);
    await athena.sql('ALTER TABLE `halfway`.`t` RENAME TO `halfway`.`owox_ready_t`');
    await athena.sql(
      'CREATE TABLE `halfway`.`owox_draft_1700000000000_x` (`id` bigint) ' +
        "LOCATION 's3://bucket/x/' TBLPROPERTIES ('table_type' = 'ICEBERG')",
    );
    const next = await load([{ id: 2, n: 3 }]);
    assert.equal(next.status, 'success', next.stderrTail);
    assert.deepEqual(await athena.read('halfway', 't', { id: 'integer', n: 'integer' }), [
      { id: '1', n: '1' },
      { id: '2', n: '3' },
    ]);
    assert.deepEqual(await athena.tables('halfway'), ['t']);
  },
);

test('queries run in the work group that is named', options, async (t) => {
  const groups = new Set();
  await faultProxy(t, athena, [
    {
      when(request, body) {
        if (isQuery(request)) groups.add(JSON.parse(body).WorkGroup);
        return false;
      },
    },
  ]);
  const load = await loaderOf(t, athena, 'group', {});
  const missing = await load([{ id: 1 }], 'INCREMENTAL', { AthenaWorkGroup: 'nobody' });
  assert.match(missing.stderrTail, /WorkGroup.*check AthenaWorkGroup/);
  const there = await load([{ id: 1 }], 'INCREMENTAL', { AthenaWorkGroup: 'primary' });
  assert.equal(there.status, 'success', there.stderrTail);
  assert.deepEqual([...groups], ['nobody', 'primary']);
});
