'use strict';

const { ConnectorError } = require('../../Core/errors');
const { separateUser } = require('../../Core/http');

/**
 * What is found by a dotted path, such as `data.items`; `undefined` where it leads nowhere.
 *
 * @param {unknown} value
 * @param {string} path
 */
function valueAt(value, path) {
  let at = value;
  for (const name of path.split('.')) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return at;
}

const COUNTS = ['page', 'offset'];

/**
 * The page to begin with.
 *
 * @returns {{ url: string, number?: number }}
 * @throws {ConnectorError}
 */
function firstPage(config, address) {
  if (!COUNTS.includes(config.getValue('Paging'))) return { url: address };
  return numbered(config, address, config.getValue('Paging', 'First'));
}

/**
 * The page after this one.
 *
 * @returns {{ url: string, number?: number } | null}
 * @throws {ConnectorError}
 */
function nextPage(config, page, { body, headers }, count) {
  const paging = config.getValue('Paging');
  if (COUNTS.includes(paging)) {
    if (count === 0) return null;
    return numbered(config, page.url, page.number + stepOf(config, paging, count));
  }
  if (paging !== 'next') return null;
  const path = config.getValue('Paging', 'Path');
  const next = path === null ? linkNext(headers.get('link')) : valueAt(body, path);
  if (next === undefined || next === null || next === '') return null;
  if (typeof next !== 'string' || !URL.canParse(next, page.url)) {
    throw new ConnectorError(`${path} holds no address of a next page: correct Paging.Path`);
  }
  const from = new URL(page.url);
  const url = new URL(next, from);
  // Servers behind a proxy that ends TLS do not know that they are asked by https.
  const isSameHost = url.hostname === from.hostname && (url.port || '443') === (from.port || '443');
  if (from.protocol === 'https:' && url.protocol === 'http:' && isSameHost) url.protocol = 'https:';
  // The token must not be sent to whomever an answer names.
  if (url.origin !== from.origin) {
    throw new ConnectorError(`The next page is on another server, ${url.origin}: it is not asked`);
  }
  return { url: separateUser(url.href).url };
}

/** By how much the parameter grows from one page to the next. */
function stepOf(config, paging, count) {
  if (paging === 'page') return 1;
  const step = config.getValue('Paging', 'Step');
  if (step === 'records') return count;
  if (/^[1-9]\d{0,8}$/.test(step)) return Number(step);
  throw new ConnectorError(
    `Paging.Step must be a whole number from 1 on, or "records", but is "${step}": correct it`,
  );
}

function numbered(config, address, number) {
  const url = new URL(address);
  url.searchParams.set(config.getValue('Paging', 'Parameter'), String(number));
  return { url: url.href, number };
}

/** The address that a `Link` header gives for `rel="next"`; a link may have several relations. */
function linkNext(header) {
  for (const [, url, parameters] of (header ?? '').matchAll(/<([^>]*)>((?:"[^"]*"|[^",])*)/g)) {
    const [, quoted, plain] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;]+))/i.exec(parameters) ?? [];
    const relations = (quoted ?? plain ?? '').toLowerCase().split(/\s+/);
    if (relations.includes('next')) return url;
  }
  return undefined;
}

module.exports = { firstPage, nextPage, valueAt };
