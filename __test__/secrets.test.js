'use strict';
// How a run's configuration reaches it: in process.env, but in nobody's initial environment.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { test } = require('node:test');

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { configOf } = require('./support/connectors');
const { capture } = require('./support/output');
const { scriptFolder } = require('./support/temp');

const SECRET = 'very-secret-value';

async function play(t, script, { padding = 0, files, isolation } = {}) {
  const config = configOf('S', {
    Token: { value: SECRET },
    Padding: { value: 'x'.repeat(padding) },
  });
  const { stdout, stderr, stdio } = capture();
  const folder = scriptFolder(t, script);
  for (const [name, text] of Object.entries(files ?? {}))
    fs.writeFileSync(`${folder}/${name}`, text);
  const env = { ...process.env, OW_CONFIG: JSON.stringify(config), OW_RUN_CONFIG: '{"type":"X"}' };
  await new NodeJsEnvironment({ redact: false, isolation }).executeConnector(folder, env, stdio);
  assert.equal(stderr.join(''), '');
  return JSON.parse(stdout.join(''));
}

for (const padding of [0, 140 * 1024, 5 * 1024 * 1024]) {
  test(`a configuration with ${padding} bytes more is delivered`, async (t) => {
    const seen = await play(
      t,
      `console.log(JSON.stringify({
        length: JSON.parse(process.env.OW_CONFIG).source.config.Padding.value.length,
        runConfig: process.env.OW_RUN_CONFIG, argv: process.argv.slice(1), execArgv: process.execArgv,
        isMain: require.main === module, filename: __filename, descriptors: require('fs').readdirSync('/proc/self/fd')
          .filter((fd) => { try { return require('fs').readlinkSync('/proc/self/fd/' + fd).includes('memfd:configuration'); } catch {} }),
      }))`,
      { padding },
    );
    assert.equal(seen.length, padding);
    assert.equal(seen.runConfig, '{"type":"X"}');
    assert.deepEqual(seen.argv, [seen.filename]);
    assert.deepEqual([seen.execArgv, seen.isMain, seen.descriptors], [[], true, []]);
  });
}

test('no process has it in its environment or arguments', async (t) => {
  const seen = await play(
    t,
    `const fs = require('fs');
    const child = require('child_process').spawn('sleep', ['60']);
    child.once('spawn', () => {
      const found = [];
      let count = 0;
      for (const pid of fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
        for (const file of ['environ', 'cmdline']) {
          try {
            const text = fs.readFileSync('/proc/' + pid + '/' + file, 'latin1');
            count += 1;
            if (text.includes('${SECRET.slice(0, 5)}' + '${SECRET.slice(5)}')) found.push(pid + ' ' + file);
          } catch {}
        }
      }
      const own = fs.readFileSync('/proc/self/environ', 'latin1').includes('PATH=');
      child.kill('SIGKILL');
      console.log(JSON.stringify({ found, count, own }));
    });`,
    { isolation: 'none' }, // which sees the processes of the whole machine
  );
  assert.deepEqual(seen.found, []);
  assert.ok(seen.own && seen.count > 6, 'nothing was read');
});

test('child processes do not inherit it, unless it is set for them', async (t) => {
  const seen = await play(
    t,
    `const cp = require('child_process');
    const show = ['-e', "process.stdout.write(String(process.env.OW_CONFIG?.length ?? 'none'))"];
    const sync = (options) => cp.spawnSync(process.execPath, show, { encoding: 'utf8', ...options });
    const result = {
      plain: sync({}).stdout, spread: sync({ env: { ...process.env } }).stdout,
      path: sync({ env: { ...process.env } }).status,
      explicit: sync({ env: { ...process.env, OW_CONFIG: '12345' } }).stdout,
      shell: cp.execSync('echo "[$OW_CONFIG]"', { encoding: 'utf8' }).trim(),
      file: cp.execFileSync(process.execPath, show, { encoding: 'utf8' }),
      has: ['OW_CONFIG' in process.env, Object.keys(process.env).includes('OW_CONFIG')],
    };
    const forked = cp.fork('./forked.js');
    forked.once('message', (message) => {
      result.fork = message;
      process.env.OW_CONFIG = 'own';
      result.own = sync({}).stdout;
      console.log(JSON.stringify(result));
    });`,
    {
      padding: 200 * 1024,
      files: {
        'forked.js': `process.send([process.env.OW_CONFIG ?? 'none', ...process.execArgv])`,
      },
    },
  );
  assert.deepEqual(seen, {
    ...{ plain: 'none', spread: 'none', path: 0, explicit: '5', shell: '[]', file: 'none' },
    ...{ has: [true, false], fork: ['none'], own: '3' },
  });
});

