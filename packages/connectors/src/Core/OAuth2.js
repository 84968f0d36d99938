'use strict';

const { ConnectorError } = require('./errors');
const { parse } = require('./exactJson');
const { fetchJson, shown } = require('./http');

/** A token is renewed so long before it expires, or in the middle of a shorter life. */
const MARGIN_MS = 60_000;
const LOCAL = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * Access tokens by OAuth 2.0, of a client's own credentials or by a refresh token (RFC 6749, 4.4 and
 * 6). A token is asked for when it is needed, kept while it is valid, and shown to nobody.
 */
class OAuth2 {
  #options;
  #refreshToken;
  #token = null;
  #renewAt = Infinity;

  /**
   * @param {object} options
   * @param {string} options.tokenUrl
   * @param {string} options.clientId
   * @param {string | null} [options.clientSecret]
   * @param {string | null} [options.refreshToken] without it the client's credentials are the grant
   * @param {string | null} [options.scope]
   * @param {boolean} [options.isBasic] whether id and secret go into the header Authorization, not
   *   into the body; servers differ in what they take
   * @param {Record<string, string>} [options.more] further fields, such as `audience`
   * @param {(secret: string) => void} [options.mask] told of each token before it is used
   * @param {(token: string) => void} [options.onRefreshToken] told of a refresh token that takes the
   *   place of the one before
   * @param {object} [options.request] `attempts`, `timeoutMs` and `wait` as for `fetchJson`
   * @throws {ConnectorError} where others could read what is sent
   */
  constructor(options) {
    this.#options = options;
    this.#refreshToken = options.refreshToken ?? null;
    const { tokenUrl } = options;
    const url = URL.canParse(tokenUrl) ? new URL(tokenUrl) : null;
    const isLocal = url?.protocol === 'http:' && LOCAL.includes(url.hostname);
    if (url === null || (url.protocol !== 'https:' && !isLocal)) {
      throw new ConnectorError(
        `TokenUrl "${shown(tokenUrl)}" is no https address: correct it (http is for servers on this machine)`,
      );
    }
  }

  /**
   * @param {boolean} [isRefused] whether a server did not take the token that came last
   * @returns {Promise<Record<string, string>>} the header that a request needs
   * @throws {ConnectorError}
   */
  async headers(isRefused = false) {
    if (this.#token === null || isRefused || Date.now() >= this.#renewAt) await this.#renew();
    return { authorization: `Bearer ${this.#token}` };
  }

  async #renew() {
    const { tokenUrl, request, mask = () => {}, onRefreshToken = () => {} } = this.#options;
    const { body, headers } = this.#asked();
    const { body: answer } = await fetchJson(tokenUrl, {
      ...request,
      method: 'POST',
      headers: { accept: 'application/json', ...headers },
      body: new URLSearchParams(body).toString(),
      secrets: [this.#options.clientSecret, this.#refreshToken],
      parse: read,
      judge: (given) => refusalIn(given, tokenUrl),
      explain: reasonIn,
    });
    const { access_token: token, refresh_token: next, expires_in: lifetime } = answer;
    mask(token);
    this.#token = token;
    const ms = Number(lifetime) * 1000;
    this.#renewAt = ms > 0 ? Date.now() + ms - Math.min(MARGIN_MS, ms / 2) : Infinity;
    if (this.#refreshToken === null || typeof next !== 'string' || next === '') return;
    if (next === this.#refreshToken) return;
    mask(next);
    this.#refreshToken = next;
    onRefreshToken(next);
  }

  #asked() {
    const { clientId, clientSecret, scope, isBasic = false, more = {} } = this.#options;
    const grant =
      this.#refreshToken === null
        ? { grant_type: 'client_credentials' }
        : { grant_type: 'refresh_token', refresh_token: this.#refreshToken };
    const body = { ...grant, ...(scope && { scope }), ...more };
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    if (!clientSecret) return { body: { ...body, client_id: clientId }, headers };
    if (!isBasic) {
      return { body: { ...body, client_id: clientId, client_secret: clientSecret }, headers };
    }
    // each part is encoded first, so that a colon in one is none of the header's
    const user = [clientId, clientSecret].map((part) =>
      new URLSearchParams([['', part]]).toString().slice(1),
    );
    headers.authorization = `Basic ${Buffer.from(user.join(':')).toString('base64')}`;
    return { body, headers };
  }
}

/** Some servers answer as forms are sent, whatever is asked for. */
function read(text) {
  try {
    return parse(text);
  } catch (cause) {
    const form = Object.fromEntries(new URLSearchParams(text.trim()));
    if (form.access_token || form.error) return form;
    throw cause;
  }
}

/** Servers say no with status 200, too. */
function refusalIn(answer, tokenUrl) {
  const token = answer?.access_token;
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return null;
  const problem = `${shown(tokenUrl)} gives no access token${reasonIn(answer)}: check OAuth2`;
  return { problem, mayPass: false };
}

/** Why, in the two fields that the standard has for it; others may hold secrets. */
function reasonIn(answer) {
  const said = [answer?.error, answer?.error_description].filter(
    (part) => typeof part === 'string',
  );
  return said.length === 0 ? '' : ` (${said.join(': ').slice(0, 200)})`;
}

module.exports = { OAuth2 };
