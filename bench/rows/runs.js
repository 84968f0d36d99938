'use strict';
// Whole runs, cold and warm.

const fs = require('node:fs');
const path = require('node:path');

const { ConnectorRunner, NodeJsEnvironment } = require('@owox/connector-runner');
const { BUNDLE } = require('../../__test__/support/connectors');
const { inFreshProcess } = require('../lib/fork');
const { alternate, timed } = require('../lib/measure');
const { installSpawnRemove, npmInstall, spawned } = require('../lib/rivals');
const { allocated, folder, remove, setting } = require('../lib/space');

const capture = { logCapture: { onStdout() {}, onStderr() {} } };

/** A run whose connector does nothing, with an environment that is there, and the same by npm. */
async function warmRun({ set, count }) {
  const given = setting(set);
  const runner = new ConnectorRunner(given.options);
  const config = given.configOf('Ok');
  const job = { ...given, variables: given.variablesOf('Ok') };
  await runner.run('bench', 'first', config, {}, capture); // fills the store
  const samples = await alternate(count, {
    ours: () => timed(() => runner.run('bench', 'run', config, {}, capture)),
    rival: () => timed(() => installSpawnRemove(folder('rival'), job)),
  });
  remove(given.options.storeDir);
  return [{ label: set, unit: 'ms', samples }];
}

/** The same run, and `node main.js` in a directory that is ready. */
async function bareRun({ count }) {
  const given = setting('Null');
  const runner = new ConnectorRunner(given.options);
  const config = given.configOf('Ok');
  const directory = await given.environment.createEnvironment('bench', 'bare', []);
  const options = { cwd: directory, env: given.variablesOf('Ok') };
  const samples = await alternate(count, {
    ours: () => timed(() => runner.run('bench', 'run', config, {}, capture)),
    rival: () => timed(() => spawned(process.execPath, ['main.js'], options)),
  });
  return [{ unit: 'ms', samples }];
}

/** The same run, isolated and not; also what isolation adds, by pairs of one round. */
async function isolation({ mode, count }) {
  const given = setting('Null');
  const runner = new ConnectorRunner(given.options);
  const config = given.configOf('Ok');
  const run = (isolation) => () =>
    timed(() => runner.run('bench', 'run', config, {}, capture, { isolation }));
  const samples = await alternate(count, { ours: run(mode), rival: run('none') });
  const added = samples.ours.map((ours, round) => ours - samples.rival[round]);
  return [
    { label: mode, unit: 'ms', samples },
    { label: `${mode}, added`, unit: 'ms', samples: { ...samples, ours: added }, judge: 'added' },
  ];
}

/** From the call to the first line in the host's callback, and a whole `node -e 0`. */
async function firstLine({ count }) {
  const { environment, variablesOf } = setting('Null');
  const directory = await environment.createEnvironment('bench', 'line', []);
  const variables = variablesOf('FirstLine');
  const untilLine = async () => {
    const start = performance.now();
    let at;
    const onStdout = () => {
      at ??= performance.now();
    };
    await environment.executeConnector(directory, variables, { logCapture: { onStdout } });
    return at - start;
  };
  const samples = await alternate(count, {
    ours: untilLine,
    rival: () => timed(() => spawned(process.execPath, ['-e', '0'], {})),
  });
  return [{ unit: 'ms', samples }];
}

/** From saving a file of the connectors package to the connector's first line, and the same without. */
async function edit({ set, count }) {
  const given = setting(set);
  const runner = new ConnectorRunner(given.options);
  const { connectorsPackage: root, storeDir } = given.options;
  const bundle = path.join(root, BUNDLE);
  const config = given.configOf('FirstLine');
  const untilLine = async () => {
    const start = performance.now();
    let at;
    const onStdout = () => {
      at ??= performance.now();
    };
    await runner.run('bench', 'edit', config, {}, { logCapture: { onStdout } });
    return at - start;
  };
  const save = () => fs.appendFileSync(bundle, '// an edit\n');
  const saved = () => {
    save();
    return untilLine();
  };
  await untilLine(); // fills the store
  save();
  await untilLine();
  const before = allocated(storeDir);
  await saved();
  const added = allocated(storeDir) - before;
  // a warm run is one of a package that has been at rest for a while
  const settle = () => new Promise((resolve) => setTimeout(resolve, 2500));
  const rival = async () => {
    await settle();
    await untilLine();
    return untilLine();
  };
  const samples = await alternate(count, { ours: saved, rival });
  remove(storeDir);
  const sizes = { ours: [added / 1024], rival: [allocated(root) / 1024] };
  return [
    { label: set, unit: 'ms', samples },
    { label: `${set}, disk`, unit: 'KiB', samples: sizes, judge: 'disk' },
  ];
}