const WAYS = `
  const cp = require('node:child_process');
  const FILE = '/proc/self/environ';
  const started = (child) => new Promise((resolve, reject) => {
    let text = '';
    child.on('error', reject);
    child.on('message', (message) => { text += message; });
    child.stdout?.setEncoding('latin1').on('data', (data) => { text += data; });
    child.on('close', () => resolve(text));
    child.on('exit', () => child.stdout ?? resolve(text));
  });
  const called = (start) => new Promise((resolve, reject) =>
    start((error, stdout) => error ? reject(error) : resolve(stdout)));
  // libuv hands on the real environment where it is told nothing
  const native = () => {
    const pipes = [{ type: 'pipe', readable: true }, { type: 'pipe', writable: true }, { type: 'fd', fd: 2 }];
    const ended = process.binding('spawn_sync')
      .spawn({ file: '/bin/cat', args: ['cat', FILE], stdio: pipes });
    if (ended.error) throw new Error('spawn_sync: ' + ended.error);
    return ended.output[1].toString('latin1');
  };
  module.exports = {
    native,
    spawn: () => started(cp.spawn('cat', [FILE])),
    shell: () => started(cp.spawn('cat ' + FILE, { shell: true })),
    spread: () => started(cp.spawn('cat', [FILE], { env: { ...process.env } })),
    passed: () => started(cp.spawn('cat', [FILE], { env: process.env })),
    spawnSync: () => cp.spawnSync('cat', [FILE]).stdout.toString('latin1'),
    exec: () => called((done) => cp.exec('cat ' + FILE, done)),
    execSync: () => cp.execSync('cat ' + FILE, { encoding: 'latin1' }),
    execFile: () => called((done) => cp.execFile('cat', [FILE], done)),
    execFileSync: () => cp.execFileSync('cat', [FILE], { encoding: 'latin1' }),
    fork: () => started(cp.fork(__dirname + '/environ.js')),
    cluster: () => {
      const cluster = require('node:cluster');
      cluster.setupPrimary({ exec: __dirname + '/environ.js' });
      return started(cluster.fork().process);
    },
  };`;

const TRY_ALL = `
  const { threadId, parentPort, Worker, SHARE_ENV, workerData } = require('node:worker_threads');
  const ways = require('./ways');
  const inWorker = (options, nested) => new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { ...options, workerData: { nested } });
    worker.once('message', resolve).once('error', reject);
  });
  (async () => {
    const seen = { knows: process.env.OW_CONFIG?.length > 200 * 1024, execArgv: process.execArgv };
    for (const [name, way] of Object.entries(ways)) {
      if (name === 'cluster' && threadId > 0) continue; // has no worker processes
      const environ = await way();
      seen[name] = environ.includes('PATH=') ? environ.includes('OW_CONFIG=') : 'nothing was read';
    }
    if (threadId === 0) {
      seen.worker = await inWorker({}, true);
      seen.shared = await inWorker({ env: SHARE_ENV });
      seen.withFlags = await inWorker({ execArgv: ['--no-warnings'] });
      const own = { PATH: process.env.PATH };
      seen.withOwn = await inWorker({ env: own });
      const imported = new (await import('node:worker_threads')).Worker(__filename, {
        execArgv: [], workerData: {},
      });
      seen.imported = await new Promise((resolve) => imported.once('message', resolve));
    } else if (workerData.nested) seen.worker = await inWorker({});
    if (parentPort) parentPort.postMessage(seen);
    else console.log(JSON.stringify(seen));
  })();`;

