'use strict';

const { setTimeout: pause } = require('node:timers/promises');
const { ConnectorError } = require('./errors');
const { parse } = require('./exactJson');
const { ProxyError, send } = require('./request');
const { retryOf } = require('./retryAfter');

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** A server that asks for more is not waited for: the next run is the better time. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;
const SHOWN_BODY = 200;
const LONGEST_CHAIN = 10;
/** What may go along where a redirect leads to another server. */
const PUBLIC = ['accept', 'accept-encoding', 'range', 'if-range'];
const SHORTEST_SECRET = 8;
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_|ALTNAME/;

/**
 * The JSON that an address answers with; integers beyond 2^53 are BigInts. It goes by the proxy that
 * the variables `*_PROXY` and `NO_PROXY` name. Waits and asks again when
 * the server is busy (429, 5xx, 403 with a limit that is used up), as long as it says or else twice
 * as long each time, and when the connection breaks.
 *
 * @typedef {object} Refusal
 * @property {string} problem what is wrong, and what to do about it
 * @property {boolean} mayPass whether to wait and ask again
 *
 * @param {string} url
 * @param {object} [options]
 * @param {Record<string, string>} [options.headers] never shown in messages
 * @param {string} [options.method] `GET` by default; with another one a redirect to another server is
 *   an error, since the body may hold secrets as well
 * @param {string} [options.body]
 * @param {(text: string) => unknown} [options.parse] reads an answer; as JSON by default
 * @param {(body: unknown) => string} [options.explain] what a message says of an answer that may hold
 *   secrets, in place of its beginning
 * @param {string[]} [options.secrets] never shown, also where an answer repeats them
 * @param {(isRefused: boolean) => Promise<Record<string, string>>} [options.authorize] gives further
 *   headers for each attempt; once more, with `isRefused`, where they were answered with 401
 * @param {'follow' | 'manual'} [options.redirect] `follow`: without the headers where it leads to
 *   another server, since they hold secrets; `manual`: a redirect is an error
 * @param {(body: unknown) => Refusal | null} [options.judge] for servers that say "busy" or "no"
 *   in an answer with status 200
 * @param {number[]} [options.ends] statuses that say that there is nothing here: `body` is undefined
 * @param {number} [options.attempts] how often to ask in all
 * @param {number} [options.timeoutMs] for one answer
 * @param {(ms: number, reason: string) => Promise<void>} [options.wait] waits between two attempts, as
 *   the config's `wait` does
 * @returns {Promise<{ body: unknown, headers: Headers }>}
 * @throws {ConnectorError}
 */
async function fetchJson(url, options = {}) {
  const { attempts = 5, wait = pause } = options;
  const { authorize = async () => ({}) } = options;
  let isRefused = false;
  for (let attempt = 1; ; attempt += 1) {
    const headers = { ...options.headers, ...(await authorize(isRefused)) };
    const outcome = await ask(url, { ...options, headers });
    if (outcome.answer) return outcome.answer;
    if (outcome.status === 401 && options.authorize !== undefined && !isRefused) {
      isRefused = true;
      attempt -= 1;
      continue;
    }
    isRefused = false;
    const problem = withoutSecrets(outcome.problem, headers, options.secrets);
    const ms = waitingTime(attempt, outcome.retryAfter);
    if (!outcome.mayPass || attempt >= attempts || ms === null) {
      const tries = attempt > 1 ? ` (asked ${attempt} times)` : '';
      throw new ConnectorError(`${problem}${tries}`, { cause: outcome.cause });
    }
    await wait(ms, problem);
  }
}

/** Some servers say what they were sent. */
function withoutSecrets(text, headers, further = []) {
  const sent = Object.entries(headers)
    .filter(([name]) => !PUBLIC.includes(name) && name !== 'content-type')
    .flatMap(([, value]) => [value, value.split(' ').at(-1)]);
  const secrets = [...sent, ...further].filter((value) => value?.length >= SHORTEST_SECRET);
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
}

/** One attempt: an answer, or a problem and whether it may pass. */
async function ask(url, options) {
  const { redirect = 'follow', judge = () => null, timeoutMs = 60_000 } = options;
  const { ends = [], parse: read = parse, method = 'GET', headers, body: sent } = options;
  let response;
  let bytes;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    response = await request(url, { headers, method, body: sent, redirect, signal });
    bytes = await response.arrayBuffer();
  } catch (cause) {
    if (cause instanceof ConnectorError) return { problem: cause.message, mayPass: false };
    return unreachable(url, cause, timeoutMs);
  }
  const { status, statusText } = response;
  const saying = options.explain === undefined ? startOf : (said) => explained(said, options);
  if (ends.includes(status)) return { answer: { body: undefined, headers: response.headers } };
  const { mayPass, retryAfter } = retryOf(status, response.headers);
  if (!response.ok) {
    const start = saying(new TextDecoder().decode(bytes));
    const remedy = mayPass ? remedyFor(429) : remedyFor(status);
    return {
      problem: `${shown(url)} answered ${status} ${statusText}: ${remedy}${start}`,
      mayPass,
      retryAfter,
      status,
    };
  }
  let body;
  let text = '';
  try {
    text = decode(bytes, response.headers.get('content-type'));
    body = read(text);
  } catch (cause) {
    if (cause instanceof ConnectorError) {
      return { problem: `${shown(url)} ${cause.message}`, cause, mayPass: false };
    }
    const problem = `${shown(url)} answered with something that is not JSON: check the address${saying(text)}`;
    return { problem, cause, mayPass: false };
  }
  const refusal = judge(body);
  if (refusal !== null) return { ...refusal, retryAfter };
  return { answer: { body, headers: response.headers } };
}