/** An environment that nobody has installed yet, and npm install of the same. */
async function coldEnvironment({ set, count }) {
  const given = setting(set);
  const samples = await alternate(count, {
    async ours() {
      const storeDir = folder('store');
      const environment = new NodeJsEnvironment({ ...given.options, storeDir });
      const spent = await timed(() =>
        environment.createEnvironment('bench', 'cold', given.dependencies),
      );
      await environment.cleanup('bench', 'cold');
      remove(storeDir);
      return spent;
    },
    async rival() {
      const directory = folder('rival');
      const spent = await timed(() => npmInstall(directory, given.manifest));
      remove(directory);
      return spent;
    },
  });
  return [{ label: set, unit: 'ms', samples }];
}

/** An npm that writes down each call before it does what it is asked to. */
function countingNpm() {
  const real = process.env.PATH.split(path.delimiter)
    .map((entry) => path.join(entry, 'npm'))
    .find((file) => fs.existsSync(file));
  const bin = folder('npm');
  const log = path.join(bin, 'calls');
  fs.writeFileSync(log, '');
  const script = `#!/bin/sh\necho "$1" >> '${log}'\nexec '${real}' "$@"\n`;
  fs.writeFileSync(path.join(bin, 'npm'), script, { mode: 0o755 });
  return {
    path: `${bin}${path.delimiter}${process.env.PATH}`,
    installs: () => fs.readFileSync(log, 'utf8').match(/^(install|ci)$/gm)?.length ?? 0,
  };
}

/** Environments of one process, all wanted at once. */
async function wantAtOnce({ options, dependencies, times, path: searchPath, me }) {
  process.env.PATH = searchPath;
  const environment = new NodeJsEnvironment(options);
  const ids = Array.from({ length: times }, (_, index) => `${me}-${index}`);
  await Promise.all(ids.map((id) => environment.createEnvironment('bench', id, dependencies)));
  await Promise.all(ids.map((id) => environment.cleanup('bench', id)));
}

/** How many installs it costs when several processes want a cold environment at once. */
async function atOnce({ processes, times }) {
  const { options, dependencies } = setting('Small');
  // a confined npm could not count
  const isolation = 'none';
  const installs = async (more) => {
    const npm = countingNpm();
    const wanted = {
      options: { ...options, ...more, isolation },
      dependencies,
      times,
      path: npm.path,
    };
    const hosts = Array.from({ length: processes }, (_, me) =>
      inFreshProcess('runs', 'wantAtOnce', { ...wanted, me }, 300_000),
    );
    await Promise.all(hosts);
    return npm.installs();
  };
  const ours = await installs({ storeDir: folder('store') });
  const rival = await installs({ store: 'off' });
  return [
    {
      label: `${processes * times} runs in ${processes} processes`,
      unit: 'installs',
      samples: { ours: [ours], rival: [rival] },
    },
  ];
}

/** What one run takes on the disk, beside what is shared. */
async function disk({ set }) {
  const given = setting(set);
  const ours = await given.environment.createEnvironment('bench', 'disk', given.dependencies);
  const rival = folder('rival');
  await npmInstall(rival, given.manifest);
  fs.writeFileSync(path.join(rival, 'main.js'), given.script);
  const samples = { ours: [allocated(ours) / 1024], rival: [allocated(rival) / 1024] };
  await given.environment.cleanup('bench', 'disk');
  remove(rival);
  return [{ label: set, unit: 'KiB', samples }];
}

module.exports = {
  cases: {
    atOnce,
    bareRun,
    coldEnvironment,
    disk,
    edit,
    firstLine,
    isolation,
    wantAtOnce,
    warmRun,
  },
};
