'use strict';
// The messages of one run as an async iterator.

const { withHidden } = require('./realm');

const KNOWN = new Set([
  'log',
  'isInProgress',
  'updateCurrentStatus',
  'updateLastImportDate',
  'updateLastRequstedDate',
  'addWarningToCurrentStatus',
  'error',
  'updateCredentials',
  'updateFields',
  'text',
]);

/** Whether the message is of one of the types that index.d.ts describes. */
function isKnownMessage(message) {
  return KNOWN.has(message?.type);
}

/** Messages that may wait for the consumer before the connector has to. */
const HIGH_WATER = 256;

class MessageStream {
  #waiting = [];
  #ended = false;
  #left = false;
  #leaving = new AbortController();
  #consumers = [];
  #producer = () => {};

  /**
   * @param {(options: object) => Promise<object>} run starts the run
   * @param {unknown} stdio where output goes besides
   */
  constructor(run, stdio) {
    if (Array.isArray(stdio)) {
      const error = new TypeError('stream() takes no array as stdio: it reads the output itself');
      throw withHidden(error, { code: 'INVALID_CONFIG' });
    }
    const options = {
      onMessage: (message) => this.#take(message),
      signal: this.#leaving.signal,
    };
    this.result = run(options);
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    this.result.then(end, end); // a rejection is the iterator's to throw
  }

  /** A message from the run; the promise is kept until there is room again. */
  #take(message) {
    if (this.#left) return undefined;
    this.#waiting.push(message);
    this.#wake();
    if (this.#waiting.length < HIGH_WATER) return undefined;
    return new Promise((resolve) => {
      this.#producer = resolve;
    });
  }

  /** Lets the consumers look again. */
  #wake() {
    for (const consumer of this.#consumers.splice(0)) consumer();
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  async next() {
    while (this.#waiting.length === 0 && !this.#ended && !this.#left) {
      await new Promise((resolve) => this.#consumers.push(resolve));
    }
    if (this.#waiting.length > 0) {
      const value = this.#waiting.shift();
      if (this.#waiting.length < HIGH_WATER / 2) this.#producer();
      return { value, done: false };
    }
    if (this.#left) return { value: undefined, done: true };
    this.#left = true; // the result is told once
    return { value: await this.result, done: true };
  }

  /** Ends the run, and waits until nothing of it is left. */
  async return(value) {
    const running = !this.#ended && !this.#left;
    this.#left = true;
    this.#waiting = [];
    this.#producer();
    this.#wake();
    if (running) this.#leaving.abort();
    // how it ended is in `result`
    if (running) await this.result.catch(() => {});
    return { value, done: true };
  }
}

module.exports = { MessageStream, isKnownMessage };
