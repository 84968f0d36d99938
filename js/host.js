'use strict';
// Facts about the program we run in, as JavaScript sees them at the moment of a call, and the
// one function through which native code calls back.

const { AsyncResource } = require('node:async_hooks');
const path = require('node:path');
const { setImmediate } = require('node:timers'); // the global one may be a fake, as in Jest
const { inspect } = require('node:util');

const { packageRoot, supervisor } = require('./native');
const { makeObject } = require('./realm');

function currentFolder() {
  try {
    return process.cwd();
  } catch {
    return '/'; // it was deleted; paths that are absolute still work
  }
}

/** An option of one layer, if it is its own: what a polluted prototype says is nobody's wish. */
function optionOf(layer, name) {
  return layer && Object.hasOwn(layer, name) ? layer[name] : undefined;
}

/** The runtime that this is, where `process.execPath` starts something else than Node.js. */
function runtime() {
  const { bun, electron } = process.versions;
  if (bun) return `Bun ${bun}`;
  if (electron) return `Electron ${electron}`;
  return isSingleExecutable() ? 'a single executable application' : undefined;
}

let isSea;

/** Asked once: before Node.js 20.12 there is no such module, and each call would throw. */
function isSingleExecutable() {
  try {
    isSea ??= require('node:sea').isSea();
  } catch {
    isSea = false;
  }
  return isSea;
}

/** The program that the last layer names, if it is a name: what else it may be is refused with the options. */
function nodePathOf(layers) {
  const named = callbackOf('nodePath', layers);
  return typeof named === 'string' ? named : undefined;
}

/** Option of the command line's runs: the number of the state that was taken for it. */
const STATE_RUN = Symbol('stateRun');

/** Characters of a variable that is not worth one more copy. */
const LONG = 64 * 1024;

/**
 * The variables of an environment for native code, as one text: names and values in turn, with a
 * NUL between any two. Native code needs several times as long to read an object, and copying
 * `process.env` takes longer than reading it. What a text cannot hold stays an object.
 */
function packed(environment) {
  const parts = [];
  for (const name of Object.keys(environment)) {
    const value = environment[name];
    if (value === undefined) continue;
    const text = `${value}`;
    const isOdd = text.length > LONG || text.includes('\0') || name.includes('\0');
    if (isOdd) return { ...environment };
    parts.push(name, text);
  }
  return parts.join('\0');
}

/** The fields that every native request has. `options` are layers, later ones win. */
function request(options, fields) {
  const signals = options.map((layer) => optionOf(layer, 'signal'));
  // without a prototype, so that a field that is absent is absent
  return {
    __proto__: null,
    makeObject,
    options,
    hasSignal: signals.some((signal) => signal !== undefined),
    isAborted: signals.some((signal) => signal?.aborted),
    host: {
      __proto__: null,
      variables: packed(process.env),
      execPath: process.execPath,
      runtime: runtime(),
      nodePath: nodePathOf(options),
      nodeAbi: process.versions.modules,
      cwd: currentFolder(),
      programDir: process.argv[1] ? path.dirname(process.argv[1]) : undefined,
      packageRoot,
      supervisor,
    },
    ...fields,
  };
}

/**
 * Callbacks run in the context of the call (AsyncLocalStorage), as those of child_process do. From
 * Node.js 24 on, calls from native code have lost it.
 */
const LOSES_CONTEXT = Number(process.versions.node.split('.')[0]) >= 24;

/**
 * The function that native code calls with a question and its payload. What a handler throws is
 * kept in `thrown.error`, to be thrown again as the same object: it cannot cross. Where
 * `thrown.release` is set, it has to be called at the end.
 */
function port(handlers, thrown) {
  const answer = async (question, payload) => {
    try {
      const text = await handlers[question](payload);
      return typeof text === 'string' ? { ok: true, text } : { ok: true };
    } catch (error) {
      thrown.error = error;
      return { ok: false };
    }
  };
  if (!LOSES_CONTEXT) return answer;
  const scope = new AsyncResource('CONNECTOR_RUN', { requireManualDestroy: true });
  thrown.release = () => scope.emitDestroy();
  return (...asked) => scope.runInAsyncScope(answer, undefined, ...asked);
}

function report(name, error) {
  const reason = error instanceof Error ? error.message : inspect(error);
  console.error(`Failed to call ${name} callback: ${reason}`);
}

