'use strict';
// HttpJson against the shapes that APIs have: bodies, cursors, formats.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { choice, readApi, startApi } = require('./support/api');

const ids = ({ rows }) => rows.map(({ id }) => id);

test('a body makes it a POST, with days in its texts and the page where a path says', async (t) => {
  const api = await startApi(t, ({ text }) => {
    const { variables } = JSON.parse(text);
    return [{ id: variables.page }, {}].slice(0, variables.page > 2 ? 0 : 2);
  });
  const Body = '{"query":"{ a(from: \\"{StartDate}\\") }","variables":{"to":["{EndDate}",5,null]}}';
  const parameters = {
    Url: `${api.origin}/graphql`,
    Paging: choice('page', { Parameter: 'variables.page' }),
  };
  const range = { start: '2026-01-01', end: '2026-01-31' };
  for (const given of [Body, { value: JSON.parse(Body) }]) {
    api.requests.length = 0;
    assert.deepEqual(ids(await readApi({ ...parameters, Body: given }, range)), [1, 2]);
    assert.deepEqual(
      api.requests.map(({ method, url }) => `${method} ${url}`),
      Array(3).fill('POST /graphql'),
    );
    assert.equal(api.requests[0].headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(api.requests[1].text), {
      query: '{ a(from: "2026-01-01") }',
      variables: { to: ['2026-01-31', 5, null], page: 2 },
    });
  }
  const byQuery = { ...parameters, Body: '{"variables":{"page":9}}' };
  byQuery.Paging = choice('page', { Parameter: 'p', In: 'query' });
  await readApi(byQuery);
  assert.equal(api.requests.at(-1).url, '/graphql?p=1');
  await assert.rejects(readApi({ ...parameters, Body }), /Body asks for a \{StartDate\}/);
  await assert.rejects(readApi({ ...parameters, Body: '[1]' }), /Body" must be an object/);
  const through = { ...parameters, Paging: choice('page', { Parameter: 'query.page' }) };
  await assert.rejects(readApi({ ...through, Body }, range), /leads through what is no object/);
  const without = { ...parameters, Paging: choice('page', { In: 'body' }) };
  await assert.rejects(readApi(without), /Paging\.In must be query/);
});

test('a POST that is redirected keeps its body on its server, and is not made a GET', async (t) => {
  let location;
  let status;
  const api = await startApi(t, ({ path, text }) => {
    if (path === '/to') return [JSON.parse(text)];
    return { status, headers: { location } };
  });
  const parameters = {
    Url: `${api.origin}/from`,
    Body: '{"id":7}',
    Headers: ['X-Key: s3cretword'],
  };
  [status, location] = [307, '/to'];
  assert.deepEqual(ids(await readApi(parameters)), [7]);
  for (const [refused, to] of [
    [302, '/to'],
    [308, api.origin.replace('127.0.0.1', 'localhost')],
  ]) {
    [status, location] = [refused, to];
    const { length } = api.requests;
    await assert.rejects(readApi(parameters), /\/from redirects a POST to http/);
    assert.equal(api.requests.length, length + 1);
  }
});

/** As APIs with cursors answer: some end them by null, some by "", some leave them out. */
const pagesOf = (...ends) => ({
  '': { items: [{ id: 1 }], meta: { next: 'a=&b' } },
  'a=&b': { items: [], meta: { next: 12 } },
  12: { items: [{ id: 2 }], meta: ends.length === 0 ? {} : { next: ends[0] } },
});

test('a cursor of the body is followed to its end, also over pages without records', async (t) => {
  let pages;
  const api = await startApi(t, ({ query }) => pages[query.get('after') ?? '']);
  const parameters = {
    Url: `${api.origin}/list?size=1`,
    RecordsPath: 'items',
    Paging: choice('cursor', { Path: 'meta.next', Parameter: 'after' }),
  };
  for (const ends of [[], [null], [''], [false]]) {
    pages = pagesOf(...ends);
    api.requests.length = 0;
    assert.deepEqual(ids(await readApi(parameters)), [1, 2]);
    assert.deepEqual(
      api.requests.map(({ url }) => url),
      ['/list?size=1', '/list?size=1&after=a%3D%26b', '/list?size=1&after=12'],
    );
  }
  // the last page names itself, and has nothing more
  pages = pagesOf('z');
  pages.z = { items: [], meta: { next: 'z' } };
  assert.deepEqual(ids(await readApi(parameters)), [1, 2]);
  pages.z = { items: [{ id: 3 }], meta: { next: 'z' } };
  await assert.rejects(readApi(parameters), /names itself as a page after it/);
  pages = pagesOf('a=&b');
  await assert.rejects(readApi(parameters), /names itself as a page after it/);
  pages = pagesOf({ id: 1 });
  await assert.rejects(readApi(parameters), /meta\.next holds no cursor/);
});

test('a cursor is the last record, where the answer says that there are more', async (t) => {
  const records = [{ id: '9007199254740993' }, { id: 'b' }, { id: 'c' }];
  const answer = (after) => {
    const from = records.findIndex(({ id }) => id === after) + 1;
    return { data: records.slice(from, from + 2), has_more: from + 2 < records.length };
  };
  const api = await startApi(t, ({ query, text }) =>
    answer(text === '' ? query.get('starting_after') : JSON.parse(text).at?.id),
  );
  const items = { Path: 'data.-1.id', Parameter: 'starting_after', More: 'has_more' };
  const parameters = { Url: api.origin, RecordsPath: 'data', Paging: choice('cursor', items) };
  assert.deepEqual(
    ids(await readApi(parameters)),
    records.map(({ id }) => id),
  );
  assert.equal(api.requests.length, 2);
  // an object as a cursor, in a body
  const inBody = choice('cursor', { ...items, Path: 'data.-1', Parameter: 'at' });
  await readApi({ ...parameters, Paging: inBody, Body: '{}' });
  assert.deepEqual(JSON.parse(api.requests.at(-1).text), { at: { id: 'b' } });
  const none = choice('cursor', { ...items, More: 'more' });
  await assert.rejects(
    readApi({ ...parameters, Paging: none }),
    /has no more: correct Paging\.More/,
  );
});

test('ndjson has a record a line, and numbers keep their digits', async (t) => {
  let body;
  const api = await startApi(t, () => ({
    body,
    headers: { 'content-type': 'application/x-ndjson' },
  }));
  const parameters = { Url: api.origin, Format: 'ndjson' };
  body = '\ufeff{"id":9007199254740993,"a":"x\\ny"}\r\n\n  \n{"id":2}\n{"id":3}';
  assert.deepEqual((await readApi(parameters)).rows, [
    { id: 9007199254740993n, a: 'x\ny' },
    { id: 2 },
    { id: 3 },
  ]);
  const nested = { ...parameters, RecordsPath: 'row.v' };
  body = '{"row":{"v":{"id":1}}}\n';
  assert.deepEqual((await readApi(nested)).rows, [{ id: 1 }]);
  body = '{"row":{}}\n';
  await assert.rejects(readApi(nested), /is missing and no object/);
  body = '{"id":1}\n{"id":2';
  await assert.rejects(readApi(parameters), /a line 2 that is not JSON, "\{"id":2"/);
  body = '{"id":1}\n[2]\n';
  await assert.rejects(readApi(parameters), /is a list and no object/);
  body = ' ';
  assert.deepEqual((await readApi(parameters)).rows, []);
});

test('a map of objects gives records with their names', async (t) => {
  const rates = JSON.parse('{"2026-01-02":{"USD":1.5},"10":{"USD":2},"__proto__":{"USD":3},"x":4}');
  let body = { rates };
  const api = await startApi(t, () => ({ body }));
  const parameters = {
    Url: api.origin,
    RecordsPath: 'rates',
    Format: choice('map', { Key: 'day' }),
  };
  const { rows } = await readApi(parameters);
  assert.deepEqual(
    rows.map((row) => Object.entries(row)),
    [
      [
        ['day', '10'],
        ['USD', 2],
      ],
      [
        ['day', '2026-01-02'],
        ['USD', 1.5],
      ],
      [
        ['day', '__proto__'],
        ['USD', 3],
      ],
      [
        ['day', 'x'],
        ['value', 4],
      ],
    ],
  );
  body = { rates: { a: { key: 'a', v: 1 } } };
  assert.deepEqual((await readApi({ ...parameters, Format: 'map' })).rows, [{ key: 'a', v: 1 }]);
  body = { rates: { a: { key: 'b' } } };
  await assert.rejects(readApi({ ...parameters, Format: 'map' }), /a field "key" of its own/);
  body = { rates: [1] };
  await assert.rejects(readApi(parameters), /is a list and no object/);
  body = { rates: { a: {} } };
  await assert.rejects(readApi({ ...parameters, Format: 'json' }), /set Format to map/);
});
