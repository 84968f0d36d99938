'use strict';
// Sources over HTTP and HTTPS from servers that page, throttle, fail, break off and recover.

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const path = require('node:path');
const { test } = require('node:test');
const { gzipSync } = require('node:zlib');

const { runnerOf } = require('./support/runs');
const { query } = require('./support/duckdb');
const { CA, faults, roughServer } = require('./support/rough-server');
const { tempFolder } = require('./support/temp');

/** A run into a new database, and what is in its table. */
function project(t, name, parameters) {
  const database = path.join(tempFolder(t), 'data.duckdb');
  const config = { DatabasePath: database, DestinationTableName: 't' };
  const source = { name, parameters: { UniqueKeys: ['id'], ...parameters } };
  return {
    run: runnerOf(t, source, { name: 'DuckDb', config }),
    rows: async () => (await query(database, 'SELECT id, name FROM t ORDER BY id')).map(String),
  };
}

const ROWS = Array.from({ length: 500 }, (_, at) => ({ id: at, name: `Рядок ${at} 東京` }));
const EXPECTED = ROWS.map(({ id, name }) => `${id},${name}`);

/** Pages of 100 records. */
function pages(request, response) {
  const page = Number(new URL(request.url, 'http://host').searchParams.get('page'));
  response.end(JSON.stringify(ROWS.slice((page - 1) * 100, page * 100)));
}

const hurdles = () => [
  faults.throttled(1),
  null,
  faults.failing(500),
  faults.failing(503),
  faults.cut(),
  null,
  faults.cutAfter(1000),
];

for (const tls of [false, true]) {
  test(`HttpJson: what stands in the way is overcome, ${tls ? 'HTTPS' : 'HTTP'}`, async (t) => {
    const server = await roughServer(t, pages, { tls });
    const { run, rows } = project(t, 'HttpJson', {
      Url: `${server.origin}/rows`,
      Paging: { page: {} },
    });
    trust(t, CA);
    server.next.push(...hurdles());
    const result = await run();
    assert.equal(result.status, 'success', result.stderrTail);
    assert.deepEqual(server.next, []);
    assert.deepEqual(await rows(), EXPECTED);
  });
}

/** Sets NODE_EXTRA_CA_CERTS for the runs of a test. */
function trust(t, file) {
  const { NODE_EXTRA_CA_CERTS: before } = process.env;
  t.after(() => {
    if (before === undefined) delete process.env.NODE_EXTRA_CA_CERTS;
    else process.env.NODE_EXTRA_CA_CERTS = before;
  });
  process.env.NODE_EXTRA_CA_CERTS = file;
}

test('a certificate that is not trusted is said to be so, at once', async (t) => {
  const server = await roughServer(t, pages, { tls: true });
  for (const [name, parameters] of [
    ['HttpJson', { Url: `${server.origin}/rows` }],
    ['CsvFile', { Path: `${server.origin}/rows.csv` }],
  ]) {
    const { run } = project(t, name, parameters);
    const failed = await run();
    assert.equal(failed.code, 'CONNECTOR_FAILED');
    assert.match(failed.stderrTail, /certificate is not trusted.*set NODE_EXTRA_CA_CERTS/);
  }
  assert.deepEqual(server.requests, []);
});

test('HttpJson: a server that does not recover is given up, and said to be busy', async (t) => {
  const server = await roughServer(t, pages);
  const parameters = { Url: `${server.origin}/rows`, Paging: { page: {} }, MaxAttempts: 3 };
  const { run, rows } = project(t, 'HttpJson', parameters);
  await run();
  const endings = [
    [() => faults.throttled(), /answered 429 .*try again later.*asked 3 times/],
    [() => faults.failing(502), /answered 502 .*try again later.*asked 3 times/],
    [() => faults.cut(), /Cannot reach .*asked 3 times/],
  ];
  for (const [fault, message] of endings) {
    server.next.push(null, fault(), fault(), fault());
    const failed = await run();
    assert.equal(failed.result.status, 'failed');
    assert.match(failed.stderrTail, message);
    assert.deepEqual(server.next, []);
  }
  assert.deepEqual(await rows(), EXPECTED);
  server.next.push(faults.throttled(3600));
  assert.match((await run()).stderrTail, /answered 429/, 'an hour is not waited for');
});

const csvOf = (rows) => `id,name\n${rows.map(({ id, name }) => `${id},${name}\n`).join('')}`;

