'use strict';
// Started as `node bootstrap.js main.js FD [NOTICES]`: fills process.env from the descriptor, so that what
// is secret in it is in no process's initial environment, then becomes `node main.js`. It is the
// entry rather than a --require, which workers and forks of the connector would inherit.
// Everything here is synchronous, as main.js has to be.

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

// The permission model, where it stands in for the kernel's rules, has to refuse something. (Of the
// root itself Node.js 20 says that it may be written, and refuses it.)
if (process.permission?.has('fs.write', path.join(path.parse(__filename).root, 'owox-canary'))) {
  throw new Error('isolation: files were to be protected by Node.js, and are not');
}
// Its flags are for this process: what the connector starts gets what it always got.
if (process.permission) {
  const ours = /^--(allow-|disable-warning=|(experimental-)?permission$)/;
  process.execArgv = process.execArgv.filter((flag) => !ours.test(flag));
}

const [, , script, descriptor, ...more] = process.argv;
process.argv.splice(1, 3 + more.length, path.resolve(script));
if (more.length > 0) takeNotices(Number(more[0]));

const variables = JSON.parse(fs.readFileSync(Number(descriptor), 'utf8'));
fs.closeSync(Number(descriptor));

// The real environment has them too, for worker threads, which copy it.
Object.assign(process.env, variables);

// A child process copies what it finds by enumeration. These would make it fail above 128 KiB,
// and show in its /proc/PID/environ; so they are there, but not listed, until somebody sets them.
const hidden = new Set(Object.keys(variables));
process.env = new Proxy(process.env, {
  ownKeys: (target) => Reflect.ownKeys(target).filter((name) => !hidden.has(name)),
  set(target, name, value) {
    hidden.delete(name);
    target[name] = value;
    return true;
  },
  defineProperty(target, name, property) {
    hidden.delete(name);
    return Reflect.defineProperty(target, name, property);
  },
});

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

Module.runMain();
