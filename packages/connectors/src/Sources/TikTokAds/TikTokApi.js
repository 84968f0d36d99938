'use strict';

const { ConnectorError } = require('../../Core/errors');
const { fetchJson } = require('../../Core/http');

/** The most that the API gives on a page. */
const PAGE_SIZE = 1000;
const VERSION = 'open_api/v1.3/';

/**
 * What the API says by `code` in an answer with status 200; "Return codes" in its reference.
 * Codes from 50000 on are faults of its servers.
 */
const OK = 0;
const NO_PERMISSION = 40001;
const TOO_MANY_REQUESTS = 40100;
const SERVER_FAULT = 50000;
/** Task failed, not ready yet, in conflict with another; a service of TikTok's own did not answer. */
const PASSING = [40200, 40201, 40202, 40700];
/** Token expired, missing, wrong or revoked; authorization code that was used up. */
const BAD_TOKEN = [40102, 40104, 40105, 40110];

/**
 * Reads TikTok's Business API, page by page. The token goes into a header, and into no message.
 *
 * @typedef {object} Subject what is read, for messages
 * @property {string} object such as `campaigns`
 * @property {string} advertiser its id
 */
class TikTokApi {
  #config;
  #base;
  #token;
  #attempts;

  /**
   * @param {import('../../Core/AbstractConfig').AbstractConfig} config
   * @param {{ attempts?: number }} [options] how often to ask for one page; `MaxAttempts` by default
   */
  constructor(config, { attempts = config.getValue('MaxAttempts') } = {}) {
    this.#config = config;
    this.#attempts = attempts;
    this.#base = baseOf(config.getValue('BaseUrl'));
    this.#token = tokenOf(config.getValue('AccessToken'));
  }

  /**
   * The lists on all pages of an answer.
   *
   * @param {string} path below /open_api/v1.3/
   * @param {Record<string, string>} query
   * @param {Subject} subject
   * @returns {AsyncGenerator<object[]>}
   */
  async *pages(path, query, subject) {
    for (let page = 1, last = 1; page <= last; page += 1) {
      const numbers = { page: String(page), page_size: String(PAGE_SIZE) };
      const data = await this.get(path, { ...query, ...numbers }, subject);
      last = data.page_info?.total_page;
      if (!Number.isInteger(last)) {
        throw new ConnectorError(
          `The answer with ${nameOf(subject)} does not say how many pages there are: ` +
            'check BaseUrl, or report it',
        );
      }
      yield data.list;
    }
  }

  /**
   * @param {string} path below /open_api/v1.3/
   * @param {Record<string, string>} query
   * @param {Subject} subject
   * @returns {Promise<{ list: object[], page_info?: object }>}
   * @throws {ConnectorError}
   */
  async get(path, query, subject) {
    const url = new URL(VERSION + path, this.#base);
    url.search = new URLSearchParams(query).toString();
    try {
      const { body } = await fetchJson(url.href, {
        headers: { 'access-token': this.#token, accept: 'application/json' },
        redirect: 'manual',
        judge: (answer) => refusalIn(answer, subject),
        attempts: this.#attempts,
        timeoutMs: this.#config.getValue('TimeoutSeconds') * 1000,
        wait: async (ms, problem) => {
          const reason = this.#hide(problem);
          this.#config.log(`Asking again in ${(ms / 1000).toFixed(1)} s. ${reason}`);
          await this.#config.wait(ms, reason);
        },
      });
      return body.data;
    } catch (error) {
      throw new ConnectorError(this.#hide(error.message), { cause: error.cause });
    }
  }

  /** Whatever a server answers: the token is not shown. */
  #hide(message) {
    return message.replaceAll(this.#token, '***');
  }
}

/**
 * What is wrong with an answer, and whether it may pass.
 *
 * @returns {import('../../Core/http').Refusal | null}
 */
function refusalIn(answer, subject) {
  const code = answer?.code;
  if (code === OK && isListOfObjects(answer.data?.list)) return null;
  if (!Number.isInteger(code) || code === OK) {
    const problem = `The answer with ${nameOf(subject)} is not in TikTok's form: check BaseUrl`;
    return { problem, mayPass: false };
  }
  const said = `${code}, "${answer.message}", request ${answer.request_id}`;
  return {
    problem: `TikTok does not give ${nameOf(subject)} (${said}): ${remedyFor(code, subject)}`,
    mayPass: code === TOO_MANY_REQUESTS || isFault(code),
  };
}

function isListOfObjects(list) {
  return Array.isArray(list) && list.every((row) => typeof row === 'object' && row !== null);
}

function remedyFor(code, { advertiser }) {
  if (BAD_TOKEN.includes(code)) {
    return 'authorize the app again, and put the new token into AccessToken';
  }
  if (code === NO_PERMISSION) {
    return (
      `let advertiser ${advertiser} grant the app of AccessToken what is missing, or take ` +
      `${advertiser} out of AdvertiserIDs`
    );
  }
  if (code === TOO_MANY_REQUESTS) return 'too many requests; run later, or raise MaxAttempts';
  if (isFault(code)) return "a fault of TikTok's servers; run again later";
  return `correct what it names; the advertiser is ${advertiser}`;
}

function isFault(code) {
  return code >= SERVER_FAULT || PASSING.includes(code);
}

function nameOf({ object, advertiser }) {
  return `${object} of advertiser ${advertiser}`;
}

/** What fetch would refuse as a header it would also show, so it is refused before. */
function tokenOf(given) {
  if (/^[\x21-\x7e]+$/.test(given)) return given;
  throw new ConnectorError(
    'AccessToken has a space, a line break or a letter that no token has: copy it again',
  );
}

/** The address of the API, which gets the token: nobody else may read it. */
function baseOf(given) {
  const url = URL.canParse(given) ? new URL(given) : null;
  const isLocal = ['127.0.0.1', 'localhost', '[::1]'].includes(url?.hostname);
  if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) {
    throw new ConnectorError(
      `BaseUrl "${given}" is no https address: correct it (http is for servers on this machine)`,
    );
  }
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

module.exports = { TikTokApi };
