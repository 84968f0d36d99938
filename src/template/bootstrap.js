'use strict';
// Started as `node bootstrap.js main.js FD`: fills process.env from the descriptor, so that what
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

const [, , script, descriptor] = process.argv;
process.argv.splice(1, 3, path.resolve(script));

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

Module.runMain();
