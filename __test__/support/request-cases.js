'use strict';
// What connectors ask of sync-request. Started as `node request-cases.js MODULE CASE PORTS` it prints
// what came of it, with what differs from call to call left out.

const fs = require('node:fs');

/** Headers that two calls need not share. */
const CHANGING = ['date', 'connection', 'keep-alive'];

function shown(response) {
  const headers = { ...response.headers };
  for (const name of CHANGING) delete headers[name];
  const bytes = Buffer.isBuffer(response.body) ? response.body.toString('latin1') : 'no buffer';
  return [response.statusCode, headers, bytes.slice(0, 2000), bytes.length, response.url];
}

/** Each gets the module, addresses of servers, and `say`. */
const cases = {
  api(request, { http }, say) {
    say(typeof request, request.length, Object.keys(request), request.default === request);
    say(typeof request.FormData, Object.keys(new request.FormData()));
    const response = request('GET', `${http}/echo`);
    say(Object.keys(response), response.constructor.name, response.isError());
    say(typeof response.getBody(), Buffer.isBuffer(response.getBody()), response.getBody('utf8'));
    say(JSON.parse(response.getBody('utf8')).url, response.body.toString('base64').length > 0);
    say(...shown(request('GET', new URL(`${http}/echo?x=1#y`))));
  },
  methods(request, { http }, say) {
    for (const method of ['GET', 'get', 'HEAD', 'DELETE', 'POST', 'PUT', 'PATCH', 'OPTIONS']) {
      say(method, ...shown(request(method, `${http}/echo`)));
    }
  },
  statuses(request, { http }, say) {
    for (const status of [200, 201, 204, 205, 304, 400, 401, 404, 429, 500, 503]) {
      const response = request('GET', `${http}/status/${status}`);
      say(...shown(response), response.isError());
      try {
        say(response.getBody('utf8'));
      } catch (error) {
        say(error.message, error.statusCode, Object.keys(error).sort(), error.url);
      }
    }
  },
  queries(request, { http }, say) {
    const qs = { a: 'ж b', list: [1, 2], deep: { x: { y: 'z' } }, nothing: null, empty: '' };
    say(...shown(request('GET', `${http}/echo`, { qs })));
    say(...shown(request('GET', `${http}/echo?kept=1&a=2#fragment`, { qs })));
    say(...shown(request('GET', `${http}/echo`, { qs: {} })));
  },
  headers(request, { http }, say) {
    const headers = { 'X-Given': 'a', accept: 'text/x', Authorization: 'Bearer x', 'X-N': 5 };
    say(...shown(request('GET', `${http}/echo`, { headers })));
    say(headers, 'unchanged');
    say(...shown(request('GET', `${http}/echo`, { headers: { 'Accept-Encoding': 'br' } })));
    say(...shown(request('GET', http.replace('//', '//user:p%40ss@') + '/echo')));
    say(...shown(request('GET', `${http}/headers`)));
    say(...shown(request('GET', `${http}/echo`, { headers: { cookie: 'a=b; c=d' } })));
  },
  bodies(request, { http }, say) {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    for (const options of [
      { json: { a: 'ж', deep: [1, null, { b: true }], at: new Date(0), gone: undefined } },
      { json: [] },
      { json: 'text' },
      { json: 0 },
      { body: 'text ж' },
      { body: ':starts with a colon' },
      { body: '' },
      { body: bytes },
      { body: Buffer.alloc(0) },
      { body: bytes, headers: { 'content-type': 'x/y' } },
      { json: { a: 1 }, headers: { 'Content-Type': 'application/vnd.x+json' } },
    ]) {
      say(...shown(request('POST', `${http}/echo`, options)));
    }
    const large = Buffer.alloc(5_000_000, 'large ');
    say(...shown(request('PUT', `${http}/digest`, { body: large })));
  },
  forms(request, { http }, say) {
    const form = new request.FormData();
    form.append('text', 'value ж');
    form.append('file', Buffer.from([0, 1, 254, 255]), 'name.bin');
    form.append('csv', Buffer.from('a,b'), 'data.csv');
    say(...shown(request('POST', `${http}/form`, { form })));
  },
  encodings(request, { http }, say) {
    for (const path of ['gzip', 'deflate', 'br', 'gzip-empty', 'unknown']) {
      say(...shown(request('GET', `${http}/encoded/${path}`)));
      say(...shown(request('GET', `${http}/encoded/${path}`, { gzip: false })));
    }
  },
  brokenEncoding: (request, { http }) => request('GET', `${http}/encoded/broken`),
  binary(request, { http }, say) {
    const response = request('GET', `${http}/binary`);
    say(response.body.equals(Buffer.from(Array.from({ length: 256 }, (_, index) => index))));
    response.body[0] = 7; // it is the caller's own
    say(request('GET', `${http}/binary`).body[0]);
    const large = request('GET', `${http}/large`).body;
    say(large.length, require('node:crypto').createHash('sha256').update(large).digest('hex'));
    say(...shown(request('GET', `${http}/chunked`)));
  },
  redirects(request, { http }, say) {
    for (const status of [301, 302, 303, 307, 308]) {
      for (const method of ['GET', 'HEAD', 'DELETE', 'POST']) {
        say(status, method, ...shown(request(method, `${http}/redirect/${status}`)));
      }
    }
    const url = `${http}/redirect/302`;
    say(...shown(request('GET', url, { followRedirects: false })));
    const headers = { 'x-kept': '1', 'x-lost': '2', authorization: 'secret' };
    say(...shown(request('GET', url, { headers })));
    say(...shown(request('GET', url, { headers, allowRedirectHeaders: ['x-kept'] })));
    say(...shown(request('GET', `${http}/hops/3`, { maxRedirects: 3 })));
    say(...shown(request('GET', `${http}/hops/3`, { maxRedirects: Infinity })));
  },
  tooManyRedirects: (request, { http }) => request('GET', `${http}/hops/3`, { maxRedirects: 2 }),
  noLocation: (request, { http }) => request('GET', `${http}/redirect-nowhere`),
  timeout: (request, { http }) => request('GET', `${http}/silent`, { timeout: 60 }),
  socketTimeout: (request, { http }) =>
    request('GET', `${http}/silent`, { socketTimeout: 60, gzip: false, followRedirects: false }),
  retries(request, { http }, say) {
    const options = { retry: true, retryDelay: 5, maxRetries: 3 };
    say(...shown(request('GET', `${http}/fails-twice/${process.pid}`, options)));
    say(...shown(request('GET', `${http}/status/500`, options)));
    say(...shown(request('GET', `${http}/count/${process.pid}`, options)));
    say(...shown(request('POST', `${http}/status/500`, options)));
  },
  agents(request, { http }, say) {
    for (const agent of [undefined, false]) {
      say(...shown(request('GET', `${http}/echo`, { agent })));
    }
  },
  wrongAgent: (request, { http }) => request('GET', `${http}/echo`, { agent: true }),
  caches(request, { http }, say) {
    say(...shown(request('GET', `${http}/cached`, { cache: 'file' })));
  },
  refused: (request, { closed }) => request('GET', closed),
  refusedRetries: (request, { closed }) =>
    request('GET', closed, { retry: true, retryDelay: 1, maxRetries: 2 }),
  reset: (request, { http }) => request('GET', `${http}/reset`),
  cutShort: (request, { http }) => request('GET', `${http}/cut`, { gzip: false }),
  noHttp: (request, { raw }) => request('GET', raw),
  noSuchHost: (request) => request('GET', 'http://no-such-host.invalid/'),
  noProtocol: (request) => request('GET', 'nothing'),
  otherProtocol: (request) => request('GET', 'ftp://127.0.0.1/'),
  wrongMethod: (request, { http }) => request(5, http),
  wrongUrl: (request) => request('GET', 5),
  wrongOptions: (request, { http }) => request('GET', http, 'options'),
  wrongBody: (request, { http }) => request('POST', http, { body: { a: 1 } }),
  bodyOfGet: (request, { http }) => request('GET', http, { body: 'x' }),
  wrongHeader: (request, { http }) => request('GET', http, { headers: { 'a b': 'c' } }),
  noArguments: (request) => request(),
  certificate(request, { https }, say) {
    say(...shown(request('GET', `${https}/echo`)));
    say(...shown(request('POST', `${https}/echo`, { json: { a: 1 } })));
  },
  unknownCertificate: (request, { https }) => request('GET', `${https}/echo`),
  proxy(request, { behindProxy }, say) {
    say(...shown(request('GET', `${behindProxy}/echo`)));
  },
  again(request, { http, closed }, say) {
    for (let times = 0; times < 3; times += 1) {
      try {
        request('GET', closed);
      } catch (error) {
        say(error.code);
      }
      say(...shown(request('GET', `${http}/echo?${times}`)));
    }
  },
};

module.exports = { names: Object.keys(cases) };

if (require.main === module) {
  const [, , file, name, addresses] = process.argv;
  const ports = /127\.0\.0\.1:\d+/g;
  const say = (...values) => {
    const text = JSON.stringify(values, (_, value) => (value === undefined ? 'undefined' : value));
    fs.writeSync(
      1,
      `${text
        .replace(/\b\d+ms\b/g, 'N ms')
        .replace(ports, 'HOST')
        .replaceAll(`/${process.pid}`, '/PID')}\n`,
    );
  };
  try {
    const given = cases[name](require(file), JSON.parse(addresses), say);
    if (given) say('no error', ...shown(given));
  } catch (error) {
    say(error.constructor.name, error.message, Object.keys(error), error.code);
  }
}
