'use strict';
// What authors of sources find in Core, used as the README shows.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Core } = require('../../packages/connectors');
const { MemoryStorage, RecordingConfig } = require('./support/memory');
const { startApi } = require('./support/api');

const { AbstractConnector, AbstractRunConfig, AbstractSource, OAuth2 } = Core;
const { fetchJson, nextLink, nextUrl, pagesOf, placeValue, valueAt } = Core;

class DaysSource extends AbstractSource {
  constructor(config) {
    super(config, {
      parameters: {
        Api: { type: 'string' },
        StartDate: { type: 'date' },
        EndDate: { type: 'date' },
      },
    });
  }

  tables() {
    return [{ name: 'days', uniqueKeys: ['id'], dateColumn: 'day' }];
  }

  async *fetch(_table, { start }) {
    const api = this.config.getValue('Api');
    const oauth = new OAuth2({
      tokenUrl: `${api}/token`,
      clientId: 'me',
      clientSecret: 's3cretword',
    });
    const authorize = (isRefused) => oauth.headers(isRefused);
    const wait = (ms, reason) => this.config.wait(ms, reason);
    yield* pagesOf(`${api}/days?from=${start}`, async (url) => {
      const { body } = await fetchJson(url, { authorize, wait });
      return { records: body.items, next: body.next && nextUrl(body.next, url) };
    });
  }
}

test('a source made of them runs: token, pages, an answer that comes late', async (t) => {
  let isBusy = true;
  const api = await startApi(t, ({ path, query, headers }) => {
    if (path === '/token') return { access_token: 'token-0123456789' };
    assert.equal(headers.authorization, 'Bearer token-0123456789');
    if (isBusy) {
      isBusy = false;
      return { status: 503, headers: { 'retry-after': '0' } };
    }
    if (query.get('page') === '2') return { items: [{ id: 2, day: '2026-01-02' }] };
    return { items: [{ id: 1, day: query.get('from') }], next: '?page=2' };
  });
  const config = new RecordingConfig({ Api: api.origin, StartDate: '2026-01-01' });
  const source = new DaysSource(config);
  const connector = new AbstractConnector(config, source, MemoryStorage, new AbstractRunConfig());
  await connector.run();
  assert.deepEqual(
    connector.storage.rows.map(({ day }) => day),
    ['2026-01-01', '2026-01-02'],
  );
  assert.equal(api.requests.filter(({ path }) => path === '/token').length, 1);
});

test('pages end, pass those without records, and never go round in circles', async () => {
  const read = async (next) => {
    const all = [];
    for await (const records of pagesOf(1, async (page) => ({ ...next[page] })))
      all.push(...records);
    return all;
  };
  const a = { a: 1 };
  assert.deepEqual(
    await read({ 1: { records: [a], next: 2 }, 2: { records: [], next: 3 }, 3: { records: [a] } }),
    [a, a],
  );
  assert.deepEqual(await read({ 1: { records: [a], next: null } }), [a]);
  await assert.rejects(
    read({ 1: { records: [a], next: 2 }, 2: { records: [a], next: 1 } }),
    /^ConnectorError: 1 names itself/,
  );
});

test('addresses of next pages, and paths', () => {
  assert.equal(nextLink(new Headers({ link: '<a>; rel=prev, <b?c>; rel="next last"' })), 'b?c');
  assert.equal(nextLink(new Headers()), undefined);
  assert.equal(nextUrl('http://u:p@a.test/x', 'https://a.test/y'), 'https://a.test/x');
  assert.throws(() => nextUrl('https://b.test/', 'https://a.test/'), /another server/);
  for (const wrong of [5, {}, 'http://['])
    assert.throws(() => nextUrl(wrong, 'https://a.test/'), /no address/);
  const body = { list: [{ a: 1 }, { a: 2 }], b: null };
  assert.equal(valueAt(body, 'list.-1.a'), 2);
  assert.equal(valueAt(body, 'list.0.a'), 1);
  for (const path of ['b.c', 'list.length', 'list.-3.a', 'constructor', 'list.5']) {
    assert.equal(valueAt(body, path), undefined, path);
  }
  assert.deepEqual(placeValue({ a: { b: 1, c: 2 } }, 'a.b', 3), { a: { c: 2, b: 3 } });
  assert.deepEqual(placeValue({}, 'a.__proto__.b', 1).a, JSON.parse('{"__proto__":{"b":1}}'));
  assert.equal({}.b, undefined);
  assert.throws(() => placeValue({ a: [] }, 'a.b', 1), /leads through what is no object/);
});
