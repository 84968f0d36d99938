'use strict';
// Connectors in the shape of 0.11 that wait and make requests, with the runner's own modules and with
// the original ones; and many that wait at once.

const { spawn } = require('node:child_process');
const fs = require('node:fs');

const { ConnectorRunner, NodeJsEnvironment } = require('@owox/connector-runner');
const { configOf, connectorsPackage, variablesOf } = require('../../__test__/support/connectors');
const { alternate } = require('../lib/measure');
const { spawned } = require('../lib/rivals');
const { statusOf, tree, usage } = require('../lib/processes');
const { folder } = require('../lib/space');

const sources = {
  Waits: `run() {
    const { Milliseconds: ms } = this.config.json.source.config;
    void deasync; // loading it is not waiting
    const before = process.cpuUsage();
    let done = false;
    setTimeout(() => { done = true; }, ms.value);
    deasync.loopWhile(() => !done);
    const { user, system } = process.cpuUsage(before);
    console.log((user + system) / 1000);
  }`,
  Requests: `run() {
    const { URL: url, Times: times } = this.config.json.source.config;
    const start = performance.now();
    void request;
    const load = performance.now() - start;
    for (let time = 0; time < 5; time += 1) request('GET', url.value);
    const loaded = performance.now();
    for (let time = 0; time < times.value; time += 1) request('GET', url.value);
    console.log(JSON.stringify([load, (performance.now() - loaded) / times.value]));
  }`,
  Endless: `run() {
    console.log('waits');
    const never = new Promise((resolve) => setTimeout(resolve, 2 ** 30));
    deasync.awaitSync(never);
  }`,
};

/** Directories with these sources: with our modules, and with the original ones. */
async function directories() {
  const options = {
    connectorsPackage: connectorsPackage({ after() {} }, { sources, packageJson: {} }),
    runsDir: folder('runs'),
    storeDir: folder('store'),
    isolation: 'none', // both alike: some originals need what isolation takes
  };
  const environment = new NodeJsEnvironment(options);
  const ours = await environment.createEnvironment('bench', 'ours');
  process.env.OWOX_RUNNER_ORIGINALS = '@kaciras/deasync,sync-request';
  const rival = await environment.createEnvironment('bench', 'rival');
  delete process.env.OWOX_RUNNER_ORIGINALS;
  const run = (directory, source, parameters) => async () => {
    let text = '';
    const config = JSON.stringify(configOf(source, parameters));
    await environment.executeConnector(directory, variablesOf(source, { OW_CONFIG: config }), {
      logCapture: { onStdout: (chunk) => (text += chunk) },
    });
    return JSON.parse(text);
  };
  return { ours, rival, run, options };
}

/** CPU of a wait for a timer. */
async function waitCpu({ ms, count }) {
  const { ours, rival, run } = await directories();
  const parameters = { Milliseconds: { value: ms } };
  const samples = await alternate(count, {
    ours: run(ours, 'Waits', parameters),
    rival: run(rival, 'Waits', parameters),
  });
  return [{ label: `${ms} ms`, unit: 'ms', samples }];
}

/** A server in a process of its own, since whoever asks synchronously cannot answer. */
async function server() {
  const script = `require('node:http').createServer((request, response) => response.end('answer'))
    .listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve) => child.stdout.once('data', resolve));
  return { url: `http://127.0.0.1:${String(port).trim()}/`, end: () => child.kill() };
}

/** One request on loopback, and loading the module. */
async function request({ times, count }) {
  const { ours, rival, run } = await directories();
  const { url, end } = await server();
  const parameters = { URL: { value: url }, Times: { value: times } };
  const all = { ours: [], rival: [] };
  const kept = (name, work) => async () => all[name].push(await work());
  await alternate(
    count,
    {
      ours: kept('ours', run(ours, 'Requests', parameters)),
      rival: kept('rival', run(rival, 'Requests', parameters)),
    },
    { warmUp: false },
  );
  end();
  const column = (at) => ({
    ours: all.ours.map((pair) => pair[at]),
    rival: all.rival.map((pair) => pair[at]),
  });
  return [
    { label: 'each', unit: 'ms', samples: column(1) },
    { label: 'loading it', unit: 'ms', samples: column(0), judge: 'load' },
  ];
}

/** Lets so many connectors wait, and gives what they and the host use a second meanwhile. */
async function whileWaiting(runs, seconds, start) {
  let left = runs;
  let allWait;
  const waiting = new Promise((resolve) => (allWait = resolve));
  const end = start(() => (left -= 1) === 0 && allWait());
  await waiting;
  await new Promise((resolve) => setTimeout(resolve, 5000)); // what a start leaves to be done
  const pids = tree();
  const before = usage(pids);
  const begun = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = usage(pids);
  const elapsed = performance.now() - begun;
  const others = pids.filter((pid) => !statusOf(pid, 'cmdline')?.includes('main.js'));
  const figures = {
    cpu: ((after.cpu - before.cpu) / elapsed) * 100,
    memory: usage(others).memory / 1024 / runs,
    threads: fs.readdirSync('/proc/self/task').length,
    descriptors: fs.readdirSync('/proc/self/fd').length / runs,
  };
  await end();
  return figures;
}

/** Many connectors that wait at once: ours, and child processes of the host. */
async function density({ runs, seconds }) {
  const { ours: directory, options } = await directories();
  const runner = new ConnectorRunner({
    ...options,
    isolation: 'standard',
    maxConcurrentRuns: runs,
  });
  const config = configOf('Endless');
  const ours = await whileWaiting(runs, seconds, (waits) => {
    const all = Array.from({ length: runs }, () =>
      runner.run('bench', 'dense', config, {}, { logCapture: { onStdout: waits } }).catch(() => {}),
    );
    return () => (runner.cancel('dense'), Promise.all(all));
  });
  const env = variablesOf('Endless');
  const rival = await whileWaiting(runs, seconds, (waits) => {
    const aborting = new AbortController();
    const how = { cwd: directory, env, signal: aborting.signal };
    const all = Array.from({ length: runs }, () =>
      spawned(process.execPath, ['main.js'], how, waits).catch(() => {}),
    );
    return () => (aborting.abort(), Promise.all(all));
  });
  const line = (name, label, unit) => ({
    label: `${runs} runs, ${label}`,
    unit,
    samples: { ours: [ours[name]], rival: [rival[name]] },
    judge: name === 'cpu' ? undefined : name,
  });
  return [
    line('cpu', 'CPU of all', '% of a core'),
    line('memory', 'host and helpers, each', 'MB'),
    line('threads', "host's threads", 'threads'),
    line('descriptors', "host's descriptors, each", 'descriptors'),
  ];
}

module.exports = { cases: { density, request, waitCpu } };
