'use strict';
// HttpJson into DuckDb through a real run, against a loopback API that throttles.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { query, referencePackage } = require('./support/duckdb');
const { tempFolder } = require('./support/temp');

const TOKEN = 'token-0123456789';
const RECORDS = Array.from({ length: 250 }, (_, id) => ({
  id,
  day: `2026-01-${String(1 + Math.floor(id / 10)).padStart(2, '0')}`,
  name: `ім'я "${id}"`,
  amount: id / 4,
  tags: id % 2 ? { odd: true } : null,
}));

/** Pages of 100, every third request refused; wants the token. */
function api(request, response) {
  api.count = (api.count ?? 0) + 1;
  if (request.headers.authorization !== `Bearer ${TOKEN}`) return response.writeHead(401).end();
  if (api.count % 3 === 2) return response.writeHead(429, { 'retry-after': '0' }).end();
  const { searchParams } = new URL(request.url, 'http://host');
  const page = Number(searchParams.get('page'));
  const from = searchParams.get('from');
  const records = RECORDS.filter(({ day }) => day >= from);
  return response.end(JSON.stringify({ data: records.slice((page - 1) * 100, page * 100) }));
}

test('pages are loaded with retries, then incrementally, and the token stays secret', async (t) => {
  const server = http.createServer(api).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const folder = tempFolder(t);
  const database = path.join(folder, 'api.duckdb');
  const run = async (state, token = TOKEN) => {
    let printed = '';
    const keep = (text) => {
      printed += text;
    };
    const config = new Config({
      name: 'api',
      source: {
        name: 'HttpJson',
        config: {
          Url: `http://127.0.0.1:${server.address().port}/records?from={StartDate}`,
          BearerToken: token,
          RecordsPath: 'data',
          Paging: { page: { Parameter: 'page' } },
          DateColumn: 'day',
          UniqueKeys: ['id'],
          StartDate: '2026-01-01',
        },
      },
      storage: { name: 'DuckDb', config: { DatabasePath: database, DestinationTableName: 't' } },
    });
    const runner = new ConnectorRunner({ connectorsPackage: referencePackage, runsDir: folder });
    const stdio = { logCapture: { onStdout: keep, onStderr: keep } };
    const outcome = await runner
      .run('id', 'run', config, new RunConfig({ state }), stdio)
      .catch((error) => error);
    assert.ok(!printed.includes(token), printed);
    return outcome;
  };

  const first = await run({});
  assert.equal(first.status, 'success', first.stderrTail);
  const date = '2026-01-25T00:00:00.000Z';
  assert.deepEqual(first.state, { date, tables: { t: { date } } });
  const stored = await query(database, 'SELECT id, day, name, amount, tags FROM t ORDER BY id');
  const served = RECORDS.map((record) => [
    `${record.id}`,
    record.day,
    record.name,
    `${record.amount}`,
    record.tags && JSON.stringify(record.tags),
  ]);
  assert.deepEqual(stored, served);

  const before = api.count;
  const second = await run(first.state);
  assert.equal(second.status, 'success', second.stderrTail);
  assert.ok(api.count - before <= 4, 'only the last days are asked for');
  assert.deepEqual(await query(database, 'SELECT count(*) FROM t'), [['250']]);

  const refused = await run({}, 'wrong-token-98765');
  assert.match(refused.stderrTail, /401.*check the token/);
});
