'use strict';
// One request as `fetch` makes it, and by a proxy where the variables name one: `fetch` itself knows
// no proxy in all versions of Node that connectors run in.

const http = require('node:http');
const https = require('node:https');
const { Readable } = require('node:stream');
const tls = require('node:tls');
const zlib = require('node:zlib');
const { proxyFor } = require('./proxy');

/** An answer that did not come by a proxy, which its message names. */
class ProxyError extends Error {}

/** Statuses whose answers have no body. */
const WITHOUT_BODY = [204, 205, 304];
const DECODERS = {
  gzip: zlib.createGunzip,
  'x-gzip': zlib.createGunzip,
  deflate: zlib.createInflate,
  br: zlib.createBrotliDecompress,
};

/**
 * @param {string} url
 * @param {object} [options]
 * @param {string} [options.method]
 * @param {Record<string, string>} [options.headers]
 * @param {string} [options.body]
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<Response>} redirects are not followed
 * @throws {Error} whose message, or that of its cause, says why there is no answer
 */
async function send(url, options = {}) {
  const target = new URL(url);
  const proxy = proxyFor(target);
  if (proxy === null) return fetch(url, { ...options, redirect: 'manual' });
  try {
    return await sendBy(proxy.url, target, options);
  } catch (cause) {
    if (cause.name === 'TimeoutError' || cause.name === 'AbortError') throw cause;
    const { origin } = proxy.url;
    const reason = cause.code ?? cause.cause?.code ?? cause.message;
    const by = `${reason} by the proxy ${origin} that ${proxy.variable} names`;
    throw new ProxyError(`${by} (NO_PROXY excepts servers from it)`, { cause });
  }
}

async function sendBy(proxy, target, { method = 'GET', headers = {}, body, signal }) {
  const sent = { 'accept-encoding': 'gzip, deflate, br', ...headers };
  sent.host = target.host;
  if (body !== undefined) sent['content-length'] = String(Buffer.byteLength(body));
  let request;
  if (target.protocol === 'https:') {
    const socket = await tunnel(proxy, target, signal);
    const path = target.pathname + target.search;
    const options = { method, headers: sent, path, signal };
    // without an agent: one would make a connection of its own
    request = https.request({ ...options, createConnection: () => socket });
    request.once('error', () => socket.destroy());
  } else {
    const options = { method, headers: { ...sent, ...authorization(proxy) }, agent: false, signal };
    request = clientOf(proxy).request({ ...addressOf(proxy), ...options, path: target.href });
  }
  return answerOf(await sentAndAnswered(request, body, signal), signal);
}

/** A connection through the proxy that only the server itself can read. */
async function tunnel(proxy, target, signal) {
  const host = `${target.hostname}:${target.port || 443}`;
  const request = clientOf(proxy).request({
    ...addressOf(proxy),
    method: 'CONNECT',
    path: host,
    headers: { host, ...authorization(proxy) },
    agent: false,
    signal,
  });
  const socket = await new Promise((resolve, reject) => {
    request.once('error', (error) => reject(reasonOf(error, signal)));
    request.once('connect', ({ statusCode, statusMessage }, connected) => {
      if (statusCode === 200) return resolve(connected);
      connected.destroy();
      return reject(new Error(`refused with ${statusCode} ${statusMessage}`));
    });
    request.once('response', (response) => {
      response.destroy();
      reject(new Error(`refused with ${response.statusCode} ${response.statusMessage}`));
    });
    request.end();
  });
  const name = target.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const secure = tls.connect({
      socket,
      host: name,
      servername: name,
      ALPNProtocols: ['http/1.1'],
    });
    secure.once('secureConnect', () => resolve(secure));
    secure.once('error', (error) => {
      socket.destroy();
      reject(reasonOf(error, signal));
    });
    signal?.addEventListener('abort', () => secure.destroy(signal.reason), { once: true });
  });
}

function clientOf({ protocol }) {
  return protocol === 'https:' ? https : http;
}

function addressOf({ hostname, port, protocol }) {
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}

function authorization({ username, password }) {
  if (username === '' && password === '') return {};
  const user = [username, password].map(decodeURIComponent).join(':');
  return { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` };
}

function sentAndAnswered(request, body, signal) {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', (error) => reject(reasonOf(error, signal)));
    request.end(body);
  });
}

/** The time-out itself, and not that something was ended by it. */
function reasonOf(error, signal) {
  return signal?.aborted ? signal.reason : error;
}

function answerOf(message, signal) {
  const { statusCode: status, statusMessage: statusText, rawHeaders } = message;
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2)
    headers.append(rawHeaders[at], rawHeaders[at + 1]);
  if (WITHOUT_BODY.includes(status)) {
    message.resume();
    return new Response(null, { status, statusText, headers });
  }
  let stream = message;
  const encodings = (headers.get('content-encoding') ?? '').toLowerCase().split(/\s*,\s*/);
  for (const encoding of encodings.reverse()) {
    const decoder = DECODERS[encoding]?.();
    if (decoder === undefined) continue;
    const source = stream;
    source.once('error', (error) => decoder.destroy(reasonOf(error, signal)));
    stream = source.pipe(decoder);
  }
  return new Response(Readable.toWeb(stream), { status, statusText, headers });
}

module.exports = { ProxyError, send };
