'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { afterEach, beforeEach, test } = require('node:test');

const { Connectors } = require('../../packages/connectors');
const { fetchJson } = require('../../packages/connectors/src/Core/http');
const { millisecondsIn } = require('../../packages/connectors/src/Core/retryAfter');
const { nextPage } = require('../../packages/connectors/src/Sources/HttpJson/paging');
const { RecordingConfig } = require('./support/memory');

const SECRET = 'token-0123456789';
const NO_RANGE = { start: null, end: null };

let server;
let base;
let requests;
let answers;

/** Answers are given by path; what they are given for is recorded. */
beforeEach(async () => {
  requests = [];
  answers = {};
  server = http.createServer((request, response) => {
    requests.push(request);
    const { pathname } = new URL(request.url, base);
    const answer = answers[pathname];
    if (answer) answer(request, response, new URL(request.url, base).searchParams);
    else response.writeHead(404).end('nothing here');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${server.address().port}`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const json = (body, headers) => (_request, response) => {
  response.writeHead(200, headers).end(JSON.stringify(body));
};

async function read(parameters, range = NO_RANGE, config = new RecordingConfig(parameters)) {
  const source = new Connectors.HttpJson.HttpJsonSource(config);
  config.validate();
  const batches = [];
  for await (const rows of source.fetch(source.tables()[0], range)) batches.push(rows);
  return batches;
}

test('records are found by their path, with token and headers sent', async () => {
  answers['/list'] = json({ data: { items: [{ id: 1, nested: { a: [1] } }] } });
  const rows = await read({
    Url: `${base}/list?x=1`,
    RecordsPath: 'data.items',
    BearerToken: `${SECRET}\n`, // as it is copied
    Headers: ['X-Api-Key: k:1'],
  });
  assert.deepEqual(rows, [[{ id: 1, nested: { a: [1] } }]]);
  const [{ url, headers }] = requests;
  assert.equal(url, '/list?x=1');
  assert.equal(headers.authorization, `Bearer ${SECRET}`);
  assert.equal(headers['x-api-key'], 'k:1');
});

test('paging by number ends at the first page without records', async () => {
  const pages = { 0: [{ id: 1 }], 1: [{ id: 2 }], 2: [] };
  answers['/p'] = (request, response, query) => json(pages[query.get('n')])(request, response);
  const Paging = { value: 'page', items: { Parameter: { value: 'n' }, First: { value: 0 } } };
  const rows = await read({ Url: `${base}/p?size=1`, Paging });
  assert.deepEqual(rows, [[{ id: 1 }], [{ id: 2 }]]);
  assert.deepEqual(
    requests.map(({ url }) => url),
    ['/p?size=1&n=0', '/p?size=1&n=1', '/p?size=1&n=2'],
  );
});

test('paging by a next address, in the answer or in the header Link', async () => {
  answers['/a'] = json({ items: [{ id: 1 }], links: { next: '/b?c=2' } });
  answers['/b'] = json({ items: [{ id: 2 }], links: { next: null } });
  const byPath = { value: 'next', items: { Path: { value: 'links.next' } } };
  const rows = await read({ Url: `${base}/a`, RecordsPath: 'items', Paging: byPath });
  assert.deepEqual(rows, [[{ id: 1 }], [{ id: 2 }]]);
  assert.equal(requests[1].url, '/b?c=2');

  answers['/h'] = json([{ id: 1 }], { link: `<${base}/x>; rel="prev", <${base}/i>; rel="next"` });
  answers['/i'] = json([{ id: 2 }]);
  const byHeader = { value: 'next', items: {} };
  assert.deepEqual(await read({ Url: `${base}/h`, Paging: byHeader }), [[{ id: 1 }], [{ id: 2 }]]);
  for (const link of ['</i>; rel="prev next"', '</i>; title="a, b"; rel=next, </x>; rel=last']) {
    answers['/h'] = json([{ id: 1 }], { link });
    assert.equal((await read({ Url: `${base}/h`, Paging: byHeader })).length, 2, link);
  }
});

test('a server that does not know the parameter for the page is not asked for ever', async () => {
  answers['/p'] = json([{ id: 1 }]);
  const Paging = { value: 'page', items: { Parameter: { value: 'n' }, First: { value: 1 } } };
  await assert.rejects(read({ Url: `${base}/p`, Paging }), /same page .* check Paging\.Parameter/);
  assert.equal(requests.length, 2);
});

/** Answers with a window of so many records, from the record that `offset` says. */
function records(total, size, first = (offset) => offset) {
  const all = Array.from({ length: total }, (_, index) => ({ id: index }));
  return (request, response, query) => {
    const from = first(Number(query.get('offset') ?? 0));
    json(all.slice(from, from + size))(request, response);
  };
}

test('paging by offset grows by the records of a page, or by a number', async () => {
  const offset = (items = {}) => ({
    value: 'offset',
    items: Object.fromEntries(Object.entries(items).map(([name, value]) => [name, { value }])),
  });
  const ids = async (Paging) =>
    (await read({ Url: `${base}/o`, Paging })).flat().map(({ id }) => id);
  const all = Array.from({ length: 20 }, (_, index) => index);
  answers['/o'] = records(20, 7);
  for (const Step of [undefined, 'records', 7, '7']) {
    requests.length = 0;
    const items = Step === undefined ? {} : { Step };
    assert.deepEqual(await ids(offset(items)), all, String(Step));
    const asked = Step === undefined || Step === 'records' ? '20' : '21';
    assert.equal(requests.at(-1).url, `/o?offset=${asked}`);
  }
  await assert.rejects(ids(offset({ Step: 'page' })), /Paging\.Step must be a whole number/);
  await assert.rejects(ids(offset({ Step: 0 })), /Paging\.Step must be a whole number/);
});

test('a page that begins with those before it names the parameter; a few that moved do not', async () => {
  const page = (Parameter) => ({ value: 'page', items: { Parameter: { value: Parameter } } });
  // counted as pages, a record's number gives nearly the same page again
  answers['/o'] = records(20, 7);
  await assert.rejects(
    read({ Url: `${base}/o`, Paging: page('offset') }),
    /begins with 6 records of the page before it: check Paging\.Parameter/,
  );
  // one new record came while the first page was read
  answers['/o'] = records(20, 7, (number) => Math.max(0, (number - 1) * 7 - (number > 1 ? 1 : 0)));
  const rows = await read({ Url: `${base}/o`, Paging: page('offset') });
  assert.equal(rows.flat().length, 21);
  // records that are alike by nature are no sign of anything
  answers['/o'] = (request, response, query) =>
    json(Array.from({ length: query.get('offset') < 3 ? 3 : 0 }, () => ({ value: 0 })))(
      request,
      response,
    );
  await assert.rejects(read({ Url: `${base}/o`, Paging: page('offset') }), /the same page again/);
});

test('a server that gives its last page for every number beyond it has no more', async () => {
  answers['/o'] = records(20, 7, (number) => Math.min(number - 1, 2) * 7);
  const Paging = { value: 'page', items: { Parameter: { value: 'offset' } } };
  assert.equal((await read({ Url: `${base}/o`, Paging })).flat().length, 20);
});

test('a page past the last one that is missing ends the pages, where the first had records', async () => {
  const Paging = { value: 'page', items: { Parameter: { value: 'n' } } };
  for (const status of [204, 404]) {
    const pages = { 1: [{ id: 1 }], 2: [{ id: 2 }] };
    answers['/p'] = (request, response, query) => {
      const page = pages[query.get('n')];
      if (page) json(page)(request, response);
      else response.writeHead(status).end();
    };
    assert.deepEqual(await read({ Url: `${base}/p`, Paging }), [[{ id: 1 }], [{ id: 2 }]]);
    delete pages[1];
    await assert.rejects(read({ Url: `${base}/p`, Paging }), /check the address/);
    pages[1] = [];
    assert.deepEqual(await read({ Url: `${base}/p`, Paging }), []);
  }
  // an address that the server gave itself is no guess
  answers['/n'] = json({ items: [{ id: 1 }], next: '/gone' });
  const next = { value: 'next', items: { Path: { value: 'next' } } };
  const parameters = { Url: `${base}/n`, RecordsPath: 'items', Paging: next };
  await assert.rejects(read(parameters), /answered 404/);
});

test('a next address by http on an https server of the same host is asked by https', () => {
  const Paging = { value: 'next', items: { Path: { value: 'next' } } };
  const config = new RecordingConfig({ Url: 'https://a.test/', Paging });
  new Connectors.HttpJson.HttpJsonSource(config);
  const next = (from, to) => nextPage(config, { url: from }, { body: { next: to } }, 1).url;
  const cases = [
    ['https://a.test/x', 'http://a.test/y?z=1', 'https://a.test/y?z=1'],
    ['https://a.test:8443/x', 'http://a.test:8443/y', 'https://a.test:8443/y'],
    ['https://a.test/x', 'http://a.test:443/y', 'https://a.test/y'],
    ['http://a.test/x', 'http://a.test/y', 'http://a.test/y'],
  ];
  for (const [from, to, expected] of cases) assert.equal(next(from, to), expected);
  for (const to of ['http://b.test/y', 'http://a.test:8080/y', 'ftp://a.test/y']) {
    assert.throws(() => next('https://a.test/x', to), /another server/, to);
  }
});

test('a page that names itself ends, and the token is not sent to another server', async () => {
  const Paging = { value: 'next', items: { Path: { value: 'next' } } };
  const parameters = { Url: `${base}/a`, RecordsPath: 'items', Paging, BearerToken: SECRET };
  answers['/a'] = json({ items: [{ id: 1 }], next: '/a' });
  await assert.rejects(read(parameters), /names itself .* check Paging/);
  answers['/a'] = json({ items: [{ id: 1 }], next: 'http://127.0.0.1:1/a' });
  await assert.rejects(read(parameters), /another server/);
});

test('days go into the address, and records outside of them are left out', async () => {
  const day = (date) => ({ date, id: date });
  answers['/d'] = json([day('2026-01-01'), day('2026-01-02'), day('2026-01-03')]);
  const parameters = { Url: `${base}/d?from={StartDate}&to={EndDate}`, DateColumn: 'date' };
  const rows = await read(parameters, { start: '2026-01-02', end: '2026-01-02' });
  assert.deepEqual(rows, [[day('2026-01-02')]]);
  assert.equal(requests[0].url, '/d?from=2026-01-02&to=2026-01-02');
  await assert.rejects(read(parameters), /asks for a \{StartDate\}: set StartDate/);
  await read(parameters, { start: '2026-01-02', end: null });
  assert.match(requests.at(-1).url, /to=\d{4}-\d\d-\d\d$/);
});

test('fields are chosen, and the keys come along', async () => {
  answers['/f'] = json([{ id: 1, a: 2, b: 3, date: '2026-01-01' }]);
  const parameters = {
    Url: `${base}/f`,
    Fields: ['a', 'c'],
    UniqueKeys: ['id'],
    DateColumn: 'date',
  };
  assert.deepEqual(await read(parameters), [[{ id: 1, date: '2026-01-01', a: 2, c: null }]]);
});

test("fields are a record's own, and a name that none has is told", async () => {
  answers['/f'] = json([{ id: 1 }, {}]);
  const parameters = { Url: `${base}/f`, Fields: ['id', 'constructor'] };
  const config = new RecordingConfig(parameters);
  assert.deepEqual(await read(parameters, NO_RANGE, config), [[{ id: 1, constructor: null }]]);
  const [{ warning }] = config.of('addWarningToCurrentStatus');
  assert.match(warning, /No record has the field constructor:/);
  assert.deepEqual(await read({ Url: `${base}/f`, Fields: 'ALL' }), [[{ id: 1 }]]);
});

test('records without a date are left out where days are asked for, as in CsvFile', async () => {
  answers['/d'] = json([{ id: 1, d: null }, { id: 2 }, { id: 3, d: '2026-01-02' }]);
  const parameters = { Url: `${base}/d`, DateColumn: 'd' };
  assert.equal((await read(parameters))[0].length, 3);
  const range = { start: '2026-01-01', end: null };
  assert.deepEqual(await read(parameters, range), [[{ id: 3, d: '2026-01-02' }]]);
  answers['/d'] = json([{ d: 1767225600 }]);
  await assert.rejects(read(parameters), /no ISO date/, 'at the first run, not at the second');
});

test('a redirect to another server gets no headers, one on the same server does', async () => {
  const other = base.replace('127.0.0.1', 'localhost');
  const to = (location) => (_request, response) => response.writeHead(302, { location }).end();
  const parameters = { Url: `${base}/from`, BearerToken: SECRET, Headers: [`X-Key: ${SECRET}`] };
  const headersAt = async (location) => {
    answers['/from'] = to(location);
    answers['/to'] = json([{ id: 1 }]);
    assert.deepEqual(await read(parameters), [[{ id: 1 }]]);
    const { authorization, 'x-key': key, accept } = requests.at(-1).headers;
    assert.equal(accept, 'application/json');
    return [authorization, key];
  };
  assert.deepEqual(await headersAt('/to'), [`Bearer ${SECRET}`, SECRET]);
  assert.deepEqual(await headersAt(`${other}/to`), [undefined, undefined]);
  answers['/from'] = to('/from');
  await assert.rejects(read({ ...parameters, MaxAttempts: 1 }), /redirects again and again/);
});

test('user and password of an address are sent, and never shown', async () => {
  answers['/u'] = json([{ id: 1 }]);
  const Url = `${base}/u`.replace('//', `//me:${SECRET}%21@`);
  await read({ Url });
  const expected = Buffer.from(`me:${SECRET}!`).toString('base64');
  assert.equal(requests[0].headers.authorization, `Basic ${expected}`);
  answers['/u'] = (_request, response) => response.writeHead(401).end();
  const error = await read({ Url }).catch((reason) => reason);
  assert.match(error.message, /answered 401/);
  assert.ok(!error.message.includes(SECRET), error.message);
});

test('bytes are read as their server says, or refused, never replaced', async () => {
  const send = (text, encoding, type) => (_request, response) =>
    response.writeHead(200, { 'content-type': type }).end(Buffer.from(text, encoding));
  const Url = `${base}/c`;
  answers['/c'] = send('[{"a":"ü"}]', 'latin1', 'application/json; charset=ISO-8859-1');
  assert.deepEqual(await read({ Url }), [[{ a: 'ü' }]]);
  answers['/c'] = send('[{"a":"ü"}]', 'latin1', 'application/json');
  await assert.rejects(read({ Url }), /no utf-8/);
  answers['/c'] = send(`[{"id":12345678901234567890,"a":${'['.repeat(9e4)}`, 'utf8', 'x/y');
  await assert.rejects(read({ Url }), /not JSON|nested too deep/);
});

test('a busy server is asked again, as long after as it says', async () => {
  const script = [
    (response) => response.writeHead(429, { 'retry-after': '7' }).end(),
    (response) =>
      response.writeHead(503, { 'retry-after': new Date(Date.now() + 20_000).toUTCString() }).end(),
    (response) => response.writeHead(500).end(),
    (response) => response.socket.destroy(),
    (response) => response.writeHead(200, { 'content-length': 100 }).end('{"cut":'),
    (response) => response.end('{"ok":true}'),
  ];
  answers['/busy'] = (_request, response) => script.shift()(response);
  const waited = [];
  const wait = async (ms) => waited.push(ms);
  const { body } = await fetchJson(`${base}/busy`, { attempts: 6, wait });
  assert.deepEqual(body, { ok: true });
  assert.equal(waited[0], 7000);
  assert.ok(waited[1] > 15_000 && waited[1] <= 20_000, `${waited[1]}`);
  const expected = [
    [2000, 4000],
    [4000, 8000],
    [8000, 16_000],
  ];
  for (const [index, [least, most]] of expected.entries()) {
    const ms = waited[index + 2];
    assert.ok(ms >= least && ms <= most, `${ms} ms is not between ${least} and ${most}`);
  }
});

test('a server says in many ways when to ask again', async () => {
  const now = Date.now();
  const date = new Date(Math.ceil(now / 1000) * 1000 + 100_000);
  const [weekday, day, month, year, time] = date.toUTCString().replace(',', '').split(' ');
  const iso = date.toISOString();
  const cases = [
    ['120', 120_000],
    [' 2.128 ', 2128],
    ['120s', 120_000],
    ['1m30s', 90_000],
    ['6m0s', 360_000],
    ['250ms', 250],
    ['2 minutes', 120_000],
    ['"7"', 7000],
    ['0', 0],
    ...[
      String(date.getTime() / 1000),
      String(date.getTime()),
      date.toUTCString(),
      `${weekday} ${month} ${day.replace(/^0/, ' ')} ${time} ${year}`,
      `${weekday}, ${day}-${month}-${year.slice(2)} ${time} GMT`,
      iso,
      iso.slice(0, 19),
      iso.slice(0, 19).replace('T', ' '),
      `${iso.slice(0, 19).replace('T', ' ')} UTC`,
    ].map((text) => [text, date.getTime() - now]),
    ...['', 'soon', '-1', '3 apples', '1,2', '99:99'].map((text) => [text, undefined]),
  ];
  for (const [text, expected] of cases) {
    const ms = millisecondsIn(text);
    if (expected !== date.getTime() - now) assert.equal(ms, expected, text);
    // moments come nearer while the test runs, which must not take a zone's half hour
    else assert.ok(ms <= expected && ms > expected - 1_000_000 / 2, `${text}: ${ms}`);
  }
  assert.equal(millisecondsIn(null), undefined);
});

test('a 403 is asked again where it says when, or that a limit is used up', async () => {
  const waited = [];
  const wait = async (ms) => waited.push(ms);
  const after = async (headers, status = 403) => {
    waited.length = 0;
    const script = [(response) => response.writeHead(status, headers).end('no')];
    answers['/l'] = (_request, response) => (script.shift() ?? ((r) => r.end('1')))(response);
    await fetchJson(`${base}/l`, { wait });
    return waited[0];
  };
  assert.equal(await after({ 'retry-after': '3' }), 3000);
  const used = { 'x-ratelimit-remaining': '0' };
  assert.equal(await after({ ...used, 'x-ratelimit-reset': '30' }), 30_000);
  const epoch = String(Math.floor(Date.now() / 1000) + 200);
  const ms = await after({ ...used, 'x-ratelimit-reset': epoch });
  assert.ok(ms > 1000 && ms <= 200_000, `${ms}`);
  assert.ok((await after(used)) <= 1000);
  assert.equal(await after({ 'ratelimit-reset': '4' }, 429), 4000);
  // requests remain, so it is another limit
  const other = { 'x-ratelimit-remaining': '55', 'x-ratelimit-reset': '250' };
  assert.ok((await after(other, 429)) <= 1000);
  await assert.rejects(after(other), /403 .*check the token/);
  await assert.rejects(after({}), /403 .*check the token/);
  await assert.rejects(after({ ...used, 'x-ratelimit-reset': '3600' }), /403 .*try again later/);
});

test('a server that stays busy, or asks for too much, is given up', async () => {
  answers['/down'] = (_request, response) => response.writeHead(502, 'Bad').end('<h1>down</h1>');
  const wait = async () => {};
  await assert.rejects(
    fetchJson(`${base}/down?key=${SECRET}`, { attempts: 3, wait }),
    ({ message }) =>
      /\/down answered 502 Bad: try again later.*<h1>down<\/h1> \(asked 3 times\)$/.test(message) &&
      !message.includes(SECRET),
  );
  assert.equal(requests.length, 3);
  answers['/later'] = (_request, response) =>
    response.writeHead(429, { 'retry-after': '86400' }).end();
  await assert.rejects(fetchJson(`${base}/later`, { wait }), /answered 429/);
  assert.equal(requests.length, 4);
});

test('what is wrong is said at once, without secrets', async () => {
  const parameters = { BearerToken: SECRET, Headers: [`X-Key: ${SECRET}`] };
  const problem = async (more) => {
    const error = await read({ ...parameters, ...more }).then(
      () => assert.fail('succeeded'),
      (reason) => reason,
    );
    assert.ok(!error.message.includes(SECRET), error.message);
    return error.message;
  };
  answers['/401'] = (_request, response) => response.writeHead(401).end();
  answers['/text'] = (_request, response) => response.end('<html>login');
  answers['/object'] = json({ items: { a: 1 }, list: [1] });
  assert.match(await problem({ Url: `${base}/401` }), /401 .*check the token/);
  assert.match(await problem({ Url: `${base}/none` }), /404 .*check the address.*nothing here/);
  assert.match(await problem({ Url: `${base}/text` }), /not JSON.*<html>login/);
  assert.match(await problem({ Url: `${base}/object` }), /is an object and no list/);
  assert.match(await problem({ Url: `${base}/object`, RecordsPath: 'items' }), /items .*no list/);
  assert.match(await problem({ Url: `${base}/object`, RecordsPath: 'x.y' }), /x\.y .*is missing/);
  assert.match(await problem({ Url: `${base}/object`, RecordsPath: 'list' }), /a number/);
  assert.match(await problem({ Url: 'ftp://host/x' }), /no http\(s\) address/);
  assert.match(await problem({ Url: base, Headers: ['nonsense'] }), /Name: value/);
  assert.match(await problem({ Url: base, Headers: [`X: a\n${SECRET}`] }), /no header can hold/);
  assert.match(await problem({ Url: base, BearerToken: `${SECRET}\n€` }), /BearerToken has/);
  assert.equal(requests.length, 7);
});
