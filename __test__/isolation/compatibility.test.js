'use strict';
// What today's connectors do goes on working, in standard and in strict, on the Node.js that runs
// the tests. Needs the npm registry, a compiler for deasync, and openssl for a private CA.

const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('../support/connectors');
const { capture } = require('../support/output');
const { tempFolder, writeFiles } = require('../support/temp');
const { modes, testWith } = require('../support/machine');

// Node's permission model, which stands in for it, refuses some of this
const test = testWith('landlock');

/** Why this cannot be tested here, or false. */
function missing() {
  for (const [program, ...args] of [
    ['make', '--version'],
    ['python3', '--version'],
    ['c++', '--version'],
    ['openssl', 'version'],
  ])
    if (spawnSync(program, args).error) return `${program} is not installed`;
  const view = spawnSync('npm', ['view', '@kaciras/deasync@1.1.0', 'version'], {
    encoding: 'utf8',
  });
  return view.status === 0 ? false : `the npm registry does not answer: ${view.stderr}`;
}

const EVERYTHING = `run() {
  const parameters = this.config.json.source.config;
  const fs = require('node:fs');
  const os = require('node:os');
  const path = require('node:path');
  const wait = (promise) => {
    let settled;
    promise.then((value) => { settled = { value }; }, (error) => { settled = { error }; });
    deasync.loopWhile(() => !settled);
    if ('error' in settled) throw settled.error;
    return settled.value;
  };
  const outcomes = {};
  const act = (name, work) => {
    try {
      const value = work();
      outcomes[name] = value && value.then ? wait(value) : value;
    } catch (error) {
      outcomes[name] = error.stack + ' ' + (error.cause && error.cause.message);
    }
  };
  act('require', () => require('adm-zip') === AdmZip);
  act('native addon', () => wait(Promise.resolve('waited')));
  act('sync-request', () => request('GET', parameters.Http.value).getBody('utf8'));
  act('fetch', () => fetch(parameters.Http.value).then((response) => response.text()));
  act('HTTPS', () => new Promise((resolve, reject) => {
    require('node:https').get(parameters.Https.value, (response) => {
      response.setEncoding('utf8').on('data', resolve);
    }).on('error', reject);
  }));
  act('worker', () => new Promise((resolve, reject) => {
    const { Worker } = require('node:worker_threads');
    new Worker('require("worker_threads").parentPort.postMessage("from the worker")', { eval: true })
      .once('message', resolve).once('error', reject);
  }));
  act('fork', () => new Promise((resolve, reject) => {
    fs.writeFileSync('child.js', 'process.once("message", (text) => { process.memoryUsage(); process.send(text + " and back"); process.disconnect(); })');
    const child = require('node:child_process').fork(path.resolve('child.js'));
    child.once('message', resolve).once('error', reject).send('there');
  }));
  act('DNS', () => new Promise((resolve, reject) => {
    require('node:dns').lookup('localhost', { family: 4 }, (error, address) => error ? reject(error) : resolve(address));
  }));
  act('TMPDIR', () => {
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'x-')), 'y');
    fs.writeFileSync(file, 'y');
    return fs.readFileSync(file, 'utf8');
  });
  act('zip', () => {
    const zip = new AdmZip();
    zip.addFile('folder/a.txt', Buffer.from('zipped'));
    zip.extractAllTo('unzipped', true, true); // sets modes and times
    return fs.readFileSync('unzipped/folder/a.txt', 'utf8');
  });
  act('Intl', () => new Intl.NumberFormat('de', { style: 'currency', currency: 'EUR' }).format(1234.5)
    + ' ' + new Date(0).toLocaleString('en-GB', { timeZone: 'Europe/Kyiv' }));
  act('wasm', () => {
    const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11]);
    return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f();
  });
  act('machine', () => os.cpus().length > 0 && os.totalmem() > 0 && os.freemem() > 0 && os.uptime() > 0
    && os.loadavg().length === 3 && process.memoryUsage().rss > 0 && process.resourceUsage().maxRSS > 0
    && os.userInfo().uid === process.getuid() && Object.keys(os.networkInterfaces()).includes('lo'));
  act('streams', () => {
    const { pipeline } = require('node:stream/promises');
    return pipeline(fs.createReadStream('unzipped/folder/a.txt'), require('node:zlib').createGzip(), fs.createWriteStream('a.gz'))
      .then(() => fs.existsSync('a.gz'));
  });
  act('crypto', () => require('node:crypto').createHash('sha256').update(require('node:crypto').randomBytes(8)).digest('hex').length);
  console.log(JSON.stringify(outcomes));
}`;

const EXPECTED = {
  require: true,
  'native addon': 'waited',
  'sync-request': 'plain',
  fetch: 'plain',
  HTTPS: 'private',
  worker: 'from the worker',
  fork: 'there and back',
  DNS: '127.0.0.1',
  TMPDIR: 'y',
  zip: 'zipped',
  Intl: '1.234,50\u00a0€ 01/01/1970, 03:00:00',
  wasm: 42,
  machine: true,
  streams: true,
  crypto: 64,
};

/** A certificate authority of one's own, and a server that it vouches for. */
function privateAuthority(t) {
  const folder = writeFiles(tempFolder(t), { 'san.ext': 'subjectAltName=IP:127.0.0.1\n' });
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'rsa:2048', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=Test CA',
    '-days',
    '2',
  );
  openssl('req', ...key, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=127.0.0.1');
  openssl(
    'x509',
    '-req',
    '-in',
    'request.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'cert.pem',
    '-days',
    '2',
    '-extfile',
    'san.ext',
  );
  const read = (name) => fs.readFileSync(path.join(folder, name));
  return { authority: path.join(folder, 'ca.pem'), key: read('key.pem'), cert: read('cert.pem') };
}

async function urlOf(t, server, scheme) {
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return `${scheme}://127.0.0.1:${server.address().port}/`;
}

test('what connectors do works in standard and in strict', { skip: missing() }, async (t) => {
  const { authority, key, cert } = privateAuthority(t);
  const answer = (text) => (_, response) => response.end(text);
  const parameters = {
    Http: await urlOf(t, http.createServer(answer('plain')), 'http'),
    Https: await urlOf(t, https.createServer({ key, cert }, answer('private')), 'https'),
  };
  const before = process.env.NODE_EXTRA_CA_CERTS;
  process.env.NODE_EXTRA_CA_CERTS = authority;
  t.after(() => {
    if (before === undefined) delete process.env.NODE_EXTRA_CA_CERTS;
    else process.env.NODE_EXTRA_CA_CERTS = before;
  });
  const runner = new ConnectorRunner({
    // neither dependencies nor runnerDependencies: it gets what 0.11 leaves undeclared
    connectorsPackage: connectorsPackage(t, {
      sources: { Everything: EVERYTHING },
      packageJson: {},
    }),
    runsDir: tempFolder(t),
  });
  const config = new Config(configOf('Everything', parameters));
  for (const isolation of ['none', ...modes]) {
    const { stdout, stderr, stdio } = capture();
    const run = runner.run('dm', 'run', config, new RunConfig({}), stdio, { isolation });
    const result = await run.catch((error) =>
      assert.fail(`${isolation}: ${error}\n${stderr.join('')}${error.hint}`),
    );
    assert.deepEqual(JSON.parse(stdout.join('')), EXPECTED, isolation);
    assert.deepEqual(stderr, [], isolation);
    for (const layer of result.isolation.layers) {
      if (layer.requested !== 'off' && modes.includes('strict'))
        assert.equal(layer.enforced, 'full', layer.name);
    }
  }
});
