'use strict';
// The runner's own sync-request: case by case what the real one answers, without a process for each
// call. Needs the npm registry.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');

const { Config, ConnectorRunner, NodeJsEnvironment, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { modes } = require('./support/machine');
const { capture } = require('./support/output');
const { names } = require('./support/request-cases');
const { CA, requestServers } = require('./support/request-server');
const { tempFolder } = require('./support/temp');

const view = spawnSync('npm', ['view', 'sync-request@6.1.0', 'version'], { encoding: 'utf8' });
const skip = view.status === 0 ? false : `the npm registry does not answer: ${view.stderr}`;

const MODULE = 'node_modules/sync-request';
const sources = {
  Requests: `run() {
    const { URL: url, Times: times } = this.config.json.source.config;
    const fs = require('node:fs');
    const children = () => fs.readFileSync('/proc/thread-self/children', 'utf8').trim();
    for (let time = 0; time < times.value; time += 1) {
      const response = request('POST', url.value, { json: { time } });
      console.log(response.statusCode + ' ' + response.getBody('utf8'));
    }
    console.log('children: ' + (children() || 'none'));
    console.log(require('sync-request') === request);
    console.log(JSON.parse(request('GET', url.value + '/secret').getBody('utf8')).config);
  }`,
};

/** Runs a program to its end: exit code and output. */
async function outcomeOf(args, more) {
  const env = { ...process.env, ...more };
  const child = spawn(process.execPath, args, {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

describe('as the real one', { skip, timeout: 400_000 }, () => {
  const folder = { ours: undefined, real: undefined };
  const options = {
    connectorsPackage: connectorsPackage({ after }, { sources, packageJson: {} }),
    runsDir: tempFolder({ after }),
  };
  const closing = [];
  let addresses;

  before(async () => {
    addresses = await requestServers({ after: (close) => closing.push(close) });
    const environment = new NodeJsEnvironment(options);
    folder.ours = path.join(await environment.createEnvironment('ours', 'run'), MODULE);
    process.env.OWOX_RUNNER_ORIGINALS = 'sync-request';
    try {
      folder.real = path.join(await environment.createEnvironment('real', 'run'), MODULE);
    } finally {
      delete process.env.OWOX_RUNNER_ORIGINALS;
    }
  });

  after(() => closing.forEach((close) => close()));

  test('they are two', () => {
    const isOurs = (of) => fs.existsSync(path.join(of, 'lib', 'thread.js'));
    assert.deepEqual([isOurs(folder.ours), isOurs(folder.real)], [true, false]);
  });

  const script = path.join(__dirname, 'support', 'request-cases.js');
  for (const name of names) {
    test(name, async () => {
      const variables = {};
      if (name !== 'unknownCertificate') variables.NODE_EXTRA_CA_CERTS = CA;
      if (name === 'proxy') {
        Object.assign(variables, { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: addresses.proxy });
      }
      const of = (module) =>
        outcomeOf([script, module, name, JSON.stringify(addresses)], variables);
      const [ours, real] = [await of(folder.ours), await of(folder.real)];
      assert.notEqual(ours.stdout, '', ours.stderr);
      if (name === 'methods') assert.match(ours.stdout, /^\["GET",200,.*"POST",200,/s);
      const lines = ({ stdout }) => stdout.split('\n');
      assert.deepEqual([ours.code, lines(ours)], [real.code, lines(real)], ours.stderr);
      // some versions of Node.js warn of their proxy, each by its process id
      const told = ({ stderr }) => stderr.replace(/^\(node:\d+\)/gm, '(node)');
      assert.equal(told(ours), told(real));
    });
  }

  test('loading starts nothing, and a program that made requests ends', async () => {
    const program = `
      const tasks = () => require('node:fs').readdirSync('/proc/self/task').length;
      const before = tasks();
      const request = require(${JSON.stringify(folder.ours)});
      console.log(tasks() === before);
      request('GET', ${JSON.stringify(addresses.http)});
      console.log(tasks() > before);`;
    const { code, stdout, stderr } = await outcomeOf(['-e', program]);
    assert.deepEqual([code, stdout, stderr], [0, 'true\ntrue\n', '']);
  });

  test('what nobody catches is the error of the call that it happens in', async (t) => {
    const root = path.join(tempFolder(t), 'root');
    const lib = path.join(root, 'sync-request', 'lib');
    fs.cpSync(path.join(folder.ours, 'lib'), lib, { recursive: true });
    fs.symlinkSync(path.dirname(folder.ours), path.join(root, 'node_modules'));
    fs.rmSync(path.join(lib, 'worker.js'));
    fs.writeFileSync(
      path.join(lib, 'worker.js'),
      `module.exports = () => ({ u }) => new Promise((resolve) => {
         const answer = (text) => resolve({ s: 200, h: {}, b: Buffer.from(text), u });
         if (u === 'answers') return setTimeout(answer, 60, 'an answer');
         setTimeout(answer, 20, 'the answer to a call that has failed');
         setImmediate(() => { throw Object.assign(new Error('thrown'), { code: 'THROWN' }); });
       });`,
    );
    const program = `
      const request = require(${JSON.stringify(lib)});
      for (const url of ['throws', 'answers']) {
        try {
          console.log(request('GET', url).getBody('utf8'));
        } catch (error) {
          console.log(error.message, error.code);
        }
      }`;
    const { code, stdout, stderr } = await outcomeOf(['-e', program]);
    assert.deepEqual([code, stdout, stderr], [0, 'thrown THROWN\nan answer\n', '']);
  });
});

for (const isolation of ['none', ...modes]) {
  test(`a connector's requests in isolation ${isolation}`, { skip }, async (t) => {
    const server = http.createServer((incoming, response) => {
      let body = '';
      incoming.on('data', (chunk) => (body += chunk));
      incoming.on('end', () => {
        const isSecret = incoming.url === '/secret';
        response.end(isSecret ? JSON.stringify({ config: 'none' }) : `got ${body}`);
      });
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const runner = new ConnectorRunner({
      connectorsPackage: connectorsPackage(t, { sources, packageJson: {} }),
      runsDir: tempFolder(t),
      isolation,
      memoryLimitMb: 512,
    });
    const URL = `http://127.0.0.1:${server.address().port}`;
    const { stdout, stderr, stdio } = capture();
    const config = new Config(configOf('Requests', { URL, Times: 3 }));
    const result = await runner.run('dm', 'run', config, new RunConfig({}), stdio);
    assert.equal(result.status, 'success');
    assert.deepEqual(stdout.join('').split('\n'), [
      '200 got {"time":0}',
      '200 got {"time":1}',
      '200 got {"time":2}',
      'children: none',
      'true',
      'none',
      '',
    ]);
    assert.deepEqual([stderr, result.warnings], [[], []]);
  });
}
