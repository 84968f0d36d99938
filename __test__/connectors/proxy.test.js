'use strict';
// Sources behind a proxy: http by its address, https by a tunnel, and what NO_PROXY excepts.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { test } = require('node:test');
const { promisify } = require('node:util');
const { gzipSync } = require('node:zlib');

const { Connectors } = require('../../packages/connectors');
const { proxyFor } = require('../../packages/connectors/src/Core/proxy');
const { roughServer } = require('../support/rough-server');
const { tempFolder } = require('../support/temp');
const { readApi } = require('./support/api');
const { RecordingConfig } = require('./support/memory');

const PROXIED = path.join(__dirname, '../support/tls/proxied.pem');
const SCRIPT = `
  const { fetchJson } = require(${JSON.stringify(require.resolve('../../packages/connectors/src/Core/http'))});
  fetchJson(process.argv[1], { attempts: 1 }).then(
    ({ body }) => console.log(JSON.stringify(body)),
    ({ message }) => console.log(message),
  );`;
const NAMES = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'];

/** Sets the variables for a test, and takes away those that the machine has. */
function variables(t, given) {
  const all = [...NAMES, ...NAMES.map((name) => name.toUpperCase())];
  const before = Object.fromEntries(all.map((name) => [name, process.env[name]]));
  const set = (values) => {
    for (const name of all) {
      if (values[name] === undefined) delete process.env[name];
      else process.env[name] = values[name];
    }
  };
  set(given);
  t.after(() => set(before));
}

/** A proxy that knows where the made-up hosts are: `answer` for http, `port` for tunnels. */
async function startProxy(t, { answer, port, refuses = false, user }) {
  const asked = [];
  const proxy = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (user !== undefined && request.headers['proxy-authorization'] !== user) {
      return response.writeHead(407).end();
    }
    return answer(request, response);
  });
  proxy.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    if (refuses) return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    const server = net.connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      server.pipe(socket).pipe(server);
    });
    for (const end of [socket, server]) end.on('error', () => socket.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return { address: `127.0.0.1:${proxy.address().port}`, asked };
}

test('http goes by the proxy, with its user, for sources of records and of files', async (t) => {
  const user = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
  const answer = (request, response) => {
    if (request.url.endsWith('/moved')) {
      return response.writeHead(302, { location: '/list?a=1' }).end();
    }
    if (request.url.endsWith('/none')) return response.writeHead(404).end('none');
    if (request.url.endsWith('/empty')) return response.writeHead(204).end();
    const { headers } = request;
    assert.deepEqual([headers.host, headers.authorization], ['api.test:8080', 'Bearer s3cretword']);
    const body = request.url.endsWith('.csv') ? 'id\n1\n' : '[{"id":"ж"}]';
    return response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body));
  };
  const { address, asked } = await startProxy(t, { answer, user });
  variables(t, { HTTP_PROXY: `me:p%40ss@${address}` });
  const parameters = {
    Url: 'http://api.test:8080/moved',
    BearerToken: 's3cretword',
    MaxAttempts: 1,
  };
  assert.deepEqual((await readApi(parameters)).rows, [{ id: 'ж' }]);
  assert.deepEqual(asked, ['GET http://api.test:8080/moved', 'GET http://api.test:8080/list?a=1']);
  await assert.rejects(
    readApi({ ...parameters, Url: 'http://api.test/none' }),
    /answered 404 .*none/,
  );
  await assert.rejects(readApi({ ...parameters, Url: 'http://api.test/empty' }), /not JSON/);

  const config = new RecordingConfig({ Path: 'http://x:y@api.test:8080/none', MaxAttempts: 1 });
  const source = new Connectors.CsvFile.CsvFileSource(config);
  await assert.rejects(source.check(), /answered 404/);

  variables(t, { ALL_PROXY: `http://me:wr0ngword@${address}` });
  const error = await readApi(parameters).catch((reason) => reason);
  assert.match(error.message, /answered 407/);
  variables(t, { http_proxy: 'http://me:wr0ngword@127.0.0.1:1' });
  const unreachable = await readApi(parameters).catch((reason) => reason);
  assert.match(
    unreachable.message,
    /ECONNREFUSED by the proxy http:\/\/127\.0\.0\.1:1 that http_proxy names \(NO_PROXY/,
  );
  assert.doesNotMatch(unreachable.message, /wr0ngword/);
  variables(t, { http_proxy: 'socks5://127.0.0.1:1' });
  await assert.rejects(readApi(parameters), /http_proxy names no http\(s\) proxy/);
});

