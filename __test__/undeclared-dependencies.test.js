'use strict';
// What 0.11 connectors rely on without declaring it, for real: @kaciras/deasync, sync-request and
// adm-zip. This needs the npm registry, and a compiler for deasync.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const http = require('node:http');
const { after, test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { sharedEnvironment } = require('./support/environment');
const { capture } = require('./support/output');
const { tempFolder } = require('./support/temp');

/** Why this cannot be tested here, or false. */
function missing() {
  for (const program of ['make', 'python3', 'c++']) {
    if (spawnSync(program, ['--version']).error) return `${program} is not installed`;
  }
  const view = spawnSync('npm', ['view', '@kaciras/deasync@1.1.0', 'version'], {
    encoding: 'utf8',
  });
  return view.status === 0 ? false : `the npm registry does not answer: ${view.stderr}`;
}
const skip = missing();

const sources = {
  Waits: `run() {
    let done = false;
    new Promise((resolve) => setTimeout(resolve, 20)).then(() => { done = true; });
    deasync.loopWhile(() => !done);
    console.log('waited ' + done);
  }`,
  WaitsAsync: `async run() {
    let done = false;
    Promise.resolve().then(() => null).then(() => { done = true; });
    deasync.loopWhile(() => !done);
    console.log('waited ' + done);
  }`,
  Requests: `run() {
    const { URL: url } = this.config.json.source.config;
    const response = request('GET', url.value + '/path');
    console.log(response.statusCode + ' ' + response.getBody('utf8'));
    const posted = request('POST', url.value, { json: { a: 'ж' } });
    console.log(posted.getBody('utf8'));
  }`,
  Zips: `run() {
    const zip = new AdmZip();
    zip.addFile('a.txt', Buffer.from('zipped ✓'));
    console.log(new AdmZip(zip.toBuffer()).readAsText('a.txt'));
  }`,
  Both: `run() {
    let text;
    const wait = (promise) => {
      let settled;
      promise.then((value) => { settled = { value }; });
      deasync.loopWhile(() => !settled);
      return settled.value;
    };
    for (let i = 0; i < 20; i += 1) text = wait(new Promise((r) => setImmediate(r, 'round ' + i)));
    console.log(text);
  }`,
};
const content = { sources, packageJson: {} };
const play = sharedEnvironment({ after }, content);

for (const [source, expected] of [
  ['Waits', 'waited true\n'],
  ['WaitsAsync', 'waited true\n'],
  ['Both', 'round 19\n'],
  ['Zips', 'zipped ✓\n'],
]) {
  test(`${source}: a connector as 0.11 writes them`, { skip, timeout: 120_000 }, async () => {
    const { result, error, stdout, stderr } = await play(source);
    assert.equal(error, undefined, `${error?.message}\n${error?.hint ?? stderr}`);
    assert.deepEqual([result.status, stdout, stderr], ['success', expected, '']);
  });
}

test(
  'sync-request reaches a server in the host’s own process, through run()',
  { skip },
  async (t) => {
    const server = http.createServer((incoming, response) => {
      let body = '';
      incoming.on('data', (chunk) => (body += chunk));
      incoming.on('end', () => response.end(`${incoming.method} ${incoming.url} ${body}`));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const runner = new ConnectorRunner({
      connectorsPackage: connectorsPackage(t, content),
      runsDir: tempFolder(t),
    });
    const config = configOf('Requests', { URL: `http://127.0.0.1:${server.address().port}` });
    const { stdout, stderr, stdio } = capture();
    const result = await runner.run('dm', 'run', new Config(config), new RunConfig({}), stdio);
    assert.equal(result.status, 'success');
    assert.equal(stdout.join(''), '200 GET /path \nPOST / {"a":"ж"}\n');
    assert.deepEqual(stderr, []);
  },
);