/** Serves what `file.text` is at the moment, as web servers do. */
function fileServer(file) {
  return (request, response) => {
    const bytes = Buffer.from(file.text);
    const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`;
    const headers = file.hasRanges ? { etag, 'accept-ranges': 'bytes' } : {};
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range)?.[1] ?? 0);
    if (file.isCompressed && request.headers['accept-encoding']?.includes('gzip')) {
      response.writeHead(200, { ...headers, 'content-encoding': 'gzip' });
      return response.end(gzipSync(bytes));
    }
    const isWanted = file.isCareless || request.headers['if-range'] === etag;
    if (file.hasRanges && start > 0 && isWanted) {
      const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
      response.writeHead(206, { ...headers, 'content-range': range });
      return response.end(bytes.subarray(start));
    }
    response.writeHead(200, { ...headers, 'content-length': bytes.length });
    return response.end(bytes);
  };
}

async function csvProject(t, file) {
  const server = await roughServer(t, fileServer(file));
  return { server, ...project(t, 'CsvFile', { Path: `${server.origin}/rows.csv` }) };
}

test('CsvFile: a download that breaks off goes on from there', async (t) => {
  const file = { text: csvOf(ROWS), hasRanges: true };
  const { server, run, rows } = await csvProject(t, file);
  server.next.push(
    faults.throttled(1),
    faults.cutAfter(1001),
    faults.cutAfter(2002),
    faults.failing(),
  );
  const result = await run();
  assert.equal(result.status, 'success', result.stderrTail);
  assert.deepEqual(await rows(), EXPECTED);
  const asked = server.requests.map(({ headers }) => headers.range);
  assert.deepEqual(asked, [undefined, undefined, 'bytes=1001-', 'bytes=3003-', 'bytes=3003-']);
  assert.match(server.requests[2].headers['if-range'], /^"\w+"$/);
});

for (const [how, kind] of [
  ['that its tag tells', { hasRanges: true }],
  ['that only its content tells', { hasRanges: false }],
  ['though the server sends a part of the new one', { hasRanges: true, isCareless: true }],
]) {
  test(`CsvFile: a file that changed meanwhile is loaded anew, ${how}`, async (t) => {
    const old = ROWS.map(({ id }) => ({ id: id + 7, name: 'old' }));
    const file = { text: csvOf(old), ...kind };
    const { server, run, rows } = await csvProject(t, file);
    server.next.push(faults.cutAfter(1000), (request, response, answer) => {
      file.text = csvOf(ROWS);
      answer();
    });
    const result = await run();
    assert.equal(result.status, 'success', result.stderrTail);
    assert.equal(server.requests.length, 3);
    assert.deepEqual(await rows(), EXPECTED, 'nothing of the old file is there');
  });
}

for (const isCompressed of [false, true]) {
  const what = isCompressed ? 'compressed' : 'without ranges';
  test(`CsvFile: a download ${what} goes on when the file is the same`, async (t) => {
    const text = csvOf([
      ...ROWS,
      ...ROWS.map(({ id }) => ({ id: id + 500, name: `${id * 7919}` })),
    ]);
    const file = { text, isCompressed, hasRanges: isCompressed };
    const { server, run, rows } = await csvProject(t, file);
    server.next.push(faults.cutAfter(3000), faults.cutAfter(3500));
    const result = await run();
    assert.equal(result.status, 'success', result.stderrTail);
    assert.equal(server.requests.length, 3);
    assert.deepEqual((await rows()).slice(0, 500), EXPECTED);
    assert.equal((await rows()).length, 1000);
  });
}

test('CsvFile: a file that changes all the time fails the run, and the table stays', async (t) => {
  const file = { text: csvOf(ROWS), hasRanges: true };
  const { server, run, rows } = await csvProject(t, file);
  await run();
  const changing = (request, response, answer) => {
    const offset = 1000 * server.requests.length;
    file.text = csvOf(ROWS.map(({ id, name }) => ({ id: id + offset, name })));
    answer();
  };
  const cut = faults.cutAfter(1000);
  server.next.push(cut, changing, cut, changing, cut, changing);
  const failed = await run();
  assert.match(failed.stderrTail, /rows\.csv changed while it was loaded: run again/);
  assert.deepEqual(await rows(), EXPECTED);
  const healed = await run();
  assert.equal(healed.status, 'success', healed.stderrTail);
  assert.equal((await rows()).length, 1000);
});
