'use strict';

/** A `stdio` that records each callback. */
function capture(more = {}) {
  const recorded = { stdout: [], stderr: [], pids: [] };
  const stdio = {
    logCapture: {
      onStdout: (text) => void recorded.stdout.push(text),
      onStderr: (text) => void recorded.stderr.push(text),
    },
    onSpawn: (pid) => void recorded.pids.push(pid),
    ...more,
  };
  return { ...recorded, stdio };
}

/** The error that a promise rejects with; fails when it resolves. */
async function rejection(promise) {
  const settled = await promise.then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  if (!('error' in settled)) {
    throw new Error(`resolved to ${JSON.stringify(settled.value)} instead of rejecting`);
  }
  return settled.error;
}

module.exports = { capture, rejection };
