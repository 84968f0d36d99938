'use strict';
// Started as `node --require=bootstrap.js main.js FD NOTICES MASKS` (- where there is none), and by that in every worker thread too: gives
// process.env what is secret, from the descriptor, so that it is in no process's initial environment.
// Everything here is synchronous, as main.js has to be.

const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const path = require('node:path');
const threads = require('node:worker_threads');

/** Under which threads hand it on: Node.js copies what is kept so into each new one. */
const KEY = '@owox/connector-runner';

/** Bytes of the longest value that is hidden. */
const LONGEST_MASK = 16 * 1024;

/** What the main thread starts with: the variables, and the flag that has loaded this file. */
function take() {
  // The permission model, where it stands in for the kernel's rules, has to refuse something. (Of
  // the root itself Node.js 20 says that it may be written, and refuses it.)
  if (process.permission?.has('fs.write', path.join(path.parse(__filename).root, 'owox-canary'))) {
    throw new Error('isolation: files were to be protected by Node.js, and are not');
  }
  const [descriptor, notices, masks] = process.argv.splice(2);
  if (notices !== '-') takeNotices(Number(notices));
  if (masks !== '-') offerMasks(Number(masks));
  const variables = JSON.parse(fs.readFileSync(Number(descriptor), 'utf8'));
  fs.closeSync(Number(descriptor));
  return { variables, flag: process.execArgv.at(-1) };
}

/** Keeps our flags to this process: what the connector starts gets what it always got. */
function hideFlags(flag) {
  const permission = /^--(allow-|disable-warning=|(experimental-)?permission$)/;
  const isOurs = (arg) => arg === flag || (process.permission && permission.test(arg));
  process.execArgv = process.execArgv.filter((arg) => !isOurs(arg));
}

/**
 * process.env with further variables, which can be read but are not listed, and which the real
 * environment never has: a child process, which copies one or the other as its Node.js sees fit,
 * would show them in its /proc/PID/environ, and could not start above 128 KiB. What somebody sets
 * becomes a variable like any other.
 */
function withHidden(environment, hidden, changed) {
  const isHidden = (name) => Object.hasOwn(hidden, name) && !Object.hasOwn(environment, name);
  const forget = (name) => {
    if (delete hidden[name]) changed();
  };
  return new Proxy(environment, {
    get: (target, name) => (isHidden(name) ? hidden[name] : target[name]),
    has: (target, name) => isHidden(name) || name in target,
    getOwnPropertyDescriptor: (target, name) =>
      Reflect.getOwnPropertyDescriptor(isHidden(name) ? hidden : target, name),
    set(target, name, value) {
      target[name] = value; // may throw
      if (Object.hasOwn(hidden, name)) forget(name);
      return true;
    },
    defineProperty(target, name, property) {
      const isDefined = Reflect.defineProperty(target, name, property);
      if (isDefined && Object.hasOwn(hidden, name)) forget(name);
      return isDefined;
    },
    deleteProperty(target, name) {
      if (Object.hasOwn(hidden, name)) forget(name);
      return Reflect.deleteProperty(target, name);
    },
  });
}

/** Worker with the flag where own arguments replace it, and without the variables in own ones. */
function handingOn(Worker, flag, handOn) {
  return new Proxy(Worker, {
    construct(target, [file, given, ...rest], newTarget) {
      const options = Array.isArray(given?.execArgv)
        ? { ...given, execArgv: [flag, ...given.execArgv] }
        : given;
      const hasOwnVariables = typeof options?.env === 'object' && options.env !== null;
      if (hasOwnVariables) handOn({});
      try {
        return Reflect.construct(target, [file, options, ...rest], newTarget);
      } finally {
        if (hasOwnVariables) handOn();
      }
    },
  });
}

/**
 * What Node.js itself warns of (its deprecations and experiments) is not the connector's stderr, on
 * which hosts fail a run: it goes to this descriptor, and what else is warned of to stderr as ever.
 * Whoever asks Node.js to trace warnings, or to throw them, gets them where Node.js has them.
 */
function takeNotices(notices) {
  const flags = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  if (flags.some((flag) => /^--(trace|throw)[-_](warnings|deprecation)$/.test(flag))) return;
  const listeners = process.listeners('warning');
  if (listeners.length === 0) return; // --no-warnings
  const told = new Set();
  let offset = 0;
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    const { name, code, message } = warning ?? {};
    const isDeprecation = name === 'DeprecationWarning' && /^DEP\d{4}$/.test(code);
    if (!isDeprecation && name !== 'ExperimentalWarning') {
      for (const listener of listeners) listener.call(process, warning);
      return;
    }
    if (process.traceDeprecation || process.throwDeprecation) {
      for (const listener of listeners) listener.call(process, warning);
      return;
    }
    const text = `${name}: ${message}`.slice(0, 1000).replace(/\s+/g, ' ');
    const line = `${code ? `[${code}] ` : ''}${text}\n`;
    if (told.has(line)) return;
    told.add(line);
    try {
      offset += fs.writeSync(notices, line, offset);
    } catch {
      // it is full, or was closed
    }
  });
}

/**
 * Lets the connector name a secret that it has derived, under a symbol that connectors packages know:
 * it returns when the host hides the value, and says whether it does.
 */
function offerMasks(masks) {
  const hide = (value) => {
    const bytes = Buffer.from(String(value));
    if (bytes.length === 0 || bytes.length > LONGEST_MASK) return false;
    const frame = Buffer.alloc(4 + bytes.length);
    frame.writeUInt32LE(bytes.length);
    bytes.copy(frame, 4);
    const answer = Buffer.alloc(1);
    try {
      for (let at = 0; at < frame.length;) at += fs.writeSync(masks, frame, at);
      return fs.readSync(masks, answer) === 1 && answer[0] === 1;
    } catch {
      return false; // the host listens to no more
    }
  };
  Object.defineProperty(globalThis, Symbol.for(`${KEY}:maskSecret`), { value: hide });
}

function main() {
  const { variables, flag } = threads.isMainThread ? take() : threads.getEnvironmentData(KEY);
  const handOn = (handed = variables) =>
    threads.setEnvironmentData(KEY, { variables: handed, flag });
  handOn();
  hideFlags(flag);
  process.env = withHidden(process.env, variables, handOn);
  threads.Worker = handingOn(threads.Worker, flag, handOn);
  syncBuiltinESMExports();
}

main();
