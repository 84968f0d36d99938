'use strict';

const { once } = require('node:events');
const http = require('node:http');

const { Connectors } = require('../../../packages/connectors');
const { RecordingConfig } = require('./memory');

const NO_RANGE = { start: null, end: null };

/**
 * A loopback server; `answer` gives for a request `{ status?, headers?, body }` or the body alone,
 * which is sent as JSON unless it is text.
 *
 * @param {(request: { url: string, path: string, query: URLSearchParams, method: string,
 *   headers: object, text: string }) => unknown} answer
 */
async function startApi(t, answer) {
  const requests = [];
  const server = http.createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { pathname: path, searchParams: query } = new URL(request.url, 'http://host');
    const { url, method, headers } = request;
    const asked = { url, path, query, method, headers, text };
    requests.push(asked);
    const given = await answer(asked);
    const whole =
      given?.body === undefined && given?.status === undefined ? { body: given } : given;
    const { status = 200, headers: sent = {}, body = '' } = whole;
    response.writeHead(status, sent).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${server.address().port}`, requests, server };
}

/** The rows that HttpJson gives, and its config, with what was printed. */
async function readApi(parameters, range = NO_RANGE) {
  const config = new RecordingConfig(parameters);
  const source = new Connectors.HttpJson.HttpJsonSource(config);
  config.validate();
  const rows = [];
  for await (const batch of source.fetch(source.tables()[0], range)) rows.push(...batch);
  return { rows, config, source };
}

/** A one-of as the runner hands it over: `choice('page', { First: 0 })`. */
function choice(value, items = {}) {
  const entries = Object.entries(items).map(([name, given]) => [name, { value: given }]);
  return { value, items: Object.fromEntries(entries) };
}

module.exports = { choice, readApi, startApi };
