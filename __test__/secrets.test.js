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

test('worker threads see it', async (t) => {
  const seen = await play(
    t,
    `const { Worker, SHARE_ENV } = require('worker_threads');
    const code = "require('worker_threads').parentPort.postMessage(JSON.parse(process.env.OW_CONFIG).source.name)";
    const ask = (options) => new Promise((resolve, reject) =>
      new Worker(code, { eval: true, ...options }).once('message', resolve).once('error', reject));
    Promise.all([ask({}), ask({ env: SHARE_ENV })]).then((seen) => console.log(JSON.stringify(seen)));`,
  );
  assert.deepEqual(seen, ['S', 'S']);
});

test('a crash leaves no core file that would hold it', async (t) => {
  const seen = await play(
    t,
    `const limits = require('fs').readFileSync('/proc/self/limits', 'utf8');
    console.log(JSON.stringify(/^Max core file size +(\\S+) +(\\S+)/m.exec(limits).slice(1)));`,
  );
  assert.deepEqual(seen, ['0', '0']);
});
