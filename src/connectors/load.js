'use strict';
// Loads a connectors package as a host would, and says what was tried where that fails. The
// script that uses it follows.

const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');

/** The name under which every environment has the package, whatever its own. */
const PACKAGE = '@owox/connectors';

/** Longest part of an `exports` that is shown. */
const SHOWN = 300;

/** Why Node.js finds no entry in the package. */
function withoutEntry(error, root) {
  const { exports, main } = JSON.parse(
    readFileSync(path.join(root, 'package.json'), 'utf8').replace(/^\uFEFF/, ''),
  );
  const node = `require() of Node.js ${process.version}`;
  if (exports == null) {
    const named = main === undefined ? 'no "main"' : `"main" ${JSON.stringify(main)}`;
    return `${node} tried ${named} of its package.json, index.js, index.json and index.node, and found none`;
  }
  const shown = JSON.stringify(exports);
  const cut = shown.length > SHOWN ? `${shown.slice(0, SHOWN)}…` : shown;
  const tried =
    error.code === 'MODULE_NOT_FOUND'
      ? `leads ${node} to a file that is not there`
      : `has no entry for ${node}, which takes "require", "node", "module-sync" and "default"`;
  return `"exports" ${cut} of its package.json ${tried}`;
}

/** Why its entry, or what that requires, does not load. */
function unloaded(error, entry) {
  const message = String(error?.message ?? error);
  const esm = 'which only Node.js 20.19, 22.12 and later can';
  if (error?.code === 'ERR_REQUIRE_ASYNC_MODULE') {
    return (
      `${entry} or what it imports awaits at its top level, and require() of Node.js ` +
      `${process.version} cannot wait: nothing before run() may be asynchronous`
    );
  }
  const isItself = message.includes(entry) || error instanceof SyntaxError;
  const isModule =
    error?.code === 'ERR_REQUIRE_ESM' ||
    (error instanceof SyntaxError && /import statement outside|token 'export'/.test(message));
  if (!isModule) return message;
  const what = isItself ? `${entry} is an ES module` : message.split('\n')[0];
  return `${what}: require() of Node.js ${process.version} cannot load it, ${esm}`;
}

/**
 * The package's exports. Node.js ignores `exports` where a folder is required; so there is a
 * folder in whose node_modules a link leads to the package, and it is required by name from there.
 */
// eslint-disable-next-line no-unused-vars -- for the script that follows
function loadConnectors(folder, root) {
  const host = path.join(folder, 'host.js');
  const load = createRequire(host);
  const link = path.join(folder, 'node_modules', PACKAGE);
  const fail = (text) => {
    throw new Error(text.replaceAll(link, root).replaceAll(`\n- ${host}`, ''));
  };
  let entry;
  let connectors;
  try {
    entry = load.resolve(PACKAGE);
  } catch (error) {
    fail(withoutEntry(error, root));
  }
  try {
    connectors = load(PACKAGE);
  } catch (error) {
    fail(unloaded(error, entry));
  }
  if (connectors?.Connectors == null && connectors?.Storages == null) {
    const names = Object.keys(Object(connectors)).join(', ') || 'nothing';
    fail(`${entry} exports neither Connectors nor Storages, but ${names}`);
  }
  return connectors;
}