test('no way to start a child process hands it on', async (t) => {
  const seen = await play(t, TRY_ALL, {
    padding: 200 * 1024, // more than a variable may be long
    files: {
      'ways.js': WAYS,
      'environ.js': `process.send(require('fs').readFileSync('/proc/self/environ', 'latin1'), () => process.disconnect())`,
    },
  });
  const ways =
    'native spawn shell spread passed spawnSync exec execSync execFile execFileSync fork';
  const clean = Object.fromEntries(ways.split(' ').map((way) => [way, false]));
  const inWorker = { knows: true, execArgv: [], ...clean };
  assert.deepEqual(seen, {
    ...{ ...inWorker, cluster: false },
    worker: { ...inWorker, worker: inWorker },
    shared: inWorker,
    withFlags: { ...inWorker, execArgv: ['--no-warnings'] },
    withOwn: { ...inWorker, knows: false },
    imported: inWorker,
  });
});

test('a program in place of the process does not have it', async (t) => {
  const { stdout, stdio } = capture();
  const folder = scriptFolder(
    t,
    // Node.js 20 cannot
    `const cat = ['cat', '/proc/self/environ'];
    if (process.env.OW_CONFIG !== '${SECRET}') throw new Error('it is not there');
    if (process.execve) process.execve('/bin/cat', cat);
    else require('child_process').spawnSync(cat[0], [cat[1]], { stdio: 'inherit' });`,
  );
  const env = { ...process.env, OW_CONFIG: SECRET };
  await new NodeJsEnvironment({ redact: false }).executeConnector(folder, env, stdio);
  assert.match(stdout.join(''), /PATH=/);
  assert.ok(!stdout.join('').includes(SECRET));
});

test('it behaves like a variable that is not listed', async (t) => {
  const seen = await play(
    t,
    `const has = () => ['OW_CONFIG' in process.env, Object.hasOwn(process.env, 'OW_CONFIG'),
      'OW_CONFIG' in { ...process.env }, process.env.OW_CONFIG?.length > 0];
    const { Worker } = require('worker_threads');
    const code = "require('worker_threads').parentPort.postMessage(process.env.OW_CONFIG ?? 'none')";
    const ask = () => new Promise((resolve) => new Worker(code, { eval: true }).once('message', resolve));
    (async () => {
      const seen = { at: has(), report: JSON.stringify(process.report.getReport()).includes('${SECRET}') };
      process.env.OW_RUN_CONFIG = 'other';
      seen.set = { ...process.env }.OW_RUN_CONFIG;
      delete process.env.OW_CONFIG;
      seen.deleted = has();
      seen.later = await ask();
      Object.defineProperty(process.env, 'OW_CONFIG', { value: 'own', configurable: true, enumerable: true, writable: true });
      seen.defined = has();
      seen.last = await ask();
      console.log(JSON.stringify(seen));
    })();`,
  );
  assert.deepEqual(seen, {
    ...{ at: [true, true, false, true], report: false, set: 'other' },
    ...{ deleted: [false, false, false, false], later: 'none' },
    ...{ defined: [true, true, true, true], last: 'own' },
  });
});

test('worker threads see it', async (t) => {
  const seen = await play(
    t,
    `const { Worker, SHARE_ENV } = require('worker_threads');
    const code = "require('worker_threads').parentPort.postMessage(JSON.parse(process.env.OW_CONFIG).source.name)";
    const ask = (options) => new Promise((resolve, reject) =>
      new Worker(code, { eval: true, ...options }).once('message', resolve).once('error', reject));
    class Own extends Worker {}
    const own = new Promise((resolve) => new Own(code, { eval: true }).once('message', resolve));
    Promise.all([ask({}), ask({ env: SHARE_ENV }), ask({ execArgv: [] }), own])
      .then((seen) => console.log(JSON.stringify([...seen, Worker.name, new Own('0', { eval: true }) instanceof Worker])));`,
  );
  assert.deepEqual(seen, ['S', 'S', 'S', 'S', 'Worker', true]);
});

test('a crash leaves no core file that would hold it', async (t) => {
  const seen = await play(
    t,
    `const limits = require('fs').readFileSync('/proc/self/limits', 'utf8');
    console.log(JSON.stringify(/^Max core file size +(\\S+) +(\\S+)/m.exec(limits).slice(1)));`,
  );
  assert.deepEqual(seen, ['0', '0']);
});
