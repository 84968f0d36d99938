'use strict';
// What starting and removing costs a host: CPU of its main thread, and time in which its event
// loop does nothing else.

const fs = require('node:fs');
const path = require('node:path');

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { alternate, cpuOf, rate, stallOf } = require('../lib/measure');
const { spawned } = require('../lib/rivals');
const { folder, quickNode, scriptFolder, setting } = require('../lib/space');

const capture = { logCapture: { onStdout() {}, onStderr() {} } };
const MEGABYTE = 2 ** 20;

/** Fills some memory, so that it is resident. */
function resident(megabytes) {
  return Array.from({ length: megabytes }, () => Buffer.alloc(MEGABYTE, 1));
}

/** Both ways to start `node main.js` in a folder and wait for its end. */
function starters(script, nodeFolder) {
  const environment = new NodeJsEnvironment();
  const directory = scriptFolder(script);
  const env = { ...process.env, PATH: `${nodeFolder}${path.delimiter}${process.env.PATH}` };
  const node = path.join(nodeFolder, 'node');
  return {
    ours: () => environment.executeConnector(directory, env, capture),
    rival: () => spawned(node, ['main.js'], { cwd: directory, env }),
  };
}

/** CPU of the main thread for one process, from start to end, one after the other. */
async function spawnCpu({ count, times }) {
  const { ours, rival } = starters('', quickNode());
  const each = (start) => async () => {
    const spent = await cpuOf(async () => {
      for (let index = 0; index < times; index += 1) await start();
    });
    return (spent * 1000) / times;
  };
  return [
    { unit: 'µs', samples: await alternate(count, { ours: each(ours), rival: each(rival) }) },
  ];
}

/** Processes a second out of a host with much memory, eight at a time. */
async function spawnRate({ count, ms, megabytes }) {
  const held = resident(megabytes);
  const { ours, rival } = starters('', quickNode());
  const samples = await alternate(count, {
    ours: () => rate(ms, 8, ours),
    rival: () => rate(ms, 8, rival),
  });
  return [{ label: `${held.length} MB resident`, unit: '/s', samples }];
}

/** The longest pause of the event loop while many real nodes start, work and end. */
async function spawnStall({ count, children, megabytes }) {
  const held = resident(megabytes);
  const { ours, rival } = starters('setTimeout(() => {}, 20)', path.dirname(process.execPath));
  const together = (start) => () =>
    stallOf(() => Promise.all(Array.from({ length: children }, () => start())));
  const samples = await alternate(count, { ours: together(ours), rival: together(rival) });
  return [{ label: `${held.length} MB resident`, unit: 'ms', samples }];
}

/** A node_modules of so many files, such as npm leaves. */
function writeTree(directory, files) {
  const content = Buffer.alloc(14 * 1024, 'x');
  for (let index = 0; index < files; index += 1) {
    const below = path.join(directory, `package-${index % 50}`, `part-${index % 7}`);
    fs.mkdirSync(below, { recursive: true });
    fs.writeFileSync(path.join(below, `${index}.js`), content);
  }
}

/** The longest pause of the event loop while a run's directory is removed. */
async function cleanUp({ count, files }) {
  const shared = setting('Null');
  const own = setting('Null');
  own.environment.dependencyManager.installDependencies = async (directory) =>
    writeTree(path.join(directory, 'node_modules'), files);
  const removal = (environment) => async () => {
    await environment.createEnvironment('bench', 'run', []);
    return stallOf(() => environment.cleanup('bench', 'run'));
  };
  const samples = await alternate(count, {
    shared: removal(shared.environment),
    own: removal(own.environment),
    async rival() {
      const directory = folder('rival');
      writeTree(path.join(directory, 'node_modules'), files);
      return stallOf(() => fs.rmSync(directory, { recursive: true }));
    },
  });
  const { rival } = samples;
  return [
    { label: 'run on the store', unit: 'ms', samples: { ours: samples.shared, rival } },
    { label: `directory of ${files} files`, unit: 'ms', samples: { ours: samples.own, rival } },
  ];
}

module.exports = { cases: { cleanUp, spawnCpu, spawnRate, spawnStall } };
