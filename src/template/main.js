'use strict';
// Written by @owox/connector-runner for one run of one connector.
// Everything up to the call of run() is synchronous: a connector may wait with deasync, which
// hangs for ever when it is entered from a promise callback.

const fs = require('node:fs');
const nodeModule = require('node:module');
const path = require('node:path');
const { inspect } = require('node:util');

const dependencies = __DEPENDENCIES__;

/** From below node_modules Node.js loads ES modules without a warning on stderr. */
const load = nodeModule.createRequire(path.join(__dirname, 'node_modules', 'main.js'));

/** Whether modules are loaded now, instead of at first use. */
const eager = __EAGER__;

/** Whether errors that connectors expect are printed with their stacks as well. */
const everyStack = __EVERY_STACK__;

/** Permissions do not tell: root may write what nobody may, but not what its isolation keeps from it. */
function canWrite(file) {
  try {
    fs.closeSync(fs.openSync(file, 'r+'));
    return true;
  } catch {
    return false;
  }
}

/** Node would add to what was compiled when the environment was installed: only where it cannot. */
function useCompiledCode() {
  if (!nodeModule.enableCompileCache) return;
  try {
    const environment = path.join(fs.realpathSync(path.join(__dirname, 'node_modules')), '..');
    const compiled = path.join(environment, 'compiled');
    if (fs.existsSync(compiled) && !canWrite(path.join(environment, 'environment.json'))) {
      nodeModule.enableCompileCache(compiled);
    }
  } catch {
    // it only saves time
  }
}

/** Makes `name` a global whose value is loaded at first use, and can be set like any other. */
function defineLazily(name, load) {
  const settle = (value) => {
    Object.defineProperty(globalThis, name, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
    return value;
  };
  Object.defineProperty(globalThis, name, {
    configurable: true,
    enumerable: true,
    get: () => settle(load()),
    set: settle,
  });
}

/** The value of one global of a dependency: the module, or the module's property of that name. */
function valueOf(dependency, name) {
  const loaded = load(dependency.name);
  if (dependency.global_is) return loaded;
  const isModuleItself = dependency.global.length === 1 && !(name in Object(loaded));
  return isModuleItself ? loaded : loaded[name];
}

/** Makes every member a global, and for groups (storages, connectors) their members too. */
function defineMembers(members, areGroups) {
  if (typeof members === 'string') return; // its characters are no members
  for (const [name, member] of Object.entries(members ?? {})) {
    defineLazily(name, () => member);
    if (areGroups) defineMembers(member, false);
  }
}

/** Stack and causes of whatever was thrown, which may be anything. */
function describe(thrown, depth = 0) {
  if (typeof thrown?.message !== 'string') return `Thrown: ${inspect(thrown)}`;
  const short = `${thrown.name}: ${thrown.message}`;
  if (!everyStack && isExpected(thrown)) return short;
  let text = thrown.stack || short;
  if (/^ERR_REQUIRE_(ESM|ASYNC)/.test(thrown.code)) {
    text += `\nrequire() of Node.js ${process.version} cannot load it, and until run() nothing can wait.`;
  }
  const hasCause = thrown.cause !== undefined && depth < 5;
  return hasCause ? `${text}\nCaused by: ${describe(thrown.cause, depth + 1)}` : text;
}

/** An error whose message says all that a person needs. */
function isExpected(thrown) {
  try {
    return thrown instanceof globalThis.OWOX.Core.ConnectorError;
  } catch {
    return false; // there is no such class
  }
}

/** Ends the process with exit code 1 once everything that was printed has left it. */
function fail(error) {
  process.exitCode = 1;
  process.stderr.write(`${describe(error)}\n`, () => {
    process.stdout.write('', () => process.exit(1));
  });
}

/** A promise that nothing can settle any more would otherwise look like success. */
function failUnlessSettled() {
  let settled = false;
  let idle = false;
  process.on('beforeExit', () => {
    idle = true;
  });
  process.on('exit', (code) => {
    if (settled || !idle || code !== 0) return;
    process.exitCode = 13; // as Node does for a top-level await that never settles
    process.stderr.write(
      'The promise that run() returned never settled, and nothing is left that could settle it.\n',
    );
  });
  return () => {
    settled = true;
  };
}

function start() {
  useCompiledCode();
  for (const dependency of dependencies) {
    load.resolve(dependency.name); // a missing package is an error now, not in mid-run
    for (const name of dependency.global) defineLazily(name, () => valueOf(dependency, name));
  }
  if (eager) {
    for (const name of dependencies.flatMap((dependency) => dependency.global))
      void globalThis[name];
  }

  const { Core, Storages, Connectors } = globalThis.OWOX;
  defineMembers(Core, false);
  defineMembers(Storages, true);
  defineMembers(Connectors, true);

  const config = new Core.NodeJsConfig(JSON.parse(process.env.OW_CONFIG));
  const runConfigText = process.env.OW_RUN_CONFIG;
  const runConfig = runConfigText
    ? new Core.AbstractRunConfig(JSON.parse(runConfigText))
    : new Core.AbstractRunConfig();

  const sourceName = config.getSourceName();
  const storageName = config.getStorageName();
  if (!globalThis[sourceName]) throw new Error(`Source class ${sourceName} not found`);
  if (!globalThis[storageName]) throw new Error(`Storage class ${storageName} not found`);

  const source = new globalThis[sourceName][`${sourceName}Source`](config);
  const Connector = globalThis[sourceName][`${sourceName}Connector`];
  const connector = new Connector(config, source, `${storageName}Storage`, runConfig);
  return connector.run();
}

try {
  const settle = failUnlessSettled();
  Promise.resolve(start()).then(settle, (error) => {
    settle();
    fail(error);
  });
} catch (error) {
  fail(error);
}