/**
 * Calls a callback of the caller's; what it throws is reported, and the run goes on. Gives the
 * promise to wait for, where the callback made one. `shown` is what others than the caller may have.
 */
function callBack(name, callback, argument, shown = argument) {
  if (typeof callback !== 'function') return undefined;
  try {
    const returned = callback[OWN] ? callback(argument, shown) : callback(argument);
    if (typeof returned?.then !== 'function') return undefined;
    return Promise.resolve(returned).catch((error) => report(name, error));
  } catch (error) {
    report(name, error);
    return undefined;
  }
}

/** Characters of output after which the event loop gets a turn. */
const TURN_EVERY = 256 * 1024;

/** Lets the event loop do its other work. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A callback among the options: the last of their layers that has it decides. */
function callbackOf(name, layers) {
  return layers.reduce((found, layer) => optionOf(layer, name) ?? found, undefined);
}

/** Marks a `logCapture` of the runner's own, and callbacks that tell a watcher as well. */
const OWN = Symbol('own');

/**
 * The callback for messages; with a watcher who wants them, it tells that one first, as all may have
 * it. The caller gets the message whole.
 */
function messageCallback(layers, watcher = undefined) {
  const onMessage = callbackOf('onMessage', layers);
  if (!watcher?.wantsMessages) return onMessage;
  const both = (message, shown = message) => {
    watcher.message(shown);
    return onMessage?.[OWN] ? onMessage(message, shown) : onMessage?.(message);
  };
  both[OWN] = true;
  return both;
}

/** Handlers for what happens before a connector can start, and for what it uses then. */
function progressHandlers(layers, watcher = undefined) {
  const onProgress = callbackOf('onProgress', layers);
  const onUsage = callbackOf('onUsage', layers);
  return {
    progress: (text) => {
      const step = JSON.parse(text);
      watcher?.step?.(step);
      callBack('onProgress', onProgress, step);
    },
    phase: (event) => watcher?.phase?.(JSON.parse(event)),
    usage: (usage) => void callBack('onUsage', onUsage, JSON.parse(usage)),
  };
}

/** The callbacks in a `stdio`. */
function callbacksOf(stdio) {
  return stdio !== null && typeof stdio === 'object' ? stdio : {};
}

/** Whether somebody wants to know the process id. */
function wantsPid(stdio) {
  return typeof callbacksOf(stdio).onSpawn === 'function';
}

/** Handlers for what a connector's process tells: its output, its messages and its pid. */
function outputHandlers(stdio, onMessage = undefined) {
  const { logCapture, onSpawn } = callbacksOf(stdio);
  let sinceTurn = 0;
  const deliver = (name, stream) => async (texts) => {
    for (const text of texts) {
      // otherwise the queue of native calls would keep timers and sockets of the host waiting
      sinceTurn += text.length;
      if (sinceTurn > TURN_EVERY) {
        sinceTurn = 0;
        await turn();
      }
      if (logCapture?.passThrough) stream.write(text);
      const pending = callBack(name, logCapture?.[name], text);
      if (pending) await pending;
    }
  };
  return {
    // Credentials: a library's caller gets them whole, who has to save them. Nobody else does.
    wholeStdout: async ([shown, whole]) => {
      if (logCapture?.passThrough) process.stdout.write(shown);
      const pending = callBack('onStdout', logCapture?.onStdout, logCapture?.[OWN] ? shown : whole);
      if (pending) await pending;
    },
    wholeMessages: async ([shown, whole]) => {
      const masked = JSON.parse(shown);
      for (const [index, message] of JSON.parse(whole).entries()) {
        const pending = callBack('onMessage', onMessage, message, masked[index]);
        if (pending) await pending;
      }
    },
    stdout: deliver('onStdout', process.stdout),
    stderr: deliver('onStderr', process.stderr),
    // arrays that native code has split; parsing one at a time keeps the loop free
    messages: async (arrays) => {
      for (const array of arrays) {
        for (const message of JSON.parse(array)) {
          const pending = callBack('onMessage', onMessage, message);
          if (pending) await pending;
        }
      }
    },
    // not awaited: the connector's output must not wait for it
    spawn: (pid) => void callBack('onSpawn', onSpawn, pid),
  };
}

module.exports = {
  OWN,
  STATE_RUN,
  messageCallback,
  optionOf,
  outputHandlers,
  packed,
  port,
  progressHandlers,
  request,
  wantsPid,
};
