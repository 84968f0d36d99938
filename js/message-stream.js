'use strict';
// The messages of one run as an async iterator.

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

/** From SIGTERM to SIGKILL, when the consumer leaves. */
const GRACE_MS = 10_000;

/** The same stdio as an object, which also tells the pid. */
function withPid(stdio, onSpawn) {
  if (Array.isArray(stdio)) throw new TypeError('stream() takes no array as stdio');
  if (stdio === 'ignore' || stdio === 'pipe') return { logCapture: {}, onSpawn };
  if (stdio === null || stdio === 'inherit') return { onSpawn };
  if (typeof stdio !== 'object') return stdio; // refused by the run
  const both = (pid) => {
    onSpawn(pid);
    return stdio.onSpawn?.(pid);
  };
  return { ...stdio, onSpawn: both };
}

class MessageStream {
  #waiting = [];
  #ended = false;
  #left = false;
  #pid;
  #consumers = [];
  #producer = () => {};

  /**
   * @param {(options: object, stdio: unknown) => Promise<object>} run starts the run
   * @param {unknown} stdio where output goes besides
   */
  constructor(run, stdio) {
    const onSpawn = (pid) => {
      this.#pid = pid;
      if (this.#left) this.#terminate();
    };
    this.result = run({ onMessage: (message) => this.#take(message) }, withPid(stdio, onSpawn));
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

  #terminate() {
    const signal = (name) => {
      try {
        if (!this.#ended) process.kill(-this.#pid, name);
      } catch {
        // it has just ended
      }
    };
    signal('SIGTERM');
    setTimeout(signal, GRACE_MS, 'SIGKILL').unref();
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
    if (running && this.#pid !== undefined) this.#terminate();
    // how it ended is in `result`
    if (running) await this.result.catch(() => {});
    return { value, done: true };
  }
}

module.exports = { MessageStream, isKnownMessage };
