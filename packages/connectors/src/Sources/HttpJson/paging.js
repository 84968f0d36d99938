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

/**
 * The page to begin with.
 *
 * @returns {{ url: string, number?: number }}
 */
function firstPage(config, address) {
  if (config.getValue('Paging') !== 'page') return { url: address };
  return numbered(config, address, config.getValue('Paging', 'First'));
}

/** @returns {{ url: string, number?: number } | null} the page after this one */
function nextPage(config, page, { body, headers }, count) {
  const paging = config.getValue('Paging');
  if (paging === 'page') return count === 0 ? null : numbered(config, page.url, page.number + 1);
  if (paging !== 'next') return null;
  const path = config.getValue('Paging', 'Path');
  const next = path === null ? linkNext(headers.get('link')) : valueAt(body, path);
  if (next === undefined || next === null || next === '') return null;
  if (typeof next !== 'string' || !URL.canParse(next, page.url)) {
    throw new ConnectorError(`${path} holds no address of a next page: correct Paging.Path`);
  }
  const url = new URL(next, page.url);
  // The token must not be sent to whomever an answer names.
  if (url.origin !== new URL(page.url).origin) {
    throw new ConnectorError(`The next page is on another server, ${url.origin}: it is not asked`);
  }
  return { url: separateUser(url.href).url };
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
