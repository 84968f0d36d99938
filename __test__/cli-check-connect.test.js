'use strict';
// `check --connect`: source and storage try what a run needs, without a row, in its isolation.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const path = require('node:path');
const { after, test } = require('node:test');

const { startTikTok } = require('./connectors/support/tiktok');
const { NODE_MANIFEST, configOf, connectorsPackage } = require('./support/connectors');
const { query, referencePackage } = require('./support/duckdb');
const { root, runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const rates = path.join(root, 'examples', 'data', 'eurofxref-hist.csv');
const runsDir = tempFolder({ after });

/** The answer of `check --connect`, as text and as JSON. */
async function connect(t, config, { args = [], package_ = referencePackage } = {}) {
  const cwd = writeFiles(tempFolder(t), { 'config.json': config });
  const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: package_ };
  const all = ['check', 'config.json', '--connect', '--runs-dir', runsDir, ...args];
  const ask = (...more) => runScript('src/cli-wrapper.js', [...all, ...more], { cwd, env });
  const done = await ask('--json');
  assert.equal(done.stdout.trimEnd().split('\n').length, 1, done.stdout + done.stderr);
  const answer = JSON.parse(done.stdout);
  assert.equal(done.code, answer.ok ? 0 : 1);
  const of = (kind) => answer.connections?.find((one) => one.kind === kind);
  return { answer, ask, source: of('source'), storage: of('storage') };
}

function config(t, source, storage = undefined) {
  const DatabasePath = path.join(tempFolder(t), 'x.duckdb');
  return { name: 'C', source, storage: storage ?? { name: 'DuckDb', config: { DatabasePath } } };
}

const csv = (Path, more = {}) => ({ name: 'CsvFile', config: { Path, ...more } });
const json = (Url, more = {}) => ({ name: 'HttpJson', config: { Url, ...more } });

/** A server on loopback that gives each request to `answer`. */
async function serve(t, answer, { tls } = {}) {
  const requests = [];
  const listener = (request, response) => {
    requests.push(request);
    answer(request, response);
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http${tls ? 's' : ''}://127.0.0.1:${server.address().port}`, requests };
}

test('a file and a database that are fine: one line each, and nothing is left', async (t) => {
  const given = config(t, csv(rates));
  const { DatabasePath } = given.storage.config;
  const { answer, ask, source, storage } = await connect(t, given);
  assert.equal(answer.ok, true);
  assert.deepEqual(Object.keys(source), ['kind', 'name', 'status', 'message']);
  assert.deepEqual([source.status, storage.status], ['ok', 'ok']);
  assert.match(
    source.message,
    /eurofxref-hist\.csv can be read, and its first line has 43 columns$/,
  );
  assert.match(storage.message, /x\.duckdb is not there yet, and can be made$/);
  const { stdout, code } = await ask();
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^config\.json is fine\nok +source CsvFile: .*\nok +storage DuckDb: .*\nconfig\.json: a run could begin\n$/,
  );
  assert.deepEqual(fs.readdirSync(path.dirname(DatabasePath)), []);
});

test('a database that is there stays as it is', async (t) => {
  const file = path.join(tempFolder(t), 'x.duckdb');
  const run = config(t, csv(rates), { name: 'DuckDb', config: { DatabasePath: file } });
  const folder = writeFiles(tempFolder(t), { 'config.json': run });
  const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: referencePackage };
  const options = { cwd: folder, env };
  const ran = await runScript('src/cli-wrapper.js', ['config.json', '--no-state'], options);
  assert.equal(ran.code, 0, ran.stderr);
  const content = () => query(file, 'SELECT table_name FROM information_schema.tables');
  const before = await content();
  const { storage } = await connect(t, run);
  assert.deepEqual([storage.status, storage.message], ['ok', `${file} can be written`]);
  assert.deepEqual(await content(), before);
  assert.deepEqual(fs.readdirSync(path.dirname(file)), ['x.duckdb']);
});

