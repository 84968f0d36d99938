'use strict';
// Servers on loopback for request-cases.js: they answer what the path asks for.

const crypto = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const path = require('node:path');
const zlib = require('node:zlib');

const BYTES = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const TEXT = 'a text with ж, again and again. '.repeat(50);
const ENCODED = {
  gzip: ['gzip', zlib.gzipSync(TEXT)],
  deflate: ['deflate', zlib.deflateSync(TEXT)],
  br: ['br', zlib.brotliCompressSync(TEXT)],
  'gzip-empty': ['gzip', zlib.gzipSync('')],
  unknown: ['identity', Buffer.from(TEXT)],
  broken: ['gzip', Buffer.from('this is no gzip')],
};

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const counts = new Map();
const count = (url) => {
  counts.set(url, (counts.get(url) ?? 0) + 1);
  return counts.get(url);
};

/** By the first part of the path. */
const routes = {
  echo(request, response, _, body) {
    const { host, connection, ...headers } = request.headers;
    const seen = {
      method: request.method,
      url: request.url,
      headers,
      body: body.toString('latin1'),
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(seen));
  },
  form(request, response, _, body) {
    const [, boundary] = request.headers['content-type'].split('boundary=');
    const { length } = body;
    response.end(`${length}\n${body.toString('latin1').replaceAll(boundary, 'BOUNDARY')}`);
  },
  digest(request, response, _, body) {
    response.end(`${body.length} ${crypto.createHash('sha256').update(body).digest('hex')}`);
  },
  status: (request, response, [status]) => response.writeHead(Number(status)).end('of this status'),
  headers(request, response) {
    response.setHeader('Set-Cookie', ['a=1; Path=/', 'b=:2']);
    response.setHeader('X-Colon', ':base64:aGk=');
    response.setHeader('X-Latin', 'é');
    response.end();
  },
  encoded(request, response, [kind]) {
    const [encoding, content] = ENCODED[kind];
    response.writeHead(200, { 'content-encoding': encoding }).end(content);
  },
  binary: (request, response) => response.end(BYTES),
  large: (request, response) => response.end(Buffer.alloc(12_000_000, BYTES)),
  chunked(request, response) {
    response.write('one ');
    setImmediate(() => response.end('two'));
  },
  redirect(request, response, [status]) {
    response.writeHead(Number(status), { location: '/echo?redirected' }).end('moved');
  },
  'redirect-nowhere': (request, response) => response.writeHead(302).end(),
  hops(request, response, [left]) {
    if (left === '0') response.end('arrived');
    else response.writeHead(302, { location: `/hops/${left - 1}` }).end();
  },
  silent() {},
  'fails-twice'(request, response) {
    const times = count(request.url);
    response.writeHead(times < 3 ? 503 : 200).end(`time ${times}`);
  },
  count: (request, response) => response.end(`time ${count(request.url)}`),
  cached: (request, response) =>
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end('x'),
  reset: (request, response) => response.socket.resetAndDestroy(),
  cut(request, response) {
    response.writeHead(200, { 'content-length': '100' });
    response.write('short', () => response.socket.destroy());
  },
};

async function answer(request, response) {
  const body = await bodyOf(request).catch(() => Buffer.alloc(0));
  const { pathname } = new URL(request.url, 'http://host');
  const [, route, ...rest] = pathname.split('/');
  (routes[route] ?? routes.echo)(request, response, rest, body);
}

async function addressOf(t, server, scheme) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections?.();
  });
  return `${scheme}://127.0.0.1:${server.address().port}`;
}

/** The servers' addresses, by what request-cases.js calls them. */
async function requestServers(t) {
  const tls = (name) => fs.readFileSync(path.join(__dirname, 'tls', name));
  const secure = { cert: tls('server.pem'), key: tls('server-key.pem') };
  const raw = net.createServer((socket) => socket.on('error', () => {}).end('no http\r\n\r\n'));
  const gone = net.createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const closed = `http://127.0.0.1:${gone.address().port}/`;
  await new Promise((resolve) => gone.close(resolve));
  const proxy = http.createServer((request, response) => {
    response.end(`by proxy: ${request.method} ${new URL(request.url, 'http://host').pathname}`);
  });
  return {
    http: await addressOf(t, http.createServer(answer), 'http'),
    https: await addressOf(t, https.createServer(secure, answer), 'https'),
    raw: await addressOf(t, raw, 'http'),
    closed,
    behindProxy: await addressOf(t, http.createServer(answer), 'http'),
    proxy: await addressOf(t, proxy, 'http'),
  };
}

module.exports = { CA: path.join(__dirname, 'tls', 'ca.pem'), requestServers };