test('https goes through a tunnel, in which the proxy reads nothing', async (t) => {
  const listener = (request, response) =>
    response.end(JSON.stringify([{ id: request.url }, { id: request.headers.host }]));
  const server = await roughServer(t, listener, { tls: 'proxied' });
  const { address, asked } = await startProxy(t, { port: server.port });
  const read = async (url, env) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', SCRIPT, url], {
      cwd: tempFolder(t),
      // Node reads the first of these when it starts
      env: { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: PROXIED, ...env },
    });
    return stdout.trim();
  };
  const env = { HTTPS_PROXY: `http://${address}` };
  const given = await read(`https://api.test:${server.port}/list?a=1`, env);
  assert.equal(given, `[{"id":"/list?a=1"},{"id":"api.test:${server.port}"}]`);
  assert.deepEqual(asked, [`CONNECT api.test:${server.port}`]);
  assert.equal(server.requests.length, 1);

  const other = await read(`https://other.test:${server.port}/`, env);
  assert.match(other, /certificate is not trusted/, 'its name is checked');
  assert.equal(server.requests.length, 1);
  const refusing = await startProxy(t, { refuses: true });
  const refused = await read('https://api.test/', { HTTPS_PROXY: `http://${refusing.address}` });
  assert.match(refused, /refused with 403 Forbidden by the proxy/);
});

test('NO_PROXY excepts servers as it does elsewhere, and this machine always', () => {
  const cases = [
    ['http://a.test/', '', true],
    ['http://a.test/', '*', false],
    ['http://a.test/', 'b.test, a.test', false],
    ['http://a.test/', 'b.test a.test', false],
    ['http://x.a.test/', 'a.test', false],
    ['http://x.a.test/', '.a.test', false],
    ['http://x.a.test/', '*.a.test', false],
    ['http://xa.test/', 'a.test', true],
    ['http://A.test./', 'a.TEST', false],
    ['http://a.test:8080/', 'a.test:8080', false],
    ['http://a.test:8080/', 'a.test:80', true],
    ['http://a.test/', 'a.test:80', false],
    ['http://10.1.2.3/', '10.0.0.0/8', false],
    ['http://11.1.2.3/', '10.0.0.0/8', true],
    ['http://10.1.2.3/', '10.1.2.3', false],
    ['http://10.1.2.3/', '10.0.0.0/99', true],
    ['http://[fd00::1]/', 'fd00::/8', false],
    ['http://[fd00::1]/', '[fd00::1]', false],
    ['http://a.test/', ',.,', true],
    ['http://localhost:80/', '', false],
    ['http://127.0.0.1/', '', false],
    ['http://[::1]/', '', false],
  ];
  for (const [url, exceptions, isProxied] of cases) {
    const found = proxyFor(new URL(url), { HTTP_PROXY: 'p:1', NO_PROXY: exceptions });
    assert.equal(found !== null, isProxied, `${url} ${exceptions}`);
  }
  const by = (url, given) => proxyFor(new URL(url), given)?.url.host;
  assert.equal(by('http://a/', { http_proxy: 'small:1', HTTP_PROXY: 'large:1' }), 'small:1');
  assert.equal(by('https://a/', { http_proxy: 'p:1' }), undefined);
  assert.equal(by('https://a/', { ALL_PROXY: 'p:1' }), 'p:1');
  assert.equal(by('https://a/', { https_proxy: ' ', ALL_PROXY: 'https://p' }), 'p');
  assert.equal(by('http://a/', { HTTP_PROXY: 'p:1', no_proxy: '', NO_PROXY: 'a' }), undefined);
});