test('what is wrong with a database is said with its remedy', async (t) => {
  const of = async (DatabasePath) => {
    const { answer, storage } = await connect(
      t,
      config(t, csv(rates), { name: 'DuckDb', config: { DatabasePath } }),
    );
    assert.equal(answer.ok, false);
    assert.equal(storage.status, 'failed');
    return storage.message;
  };
  const folder = tempFolder(t);
  assert.match(
    await of(path.join(folder, 'none', 'x.duckdb')),
    /its folder does not exist; create it/,
  );
  fs.writeFileSync(path.join(folder, 'text.duckdb'), 'no database, but long enough '.repeat(1000));
  assert.match(
    await of(path.join(folder, 'text.duckdb')),
    /it is no DuckDB database; name another file/,
  );
});

test('what is wrong with a CSV is said with its remedy', async (t) => {
  const { origin, requests } = await serve(t, (request, response) => {
    const status = Number(request.url.slice(1));
    response.writeHead(status).end(status === 200 ? 'a,b\n1,2\n' : '');
  });
  const of = async (Path, more) => (await connect(t, config(t, csv(Path, more)))).source;
  assert.match(
    (await of(`${origin}/200`)).message,
    /can be read, and its first line has 2 columns/,
  );
  assert.match((await of(`${origin}/200`, { UniqueKeys: ['c'] })).message, /"?c"?/);
  assert.match((await of(`${origin}/401`)).message, /answered 401 .*may be read without login/);
  assert.match((await of(`${origin}/404`)).message, /answered 404 .*check the address/);
  const before = requests.length;
  assert.match((await of(`${origin}/503`)).message, /answered 503 .*try again later/);
  assert.equal(requests.length, before + 1, 'it does not wait for what may pass');
  assert.match((await of('/no/such.csv')).message, /there is no such file: check Path/);
});

test('what is wrong with an address is said with its remedy', async (t) => {
  const { origin } = await serve(t, (request, response) => {
    const { pathname } = new URL(request.url, 'http://h');
    const status = Number(pathname.slice(1)) || 200;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(pathname === '/object' ? '{"a":1}' : '[{"a":1},{"a":2}]');
  });
  const closed = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const { port } = closed.address();
  await new Promise((resolve) => closed.close(resolve));
  const pem = (name) => fs.readFileSync(path.join(__dirname, 'support', 'tls', name));
  const tls = { key: pem('server-key.pem'), cert: pem('server.pem') };
  const secure = await serve(t, (_, response) => response.end('[]'), { tls });
  const of = async (Url, more) => {
    const { source, storage } = await connect(t, config(t, json(Url, more)));
    assert.equal(storage.status, 'ok', 'one does not hide the other');
    return `${source.status}: ${source.message}`;
  };
  assert.match(await of(`${origin}/`), /^ok: .* answers, with 2 records on its first page$/);
  assert.match(await of(`${origin}/401`), /^failed: .* 401 .*check the token/);
  assert.match(
    await of(`${origin}/403`),
    /^failed: .* 403 .*check the token, and what it may read/,
  );
  assert.match(await of(`${origin}/404`), /^failed: .* 404 .*check the address/);
  assert.match(await of(`${origin}/object`), /^failed: .*correct RecordsPath/);
  assert.match(await of(`http://127.0.0.1:${port}/`), /^failed: .*ECONNREFUSED; check the address/);
  assert.match(
    await of('http://nowhere.invalid/'),
    /^failed: .*(ENOTFOUND|EAI_AGAIN); check the address/,
  );
  assert.match(
    await of(secure.origin),
    /^failed: .*certificate is not trusted: .*NODE_EXTRA_CA_CERTS/,
  );
});

test('TikTok is asked for one record of each object, and no more', async (t) => {
  const fake = await startTikTok(t, { token: 'good', advertisers: ['1', '2'] });
  const of = async (more) => {
    const source = {
      name: 'TikTokAds',
      config: {
        AccessToken: 'good',
        AdvertiserIDs: '1, 2',
        Objects: 'advertiser, campaigns, ad_insights',
        BaseUrl: fake.base,
        ...more,
      },
    };
    return (await connect(t, config(t, source))).source;
  };
  const { status, message } = await of({});
  assert.deepEqual(
    [status, message],
    ['ok', 'TikTok gives advertiser, campaigns, ad_insights of 2 advertisers'],
  );
  assert.equal(fake.requests.length, 6);
  assert.deepEqual(
    new Set(fake.queriesOf('campaign/get/').map((one) => one.page_size)),
    new Set(['1']),
  );
  assert.match((await of({ AccessToken: 'bad' })).message, /authorize the app again.*AccessToken/);
  assert.match((await of({ AdvertiserIDs: '1, 7' })).message, /take 7 out of AdvertiserIDs/);
});

