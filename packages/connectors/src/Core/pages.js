'use strict';

const { ConnectorError } = require('./errors');
const { stringify } = require('./exactJson');
const { separateUser, shown } = require('./http');

/**
 * The records of an API that gives them page by page, one page at a time.
 *
 * @template Page
 * @param {Page} first what `ask` needs for the first page: JSON, such as an address or `{ url, body }`
 * @param {(page: Page) => Promise<{ records: object[], next?: Page | null }>} ask
 * @returns {AsyncGenerator<object[]>} pages without records are left out
 * @throws {ConnectorError} where a page leads back to one that was asked for: it would never end
 */
async function* pagesOf(first, ask) {
  const seen = new Set();
  for (let page = first; page !== null && page !== undefined;) {
    const key = stringify(page);
    if (seen.has(key)) {
      const name = shown(String(page.url ?? page));
      throw new ConnectorError(`${name} names itself as a page after it: check Paging`);
    }
    seen.add(key);
    const { records, next } = await ask(page);
    if (records.length > 0) yield records;
    page = next;
  }
}

/**
 * The address that a header `Link` gives for `rel="next"`; a link may have several relations.
 *
 * @param {Headers} headers
 * @returns {string | undefined}
 */
function nextLink(headers) {
  const links = (headers.get('link') ?? '').matchAll(/<([^>]*)>((?:"[^"]*"|[^",])*)/g);
  for (const [, url, parameters] of links) {
    const [, quoted, plain] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;]+))/i.exec(parameters) ?? [];
    const relations = (quoted ?? plain ?? '').toLowerCase().split(/\s+/);
    if (relations.includes('next')) return url;
  }
  return undefined;
}

/**
 * The address of a next page as an answer gives it, which may be a part of one. It gets the headers
 * of the page before it, so it must be on the same server; http on one that was asked by https is
 * asked by https.
 *
 * @param {string} next
 * @param {string} from the address of the page before it
 * @returns {string} without user and password
 * @throws {ConnectorError}
 */
function nextUrl(next, from) {
  if (typeof next !== 'string' || !URL.canParse(next, from)) {
    throw new ConnectorError('An answer names no address of a next page: check Paging.Path');
  }
  const before = new URL(from);
  const url = new URL(next, before);
  // Servers behind a proxy that ends TLS do not know that they are asked by https.
  const isSameHost =
    url.hostname === before.hostname && (url.port || '443') === (before.port || '443');
  if (before.protocol === 'https:' && url.protocol === 'http:' && isSameHost) {
    url.protocol = 'https:';
  }
  // The token must not be sent to whomever an answer names.
  if (url.origin !== before.origin) {
    throw new ConnectorError(`The next page is on another server, ${url.origin}: it is not asked`);
  }
  return separateUser(url.href).url;
}

module.exports = { nextLink, nextUrl, pagesOf };
