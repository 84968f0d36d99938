'use strict';
// A server on loopback that serves, and before that fails as often and in the way that a test says.

const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');

const TLS = path.join(__dirname, 'tls');
/** For NODE_EXTRA_CA_CERTS. */
const CA = path.join(TLS, 'ca.pem');

/** Ways to fail: each answers one request, or has its answer changed. */
const faults = {
  throttled:
    (seconds = 0) =>
    (request, response) =>
      response.writeHead(429, { 'retry-after': String(seconds) }).end('slow down'),
  failing:
    (status = 500) =>
    (request, response) =>
      response.writeHead(status, { 'retry-after': '0' }).end('out of order'),
  /** No answer at all. */
  cut: () => (request, response) => response.socket.destroy(),
  /** The answer breaks off in its middle. */
  cutAfter: (bytes) => (request, response, answer) => {
    let left = bytes;
    const { write } = response;
    response.write = (chunk) => {
      const part = Buffer.from(chunk).subarray(0, left);
      left -= part.length;
      return write.call(response, part, () => left === 0 && response.socket?.destroy());
    };
    response.end = (chunk) => chunk !== undefined && response.write(chunk);
    answer();
  },
};

/**
 * @param {(request: http.IncomingMessage, response: http.ServerResponse) => void} listener
 * @param {{ tls?: boolean | string }} [options] true, or the name of another certificate than `server`
 * @returns {Promise<{ origin: string, port: number, requests: object[], next: Function[] }>}
 *   `next` are faults for the requests to come, first in, first out; null is none
 */
async function roughServer(t, listener, { tls = false } = {}) {
  const requests = [];
  const next = [];
  const handle = (request, response) => {
    requests.push({ url: request.url, headers: request.headers });
    const fault = next.shift();
    const answer = () => listener(request, response);
    if (fault) fault(request, response, answer);
    else answer();
  };
  const name = tls === true ? 'server' : tls;
  const read = (file) => fs.readFileSync(path.join(TLS, `${file}.pem`));
  const server = tls
    ? https.createServer({ cert: read(name), key: read(`${name}-key`) }, handle)
    : http.createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address();
  return { origin: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, port, requests, next };
}

module.exports = { CA, faults, roughServer };
