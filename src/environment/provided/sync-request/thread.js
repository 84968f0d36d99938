'use strict';
// The thread of ./index.js: makes one request after the other, by sync-request's own code.

const { workerData } = require('node:worker_threads');
const json = require('sync-rpc/lib/json-buffer');
const work = require('./worker')();

const { port, signs } = workerData;

/** Between two signs of life while a request takes time, in milliseconds. */
const HEARTBEAT = 500;

/** The request that is waited for, by its number; 0 while nobody waits. */
let current = 0;
let requests = 0;
let heart;

/** Wakes whoever waits for this request, unless somebody has already. */
function answer(number, message, moved = []) {
  if (number !== current) return;
  current = 0;
  clearInterval(heart);
  port.postMessage(message, moved);
  Atomics.add(signs, 0, 1);
  Atomics.notify(signs, 0);
}

function fail(number, error) {
  answer(number, { code: error?.code, message: error?.message });
}

// Of a process of its own this would have been the end. Here whoever waits has to be told, or would
// wait for ever.
process.on('uncaughtException', (error) => fail(current, error));

port.on('message', async (text) => {
  const number = (requests += 1);
  current = number;
  heart = setInterval(() => Atomics.add(signs, 1, 1), HEARTBEAT);
  try {
    const response = await work(json.parse(text));
    // small buffers share their memory with others
    const { buffer, byteLength } = response.b;
    answer(number, { response }, buffer.byteLength === byteLength ? [buffer] : []);
  } catch (error) {
    fail(number, error);
  }
});
