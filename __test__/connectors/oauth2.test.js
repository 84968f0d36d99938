'use strict';
// Access tokens by OAuth 2.0, from servers that keep to the standard and from those that do not.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { choice, readApi, startApi } = require('./support/api');

const SECRET = 'cl1ent:s%cret-0123';
const CLIENT = { ClientId: 'me&you', ClientSecret: SECRET };

/** An API that wants the token that was given last, and how it gives tokens. */
async function project(
  t,
  grant,
  { type = 'client_credentials', api = () => [{ id: 1 }], ...items } = {},
) {
  const issued = [];
  const server = await startApi(t, (asked) => {
    if (asked.path === '/token') {
      const answer = grant(issued.length + 1, asked);
      const token = (answer.body ?? answer).access_token;
      if (token !== undefined) issued.push(token);
      return answer;
    }
    if (asked.headers.authorization !== `Bearer ${issued.at(-1)}`) {
      return { status: 401, body: `who is ${asked.headers.authorization}?` };
    }
    return api(asked);
  });
  const OAuth2 = choice(type, { TokenUrl: `${server.origin}/token`, ...CLIENT, ...items });
  const parameters = { Url: `${server.origin}/list`, OAuth2, MaxAttempts: 1 };
  const tokens = () => server.requests.filter(({ path }) => path === '/token');
  return { ...server, parameters, issued, tokens };
}

const token = (number, more = {}) => ({ access_token: `token-${number}-abcdefgh`, ...more });

test("the client's credentials are sent in the body, or encoded in the header", async (t) => {
  const items = { Scope: 'read all', More: ['audience: https://a/b'] };
  const body = await project(t, (n) => token(n, { token_type: 'bearer' }), items);
  assert.deepEqual((await readApi(body.parameters)).rows, [{ id: 1 }]);
  const [{ method, headers, text }] = body.tokens();
  assert.equal(method, 'POST');
  assert.equal(headers['content-type'], 'application/x-www-form-urlencoded');
  assert.equal(headers.authorization, undefined);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(text)), {
    grant_type: 'client_credentials',
    scope: 'read all',
    audience: 'https://a/b',
    client_id: 'me&you',
    client_secret: SECRET,
  });
  const header = await project(t, (n) => token(n), { InHeader: true });
  await readApi(header.parameters);
  const [asked] = header.tokens();
  const sent = Buffer.from(asked.headers.authorization.slice('Basic '.length), 'base64');
  assert.equal(sent.toString(), 'me%26you:cl1ent%3As%25cret-0123');
  assert.equal(asked.text, 'grant_type=client_credentials');
});

test('one token serves all pages, until it expires or is refused', async (t) => {
  const paged =
    (pages) =>
    ({ query }) =>
      query.get('page') <= pages ? [{ id: query.get('page') }] : [];
  const read = async (grant, api) => {
    const { parameters, tokens, issued } = await project(t, grant, {
      api: (asked) => api(asked, issued),
    });
    const { rows } = await readApi({ ...parameters, Paging: 'page' });
    return [rows.length, tokens().length];
  };
  assert.deepEqual(await read((n) => token(n, { expires_in: '3600' }), paged(3)), [3, 1]);
  assert.deepEqual(await read((n) => token(n), paged(3)), [3, 1]);
  // so short a life is over at the next page
  assert.deepEqual(await read((n) => token(n, { expires_in: 1e-9 }), paged(3)), [3, 4]);
  // the server forgets the first token after a page, whatever it said of it
  let forgets = true;
  const forgetful = ({ query }, issued) => {
    if (query.get('page') === '2' && forgets) {
      forgets = false;
      issued.push('another');
      return { status: 401, body: 'expired' };
    }
    return paged(3)({ query });
  };
  assert.deepEqual(await read((n) => token(n), forgetful), [3, 2]);
});

