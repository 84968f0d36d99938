'use strict';

const { ConnectorError } = require('../../Core/errors');
const { stringify } = require('../../Core/exactJson');
const { nextLink, nextUrl } = require('../../Core/pages');
const { placeValue, valueAt } = require('../../Core/paths');

const COUNTS = ['page', 'offset'];

/**
 * What is asked for, and what told the place of it.
 *
 * @typedef {object} Page
 * @property {string} url
 * @property {object} [body] of a POST
 * @property {number} [number] of a page or record
 * @property {unknown} [cursor]
 */

/**
 * The page to begin with.
 *
 * @param {import('../../Core/AbstractConfig').AbstractConfig} config
 * @param {{ url: string, body?: object }} request
 * @returns {Page}
 * @throws {ConnectorError}
 */
function firstPage(config, request) {
  if (!COUNTS.includes(config.getValue('Paging'))) return request;
  const number = config.getValue('Paging', 'First');
  return { ...placed(config, request, number), number };
}

/**
 * The page after this one.
 *
 * @param {import('../../Core/AbstractConfig').AbstractConfig} config
 * @param {Page} page
 * @param {{ body: unknown, headers: Headers }} answer
 * @param {number} count of the records in it
 * @returns {Page | null}
 * @throws {ConnectorError}
 */
function nextPage(config, page, answer, count) {
  const paging = config.getValue('Paging');
  if (COUNTS.includes(paging)) {
    if (count === 0) return null;
    const number = page.number + stepOf(config, paging, count);
    return { ...placed(config, page, number), number };
  }
  if (paging === 'next') return nextAddress(config, page, answer);
  return paging === 'cursor' ? afterCursor(config, page, answer, count) : null;
}

function nextAddress(config, page, { body, headers }) {
  const path = config.getValue('Paging', 'Path');
  const next = path === null ? nextLink(headers) : valueAt(body, path);
  if (next === undefined || next === null || next === '') return null;
  return { ...page, url: nextUrl(next, page.url) };
}

/** A page without records may have others after it, where the cursor goes on. */
function afterCursor(config, page, { body }, count) {
  const more = config.getValue('Paging', 'More');
  if (more !== null && !isMore(valueAt(body, more), more)) return null;
  const path = config.getValue('Paging', 'Path');
  const cursor = valueAt(body, path);
  if (cursor === undefined || cursor === null || cursor === '' || cursor === false) return null;
  const isAgain = stringify(cursor) === stringify(page.cursor ?? null);
  if (isAgain && count === 0) return null;
  const isInBody = isPlacedInBody(config, page);
  if (typeof cursor === 'object' && !isInBody) {
    throw new ConnectorError(
      `${path} holds no cursor, but a list or an object: correct Paging.Path`,
    );
  }
  return { ...placed(config, page, cursor), cursor };
}

function isMore(value, path) {
  if (value === undefined) {
    throw new ConnectorError(`An answer has no ${path}: correct Paging.More`);
  }
  return ![false, null, 0, '', 'false', '0'].includes(value);
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

function isPlacedInBody(config, { body }) {
  const place = config.getValue('Paging', 'In') ?? (body === undefined ? 'query' : 'body');
  if (place === 'query' || (place === 'body' && body !== undefined)) return place === 'body';
  throw new ConnectorError(
    `Paging.In must be query, or with a Body body, but is "${place}": correct it`,
  );
}

/** The request with a value in Paging's parameter. */
function placed(config, request, value) {
  const parameter = config.getValue('Paging', 'Parameter');
  if (isPlacedInBody(config, request)) {
    return { ...request, body: placeValue(request.body, parameter, value) };
  }
  const url = new URL(request.url);
  url.searchParams.set(parameter, String(value));
  return { ...request, url: url.href };
}

module.exports = { firstPage, nextPage };
