'use strict';
// AbortSignals of the caller, which native code can neither keep nor listen to.

const { optionOf } = require('./host');

/** Listens to every `signal` in these layers of options. */
function listen(layers) {
  const signals = layers
    .map((layer) => optionOf(layer, 'signal'))
    .filter((signal) => signal !== undefined);
  let stop = () => {};
  let first; // of those that are aborted
  const look = () => (first ??= signals.find((signal) => signal.aborted));
  return {
    handlers: {
      /** Settles when one of the signals is aborted, or when nobody needs to know any more. */
      aborted: () =>
        new Promise((resolve) => {
          const check = () => {
            if (look()) resolve();
          };
          for (const signal of signals) signal.addEventListener('abort', check);
          stop = () => {
            for (const signal of signals) signal.removeEventListener('abort', check);
            resolve();
          };
          check();
        }),
    },
    /** Lets go of the signals; gives why the first of them was aborted, if one was. */
    release() {
      stop();
      return look()?.reason;
    },
  };
}

/**
 * Two signals as one. `AbortSignal.any()` refuses those of another realm, such as jsdom's. What is
 * no signal stays as it is, for native code to say so.
 */
function eitherOf(own, given) {
  if (typeof given?.addEventListener !== 'function') return given;
  const both = [own, given];
  return {
    get aborted() {
      return both.some((signal) => signal.aborted);
    },
    get reason() {
      return both.find((signal) => signal.aborted)?.reason;
    },
    addEventListener: (...asked) => both.forEach((signal) => signal.addEventListener(...asked)),
    removeEventListener: (...asked) =>
      both.forEach((signal) => signal.removeEventListener(...asked)),
  };
}

module.exports = { eitherOf, listen };
