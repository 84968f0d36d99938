'use strict';
// The API of @kaciras/deasync, by @owox/connector-runner. There, a wait turns the event loop without
// a pause and takes a core as long as it lasts; here it sleeps in the loop until something happens.
// What runs, and in which order, is the same.

const fs = require('node:fs');
const path = require('node:path');
const { isMainThread } = require('node:worker_threads');

const { turn } = require('./event-loop.node');

/** What `turn` says when the loop is empty. */
const EMPTY = 2;
/** What it says when nothing happened in the time. */
const QUIET = 1;
/** What it says in a worker that is being terminated. */
const STOPPED = 3;

// What ends a wait need not be something that the loop knows: a predicate may look at a clock, a
// file, or memory shared with a thread. So it is asked now and then, at pauses that grow with the
// time it has been waited for, in milliseconds up to these.
const LONGEST_PAUSE = 250;
/** Where the loop is empty it can only be something of this kind. */
const LONGEST_EMPTY_PAUSE = 10;
/** How long the loop is empty before it is said that nothing can end the wait. */
const NOTICE_AFTER = 5000;

let isNoticed = false;

/** Leaves a notice in the run's directory; the runner makes a warning of it. */
function notice() {
  const script = process.argv[1] ?? '';
  if (isNoticed || !isMainThread || path.basename(script) !== 'main.js') return;
  isNoticed = true;
  try {
    fs.writeFileSync(path.join(path.dirname(script), '.owox-endless-wait'), '', { flag: 'wx' });
  } catch {
    // nobody has to know
  }
}

/** The next pause: about a quarter of all so far. */
function grown(pause) {
  return pause < 4 ? pause + 1 : Math.ceil((pause * 5) / 4);
}

/** Runs callbacks that are due in the event loop, if there are any. */
function uvRun() {
  turn(0);
}

/** Runs what is due as long as the predicate holds, and sleeps while nothing is. */
function loopWhile(pred) {
  let pause = 0;
  let empty = 0;
  while (pred()) {
    process._tickCallback();
    if (!pred()) continue;
    const found = turn(pause);
    if (found === STOPPED) throw new Error('this thread is being ended');
    if (found === EMPTY) {
      empty += pause;
      if (empty >= NOTICE_AFTER) notice();
      pause = Math.min(grown(pause), LONGEST_EMPTY_PAUSE);
    } else {
      empty = 0;
      // what happened may have led to more that can be had without a pause
      const isProgress = found !== QUIET && pause > 0;
      pause = isProgress ? 0 : Math.min(grown(pause), LONGEST_PAUSE);
    }
  }
}

/** Runs ticks and promise callbacks until there are none, then what is due in the loop. */
function runLoopOnce() {
  process._tickCallback();
  turn(0);
}

/** Starts something that settles with a value or an error, and waits until it has. */
function settled(start) {
  let outcome;
  start(
    (value) => {
      outcome = { value };
    },
    (error) => {
      outcome = { error };
    },
  );
  loopWhile(() => !outcome);
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

/** A function without the callback that `fn` takes last: it gives or throws what that gets. */
function deasync(fn) {
  return function (...args) {
    return settled((resolve, reject) => {
      fn.apply(this, [...args, (error, value) => (error ? reject(error) : resolve(value))]);
    });
  };
}

/** The value of a promise, or of anything else, when it is there. */
function awaitSync(promise) {
  if (typeof promise?.then !== 'function') return promise;
  return settled((resolve, reject) => {
    promise.then(resolve, reject);
  });
}

Object.defineProperty(exports, '__esModule', { value: true });
exports.uvRun = uvRun;
exports.loopWhile = loopWhile;
exports.runLoopOnce = runLoopOnce;
exports.deasync = deasync;
exports.awaitSync = awaitSync;
