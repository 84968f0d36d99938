'use strict';

const { createHash } = require('node:crypto');
const { ConnectorError, SourceChangedError } = require('../../Core/errors');
const { retryOf } = require('../../Core/retryAfter');
const {
  charsetOf,
  remedyFor,
  request,
  separateUser,
  shown,
  unreachable,
  waitingTime,
} = require('../../Core/http');

/**
 * The bytes of an http(s) address. Where the connection breaks, the download goes on where it broke:
 * by a range, if the server knows one and says by `ETag` that the file is the same; else from the
 * beginning, and what came already is compared by its hash.
 */
class Download {
  #url;
  #headers;
  #attempts;
  #wait;
  #received = 0;
  #hash = createHash('sha256');
  #validator = null;
  /** @type {string | null} the encoding that the server names */
  charset = null;

  /**
   * @param {string} url
   * @param {object} options
   * @param {number} options.attempts how often to ask without getting any further
   * @param {(ms: number, reason: string) => Promise<void>} options.wait as the config's
   */
  constructor(url, { attempts, wait }) {
    if (!URL.canParse(url)) throw new ConnectorError('Path is no http(s) address: correct it');
    const { url: address, authorization } = separateUser(url);
    this.#url = address;
    this.#headers = authorization === undefined ? {} : { authorization };
    this.#attempts = attempts;
    this.#wait = wait;
  }

  /**
   * @returns {AsyncGenerator<Uint8Array>}
   * @throws {SourceChangedError} when the file is another one than the bytes so far are of
   * @throws {ConnectorError}
   */
  async *bytes() {
    for (let attempt = 1; ; attempt += 1) {
      const before = this.#received;
      const outcome = await this.#ask();
      if (outcome.body) {
        try {
          yield* this.#read(outcome);
          return;
        } catch (cause) {
          if (!(cause instanceof BrokenOff)) throw cause;
          outcome.problem = `${shown(this.#url)} broke off after ${this.#received} bytes (${cause.message}): run again`;
          outcome.mayPass = true;
          outcome.cause = cause.cause;
        }
      }
      if (this.#received > before) attempt = 1;
      const ms = waitingTime(attempt, outcome.retryAfter);
      if (!outcome.mayPass || attempt >= this.#attempts || ms === null) {
        throw new ConnectorError(outcome.problem, { cause: outcome.cause });
      }
      await this.#wait(ms, outcome.problem);
    }
  }

  /** One request: a body and how many of its bytes are known already, or a problem. */
  async #ask() {
    const from = this.#validator === null ? 0 : this.#received;
    const headers = { ...this.#headers };
    if (from > 0) {
      headers.range = `bytes=${from}-`;
      headers['if-range'] = this.#validator;
      // What is compressed on the way has no bytes that could be counted on.
      headers['accept-encoding'] = 'identity';
    }
    let response;
    try {
      response = await request(this.#url, { headers });
    } catch (cause) {
      // The first time it is more likely a wrong address than a bad moment.
      const mayPass = this.#received > 0;
      return { problem: unreachable(this.#url, cause).problem, cause, mayPass };
    }
    const { body, headers: answered, status, statusText } = response;
    if (status === 206 && from > 0) {
      const isSame = (answered.get('etag') ?? this.#validator) === this.#validator;
      if (isSame && startOf(answered.get('content-range')) === from) return { body, known: 0 };
      await body.cancel();
      if (!isSame) throw changed(this.#url);
      return {
        problem: `${shown(this.#url)} answered with another range than asked for: run again`,
      };
    }
    if (status === 416 && from > 0) {
      await body?.cancel();
      throw changed(this.#url);
    }
    if (!response.ok || body === null) {
      await body?.cancel();
      const { mayPass, retryAfter } = retryOf(status, answered);
      const remedy = mayPass
        ? remedyFor(429)
        : remedyFor(status, 'check that the address may be read without login');
      return {
        problem: `${shown(this.#url)} answered ${status} ${statusText}: ${remedy}`,
        mayPass,
        retryAfter,
      };
    }
    this.#validator = validatorOf(answered);
    this.charset = charsetOf(answered.get('content-type'));
    return { body, known: this.#received };
  }

  /** Reads a body; of a whole one, the bytes that are known are only compared. */
  async *#read({ body, known }) {
    const wanted = known > 0 ? this.#hash.copy().digest('hex') : null;
    let again = known > 0 ? createHash('sha256') : null;
    let left = known;
    for await (let chunk of chunksOf(body)) {
      if (left > 0) {
        const part = chunk.subarray(0, left);
        again.update(part);
        left -= part.length;
        if (left > 0) continue;
        if (again.digest('hex') !== wanted) throw changed(this.#url);
        again = null;
        chunk = chunk.subarray(part.length);
        if (chunk.length === 0) continue;
      }
      this.#hash.update(chunk);
      this.#received += chunk.length;
      yield chunk;
    }
    if (left > 0) throw changed(this.#url);
  }
}

class BrokenOff extends Error {}

async function* chunksOf(body) {
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await nextOf(chunks);
      if (done) return;
      yield value;
    }
  } finally {
    await chunks.return?.().catch(() => {});
  }
}

/** fetch gives up by itself where nothing comes for five minutes. */
async function nextOf(chunks) {
  try {
    return await chunks.next();
  } catch (cause) {
    throw new BrokenOff(cause.cause?.code ?? cause.cause?.message ?? cause.message, { cause });
  }
}

/** What says that a file is the same to the byte; a weak ETag and a date do not. */
function validatorOf(headers) {
  const tag = headers.get('etag');
  const isWhole = !headers.has('content-encoding') && headers.get('accept-ranges') !== 'none';
  return tag !== null && !tag.startsWith('W/') && isWhole ? tag : null;
}

/** 5 for "bytes 5-9/10" */
function startOf(range) {
  return Number(/^bytes (\d+)-/.exec(range ?? '')?.[1] ?? NaN);
}

function changed(url) {
  return new SourceChangedError(`${shown(url)} changed while it was loaded: run again`);
}

module.exports = { Download };