function explained(text, { explain, parse: read = parse }) {
  try {
    return explain(read(text));
  } catch {
    return '';
  }
}

/** As `fetch`, but headers and body go to the server that they are meant for only. */
async function request(url, { headers = {}, method = 'GET', body, redirect, signal }) {
  let at = url;
  let sent = headers;
  for (let hops = 0; ; hops += 1) {
    const response = await send(at, { method, headers: sent, body, signal });
    const location = response.headers.get('location');
    const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && location !== null;
    if (redirect === 'manual' || !isRedirect) return response;
    await response.body?.cancel();
    if (hops === LONGEST_CHAIN) throw new Error('it redirects again and again');
    if (!URL.canParse(location, at)) throw new Error('it redirects to what is no address');
    const next = new URL(location, at);
    const isSame = isSameServer(new URL(at), next);
    // as GET, which it would become, it would ask for something else
    const keepsMethod = response.status >= 307 && isSame;
    if (method !== 'GET' && !keepsMethod) {
      throw new ConnectorError(
        `${shown(at)} redirects a ${method} to ${shown(next.href)}: if that is right, give that address`,
      );
    }
    if (!isSame)
      sent = Object.fromEntries(Object.entries(sent).filter(([name]) => PUBLIC.includes(name)));
    at = separateUser(next.href).url;
  }
}

/** Also where http becomes https. */
function isSameServer(from, to) {
  const isUpgrade = from.protocol === 'http:' && to.protocol === 'https:';
  const hasNoPorts = from.port === '' && to.port === '';
  return from.origin === to.origin || (isUpgrade && hasNoPorts && from.host === to.host);
}

/** @returns {string | null} the encoding that a header `Content-Type` names */
function charsetOf(contentType) {
  return /charset\s*=\s*"?([\w:.-]+)/i.exec(contentType ?? '')?.[1] ?? null;
}

/** In the encoding that its server names; replacing what does not fit would corrupt it silently. */
function decode(bytes, contentType) {
  const label = charsetOf(contentType) ?? 'utf-8';
  let decoder;
  try {
    decoder = new TextDecoder(label, { fatal: true });
  } catch {
    throw new ConnectorError(`answered in an encoding that is not known here, ${label}`);
  }
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const message = `answered with bytes that are no ${label}: its server has to name the encoding`;
    throw new ConnectorError(message, { cause });
  }
}

/**
 * An address without user and password, which fetch refuses, and the header that sends them.
 *
 * @param {string} address
 * @returns {{ url: string, authorization?: string }}
 */
function separateUser(address) {
  const url = new URL(address);
  const { username, password } = url;
  if (username === '' && password === '') return { url: address };
  url.username = '';
  url.password = '';
  const user = [username, password].map(unescape).join(':');
  return { url: url.href, authorization: `Basic ${Buffer.from(user).toString('base64')}` };
}

/** Of a part of an address, which may hold a "%" that means itself. */
function unescape(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Why there is no answer, and whether to ask again. */
function unreachable(url, cause, timeoutMs) {
  const isLate = cause.name === 'TimeoutError';
  const reason = isLate ? `no answer within ${timeoutMs / 1000} s` : reasonOf(cause);
  const isUntrusted = UNTRUSTED.test(reason);
  const remedy = isUntrusted
    ? 'its certificate is not trusted: where a CA of your own signs, set NODE_EXTRA_CA_CERTS to the ' +
      "path of the CA's certificate"
    : 'check the address and the network';
  return {
    problem: `Cannot reach ${shown(url)}: ${reason}; ${remedy}`,
    cause,
    mayPass: !isUntrusted,
  };
}

/**
 * How long to wait after an attempt: as long as the server asks for, or else twice as long each time,
 * and never the same for two who wait.
 *
 * @param {number} attempt from 1
 * @param {number} [asked] milliseconds that the server asks for
 * @returns {number | null} milliseconds; `null` where the next run is the better time
 */
function waitingTime(attempt, asked) {
  if (asked !== undefined) return asked > LONGEST_RETRY_AFTER_MS ? null : asked;
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
  return longest / 2 + (Math.random() * longest) / 2;
}

function startOf(text) {
  const start = text.trim().replace(/\s+/g, ' ').slice(0, SHOWN_BODY);
  return start === '' ? '' : `. It says: ${start}`;
}

/** What to do about a status; `whenDenied` for 401 and 403. */
function remedyFor(status, whenDenied = 'check the token, and what it may read') {
  if (status === 401 || status === 403) return whenDenied;
  if (status === 404 || status === 410) return 'check the address';
  return status === 429 || status >= 500 ? 'try again later' : 'check the address and its server';
}

function reasonOf(error) {
  if (error instanceof ProxyError) return error.message;
  return error.cause?.code ?? error.cause?.message ?? error.message;
}

/** Without user, password and query, where secrets may be. */
function shown(location) {
  if (!/^https?:/i.test(location) || !URL.canParse(location)) return location;
  const { origin, pathname } = new URL(location);
  return origin + pathname;
}

module.exports = {
  charsetOf,
  fetchJson,
  remedyFor,
  request,
  separateUser,
  shown,
  unescape,
  unreachable,
  waitingTime,
};