test('a token that is refused again is an error, and shown to nobody', async (t) => {
  const api = ({ headers }) => ({ status: 401, body: `no ${headers.authorization}` });
  const { parameters, tokens, issued } = await project(t, (n) => token(n), { api });
  const error = await readApi(parameters).catch((reason) => reason);
  assert.match(error.message, /\/list answered 401 .*check the token.* no \*\*\*/);
  for (const secret of [...issued, SECRET]) assert.ok(!error.message.includes(secret));
  assert.equal(tokens().length, 2);
});

test('a refresh token is used, and one that takes its place as well, which is told', async (t) => {
  const seen = [];
  const grant = (n, { text }) => {
    seen.push(new URLSearchParams(text).get('refresh_token'));
    return token(n, { refresh_token: `refresh-${n}-12345678`, expires_in: 1e-9 });
  };
  const { parameters } = await project(t, grant, {
    type: 'refresh_token',
    ClientSecret: null,
    RefreshToken: 'refresh-0-12345678',
    api: ({ query }) => (query.get('page') === '1' ? [{ id: 1 }] : []),
  });
  const { config } = await readApi({ ...parameters, Paging: 'page' });
  assert.deepEqual(seen, ['refresh-0-12345678', 'refresh-1-12345678']);
  assert.deepEqual(config.of('updateCredentials')[1].credentials, {
    RefreshToken: 'refresh-2-12345678',
  });
  const [{ warning }] = config.of('addWarningToCurrentStatus');
  assert.match(warning, /new refresh token .*save it/);
  const others = config.messages.filter(({ type }) => type !== 'updateCredentials');
  assert.doesNotMatch(JSON.stringify(others), /12345678|abcdefgh/);
});

test('servers that give no token are understood, whatever they say, without secrets', async (t) => {
  const refused = {
    error: 'invalid_client',
    error_description: `unknown ${SECRET}`,
    hint: 'h1dden',
  };
  const cases = [
    [{ status: 401, body: refused }, /token answered 401 .*\(invalid_client: unknown \*\*\*\)/],
    [{ body: refused }, /gives no access token \(invalid_client: unknown \*\*\*\)/],
    [{ body: 'error=bad_thing&x=h1dden' }, /gives no access token \(bad_thing\)/],
    [{ body: '<html>h1dden' }, /is not JSON: check the address/],
    [{ body: { access_token: 'a b h1dden' } }, /gives no access token/],
    [{ body: { access_token: 5, token: 'h1dden' } }, /gives no access token/],
    [{ status: 500, body: 'h1dden' }, /answered 500 .*try again later/],
  ];
  for (const [answer, message] of cases) {
    const { parameters } = await project(t, () => answer);
    const error = await readApi(parameters).catch((reason) => reason);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /h1dden|s%cret/);
  }
  const form = await project(t, () => ({ body: 'access_token=form-token-1&token_type=bearer' }));
  form.issued.push('form-token-1');
  assert.deepEqual((await readApi(form.parameters)).rows, [{ id: 1 }]);
});

test('a configuration that would give secrets away, or is incomplete, is refused', async (t) => {
  const { parameters, requests } = await project(t, (n) => token(n));
  const rejects = (more, message) => assert.rejects(readApi({ ...parameters, ...more }), message);
  const items = (more) => ({ OAuth2: choice('client_credentials', { ...CLIENT, ...more }) });
  await rejects(items({ TokenUrl: 'http://example.com/token?k=s3cretword' }), (error) => {
    assert.match(error.message, /TokenUrl "http:\/\/example\.com\/token" is no https address/);
    return true;
  });
  await rejects(items({}), /"OAuth2\.TokenUrl" is required/);
  await rejects({ BearerToken: 'x' }, /both BearerToken and OAuth2/);
  await rejects(
    items({ TokenUrl: 'https://a/t', More: ['x'] }),
    /OAuth2\.More has an entry without name/,
  );
  assert.deepEqual(requests, []);
});
