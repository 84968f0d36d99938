'use strict';
// The API of sync-request 6, by @owox/connector-runner. There, each call starts a process that talks
// to another one; here a thread of this process runs the same code (./worker.js), and the caller
// sleeps until it has an answer. The original is ./original.js.

const path = require('node:path');
const { MessageChannel, Worker, receiveMessageOnPort } = require('node:worker_threads');
const GenericResponse = require('http-response-object');
const { FormData, getFormDataEntries } = require('./FormData');
const json = require('sync-rpc/lib/json-buffer');

/** Between two looks whether the thread is alive, in milliseconds. */
const PATIENCE = 1000;
/** So many looks in a row without a sign of life, and it is given up. */
const LOOKS = 60;

// What a process would inherit, as of now. NODE_OPTIONS hold for this process, threads included.
const variables = { ...process.env };
delete variables.NODE_OPTIONS;

let remote;

/** A thread that waits for requests, and keeps no process from ending. */
function start() {
  const { port1: port, port2 } = new MessageChannel();
  /** Answers so far, and signs of life. */
  const signs = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(path.join(__dirname, 'thread.js'), {
    workerData: { port: port2, signs },
    transferList: [port2],
    env: variables,
  });
  worker.unref();
  worker.on('error', () => {}); // whoever waits finds out
  return { port, signs, worker };
}

/** Sends a message to the thread, and sleeps until there is an answer. */
function ask(message) {
  remote ??= start();
  const { port, signs, worker } = remote;
  const before = Atomics.load(signs, 0);
  let life = Atomics.load(signs, 1);
  port.postMessage(message);
  for (let looks = 0; looks < LOOKS;) {
    if (Atomics.wait(signs, 0, before, PATIENCE) !== 'timed-out') {
      return receiveMessageOnPort(port).message;
    }
    const now = Atomics.load(signs, 1);
    looks = now === life ? looks + 1 : 0;
    life = now;
  }
  void worker.terminate();
  remote = undefined; // the next call tries another one
  throw new Error('the thread that makes requests has ended, perhaps for want of memory');
}

function request(method, url, options) {
  const { form, ...rest } = options || {};
  if (form) rest.form = getFormDataEntries(form);
  const answer = ask(
    json.stringify({
      m: method,
      u: url && typeof url === 'object' ? url.href : url,
      o: rest,
    }),
  );
  if (!answer.response) {
    const error = new Error(answer.message);
    error.code = answer.code;
    throw error;
  }
  const { s: status, h: headers, b: body, u: address } = answer.response;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return new GenericResponse(status, headers, bytes, address);
}

module.exports = request;
module.exports.default = request;
module.exports.FormData = FormData;
