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

module.exports = { listen };