const checks = (name, body) => `Connectors.${name}.${name}Source.prototype.check = ${body};`;
const raw = (code, more = '') =>
  `async function () { throw Object.assign(new Error('it failed'), { code: '${code}' ${more} }); }`;

test('a package of another kind: not asked, raw errors, secrets, crashes', async (t) => {
  const secret = 'a-secret-of-many-letters';
  const names = ['Old', 'Refused', 'Denied', 'Tells', 'Exits', 'Throws', 'Writes', 'Null'];
  const package_ = connectorsPackage(t, {
    sources: Object.fromEntries(
      names.map((name) => [name, "run() { throw new Error('it ran'); }"]),
    ),
    storages: { Null: NODE_MANIFEST, Constructs: NODE_MANIFEST },
    after: [
      checks('Refused', raw('ECONNREFUSED')),
      checks('Denied', raw('X', ', response: { status: 403 }')),
      checks(
        'Tells',
        'async function () { return JSON.stringify(this.config.json.source.config); }',
      ),
      checks('Exits', 'function () { process.exit(7); }'),
      checks('Throws', 'function () { null.x; }'),
      checks(
        'Writes',
        "function () { require('fs').writeFileSync('/var/tmp/owox-check-connect', ''); }",
      ),
      checks('Null', 'async function () { return null; }'),
      `Storages.Constructs.ConstructsStorage = class { constructor() { process.exit(9); } };`,
    ].join('\n'),
  });
  const of = async (name, parameters = {}, storage = 'Null') => {
    const found = await connect(t, configOf(name, parameters, storage), { package_ });
    return { ...found, line: `${found.source?.status}: ${found.source?.message}` };
  };
  const old = await of('Old', {}, 'Constructs');
  assert.equal(old.answer.ok, true);
  assert.equal(old.line, 'notAsked: has no check() that could tell');
  assert.equal(old.storage.status, 'notAsked');
  assert.match((await old.ask()).stdout, /^not asked source Old: /m);
  assert.equal((await of('Null')).source.status, 'notAsked');
  assert.match(
    (await of('Refused')).line,
    /^failed: it failed; nothing listens there: check address and port/,
  );
  assert.match(
    (await of('Denied')).line,
    /^failed: it failed; the account may not do it: give it the right/,
  );
  assert.match(
    (await of('Tells', { ApiToken: secret })).line,
    /^ok: .*"ApiToken":\{"value":"\*\*\*"\}/,
  );
  const exits = await of('Exits');
  assert.match(exits.answer.connections[0].message, /exit code: 7/);
  assert.equal(exits.answer.ok, false);
  assert.match((await of('Throws')).line, /^failed: Cannot read properties of null/);
  assert.match((await of('Writes')).line, /^failed: EACCES.*--allow-write/);
  assert.equal(fs.existsSync('/var/tmp/owox-check-connect'), false);
});

test('what check refuses is not connected', async (t) => {
  const { origin, requests } = await serve(t, (_, response) => response.end('[]'));
  const { answer } = await connect(t, config(t, json(origin, { Urk: 1 })));
  assert.deepEqual([answer.ok, answer.connections, requests.length], [false, undefined, 0]);
});

test('an environment that cannot be made is a line too', async (t) => {
  const dependency = { name: 'gone', version: '1.0.0', global: ['x'], global_is: true };
  const package_ = connectorsPackage(t, {
    storages: { Null: { environment: { node: { enabled: true, dependencies: [dependency] } } } },
  });
  const bin = writeFiles(tempFolder(t), {
    npm: "#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n",
  });
  fs.chmodSync(path.join(bin, 'npm'), 0o755);
  const before = process.env.PATH;
  process.env.PATH = `${bin}:${before}`;
  t.after(() => {
    process.env.PATH = before;
  });
  const { answer } = await connect(t, configOf('Ok'), { package_, args: ['--no-store'] });
  const [{ kind, status, message }] = answer.connections;
  assert.deepEqual([kind, status, answer.ok], ['environment', 'failed', false]);
  assert.match(message, /npm install failed: 1; npm error code E404/);
});
