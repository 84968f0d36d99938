'use strict';
// Packages in the shapes of the published connectors, against servers on loopback that answer as
// the services' emulators do: whole runs, and several at once.

const path = require('node:path');

const { ConnectorRunner, NodeJsEnvironment } = require('@owox/connector-runner');
const { STORAGES, writePackage } = require('../../__test__/real-shape/build');
const { variablesOf } = require('../../__test__/support/connectors');
const { startRegistry } = require('../../__test__/real-shape/registry');
const { startServices } = require('../../__test__/real-shape/services');
const { sourceConfig, storageConfig } = require('../../__test__/real-shape/configs');
const { alternate } = require('../lib/measure');
const { folder } = require('../lib/space');
const { spawned } = require('../lib/rivals');
const { tree, usage } = require('../lib/processes');

const removedWithTheRest = { after() {} };

/** The package of a version, the services that it asks, and a configuration for them. */
async function shape(version, storage) {
  const without = version === '0.11.0' ? ['adm-zip'] : [];
  const services = await startServices(removedWithTheRest);
  Object.assign(process.env, await startRegistry(removedWithTheRest, { without }));
  Object.assign(process.env, services.variables);
  const options = {
    connectorsPackage: writePackage(path.join(folder('package'), 'connectors'), version),
    runsDir: folder('runs'),
    storeDir: folder('store'),
  };
  const config = {
    datamartId: 'bench',
    name: 'Shape',
    source: { name: 'BankOfCanada', config: sourceConfig(services.url).BankOfCanada },
    storage: { name: storage, config: storageConfig(services.url)[storage] },
  };
  return { services, options, config };
}

/** Makes the environment of a run, with the packages that the original has where `originals` says so. */
async function withOriginals(originals, work) {
  if (originals) process.env.OWOX_RUNNER_ORIGINALS = '@kaciras/deasync,sync-request';
  try {
    return await work();
  } finally {
    delete process.env.OWOX_RUNNER_ORIGINALS;
  }
}

/** A whole run with our modules, and with those that the package has of its own. */
async function run({ version, storage, count }) {
  const { services, options, config } = await shape(version, storage);
  const runner = new ConnectorRunner(options);
  const all = { ours: [], rival: [] };
  const once = (name, originals) => () =>
    withOriginals(originals, async () => {
      services.forget();
      const stdio = { logCapture: { onStdout() {}, onStderr() {} } };
      const begun = performance.now();
      const { resources } = await runner.run('bench', 'run', config, {}, stdio);
      const wall = performance.now() - begun;
      const requests = services.headers.length;
      all[name].push({ wall, cpu: resources.cpuMs, requests });
    });
  for (const originals of [false, true]) await once('ours', originals)(); // installs
  all.ours = [];
  const variants = { ours: once('ours', false), rival: once('rival', true) };
  await alternate(count, variants, { warmUp: false });
  const line = (name, label, unit) => ({
    label: `${version} into ${storage}, ${label}`,
    unit,
    samples: { ours: all.ours.map((one) => one[name]), rival: all.rival.map((one) => one[name]) },
    judge: name === 'wall' ? undefined : name,
  });
  return [
    line('wall', 'whole run', 'ms'),
    line('cpu', 'CPU of the connector', 'ms'),
    line('requests', 'requests', 'requests'),
  ];
}

/** Runs at once: milliseconds to the first line of each, and megabytes of its processes' own. */
async function together(runs, services, start) {
  services.forget();
  services.hold = true;
  const begun = performance.now();
  const first = [];
  let lines;
  const allBegun = new Promise((resolve) => (lines = resolve));
  const end = start(() => {
    first.push(performance.now() - begun);
    if (first.length === runs) lines();
  });
  await allBegun;
  while (services.headers.length < runs) await new Promise((resolve) => setTimeout(resolve, 10));
  const { memory } = usage(tree().filter((pid) => pid !== String(process.pid)));
  await end();
  services.hold = false;
  return { first: first.sort((a, b) => a - b)[runs >> 1], memory: memory / 1024 / runs };
}

/** Calls `work` once, however often it is called itself. */
function onceOnly(work) {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

/** A configuration as a connector gets it. */
function given(config) {
  const values = (part) =>
    Object.fromEntries(Object.entries(part.config).map(([name, value]) => [name, { value }]));
  const of = (part) => ({ ...part, config: values(part) });
  return { ...config, source: of(config.source), storage: of(config.storage) };
}

/** Several runs in the shape of 0.31 at once, and as child processes of this one. */
async function atOnce({ runs, count }) {
  const { services, options, config } = await shape('0.31.0', 'GoogleBigQuery');
  const runner = new ConnectorRunner({ ...options, maxConcurrentRuns: runs });
  const environment = new NodeJsEnvironment({ ...options, isolation: 'none' });
  const dependencies = STORAGES['0.31.0'].GoogleBigQuery;
  const cwd = await environment.createEnvironment('bench', 'rival', dependencies);
  const ours = () =>
    together(runs, services, (line) => {
      const all = Array.from({ length: runs }, () => {
        const stdio = { logCapture: { onStdout: onceOnly(line), onStderr() {} } };
        return runner.run('bench', 'dense', config, {}, stdio).catch(() => {});
      });
      return () => (runner.cancel('dense'), Promise.all(all));
    });
  const env = variablesOf('BankOfCanada', { OW_CONFIG: JSON.stringify(given(config)) });
  const rival = () =>
    together(runs, services, (line) => {
      const aborting = new AbortController();
      const how = { cwd, env, signal: aborting.signal };
      const all = Array.from({ length: runs }, () =>
        spawned(process.execPath, ['main.js'], how, onceOnly(line)).catch(() => {}),
      );
      return () => (aborting.abort(), Promise.all(all));
    });
  const all = { ours: [], rival: [] };
  await alternate(count, {
    ours: async () => all.ours.push(await ours()),
    rival: async () => all.rival.push(await rival()),
  });
  const line = (name, label, unit) => ({
    label: `${runs} at once, ${label}`,
    unit,
    // without the round that does not count
    samples: {
      ours: all.ours.slice(1).map((one) => one[name]),
      rival: all.rival.slice(1).map((one) => one[name]),
    },
    judge: name === 'first' ? undefined : name,
  });
  return [line('first', 'to the first line', 'ms'), line('memory', 'memory, each', 'MB')];
}

module.exports = { cases: { atOnce, run } };
