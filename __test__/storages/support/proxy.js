'use strict';
// Stands between a run and an emulator, and answers as the real service does when it refuses:
// emulators know no permissions, no quotas and no broken wires.

const http = require('node:http');

const { roughServer } = require('../../support/rough-server');

/**
 * @typedef {object} Rule
 * @property {(request: http.IncomingMessage, body: string) => boolean} when
 * @property {number} [times] how often it applies; always by default
 * @property {(response: http.ServerResponse) => void} [answer] instead of the emulator's
 * @property {boolean} [cutsUpload] the connection breaks when a part of the request has come
 * @property {boolean} [losesAnswer] the emulator does what it is asked, but nobody hears of it
 * @property {(text: string) => string} [change] of the emulator's answer
 *
 * @param {{ origin: string, pointTo: (origin: string) => void }} target runs of this process are
 *   pointed to the proxy until the test ends
 * @param {Rule[]} rules the first that fits applies
 * @returns {Promise<{ asked: { method: string, url: string }[] }>}
 */
async function faultProxy(t, target, rules) {
  const asked = [];
  const left = new Map(rules.map((rule) => [rule, rule.times ?? Infinity]));
  const take = (request, body, isEarly) => {
    const fits = (rule) =>
      Boolean(rule.cutsUpload) === isEarly && left.get(rule) > 0 && rule.when(request, body);
    const rule = rules.find(fits);
    if (rule) left.set(rule, left.get(rule) - 1);
    return rule;
  };
  const server = await roughServer(t, async (request, response) => {
    asked.push({ method: request.method, url: request.url });
    if (take(request, '', true)) {
      request.once('data', () => request.socket.destroy());
      return;
    }
    const body = Buffer.concat(await request.toArray());
    const rule = take(request, body.toString(), false);
    if (rule?.answer) rule.answer(response);
    else forward(target.origin, request, body, response, rule);
  });
  target.pointTo(server.origin);
  t.after(() => target.pointTo(target.origin));
  return { asked, isDone: () => [...left.values()].every((times) => times <= 0) };
}

function forward(origin, { url, method, headers }, body, response, { losesAnswer, change } = {}) {
  const onward = http.request(`${origin}${url}`, { method, headers });
  onward.end(body).on('response', async (answer) => {
    const bytes = Buffer.concat(await answer.toArray());
    if (losesAnswer) return response.socket.destroy();
    const more = { ...answer.headers };
    for (const name of ['content-length', 'transfer-encoding', 'connection']) delete more[name];
    return response.writeHead(answer.statusCode, more).end(change ? change(`${bytes}`) : bytes);
  });
}

module.exports = { faultProxy };
