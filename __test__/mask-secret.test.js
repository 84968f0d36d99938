'use strict';
// A connector names a secret that it derived, and nothing that the run shows holds it from then on.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { startApi } = require('./connectors/support/api');
const { connectorsPackage } = require('./support/connectors');
const { referencePackage } = require('./support/duckdb');
const { tempFolder } = require('./support/temp');

const HIDE = "globalThis[Symbol.for('@owox/connector-runner:maskSecret')]";

/** Runs a source's `run()` and gives all that was shown. */
async function shownBy(t, run, options = {}) {
  const connectorsPackage_ = connectorsPackage(t, { sources: { Says: run } });
  const runner = new ConnectorRunner({
    connectorsPackage: connectorsPackage_,
    runsDir: tempFolder(t),
  });
  const config = new Config({
    name: 'x',
    source: { name: 'Says', config: {} },
    storage: { name: 'Null', config: {} },
  });
  let shown = '';
  const keep = (text) => {
    shown += text;
  };
  const stdio = { logCapture: { onStdout: keep, onStderr: keep } };
  const result = await runner
    .run('id', 'run', config, new RunConfig({}), stdio, options)
    .catch((error) => error);
  return { shown, result };
}

for (const isolation of ['none', 'standard', 'strict']) {
  test(`what is named is hidden in all that comes after it, in ${isolation}`, async (t) => {
    const run = `run() {
      const token = ['derived', 'token', process.pid].join('-');
      console.log('before ' + token.length);
      const known = [${HIDE}(token), ${HIDE}('short'), ${HIDE}(''), ${HIDE}('x'.repeat(20000))];
      console.log(JSON.stringify({ type: 'log', message: 'it is ' + token, known }));
      console.error('also ' + encodeURIComponent(token) + ' ' + Buffer.from(token).toString('base64'));
      throw new Error('failed with ' + token);
    }`;
    const { shown, result } = await shownBy(t, run, { isolation });
    assert.match(shown, /"known":\[true,false,false,false\]/, result.stderrTail);
    assert.match(shown, /it is \*\*\*/);
    assert.match(shown, /failed with \*\*\*/);
    assert.match(result.stderrTail, /also \*\*\* \*\*\*/);
    for (const text of [shown, result.stderrTail, result.message]) {
      assert.doesNotMatch(text, /derived-token/);
    }
  });
}

test('without it the same is shown, and where nothing is redacted nobody is told', async (t) => {
  const run = `run() { console.log('it is derived-token-1, ' + typeof ${HIDE}); }`;
  assert.match((await shownBy(t, run)).shown, /it is derived-token-1, function/);
  const { shown } = await shownBy(t, run, { redact: false });
  assert.match(shown, /it is derived-token-1, undefined/);
});

test('only so many are taken, and whoever names more is told, and goes on', async (t) => {
  const run = `run() {
    const hidden = Array.from({ length: 6000 }, (_, at) => ${HIDE}('value-number-' + at));
    console.log(hidden.filter(Boolean).length + ' are hidden; ' + hidden[0] + ' ' + hidden[5999]);
    console.log('first value-number-0.');
  }`;
  const { shown, result } = await shownBy(t, run);
  assert.equal(result.status, 'success', result.stderrTail);
  assert.match(shown, /^256 are hidden; true false\nfirst \*\*\*\.\n$/);
});

test('a token that OAuth2 gave is shown neither by messages nor by what fails', async (t) => {
  const TOKEN = 'access-token-0123456789';
  const api = await startApi(t, ({ path: asked }) =>
    asked === '/token' ? { access_token: TOKEN } : [{ id: 1, [`odd ${TOKEN}`]: { a: TOKEN } }],
  );
  const runner = new ConnectorRunner({
    connectorsPackage: referencePackage,
    runsDir: tempFolder(t),
  });
  const client = { TokenUrl: `${api.origin}/token`, ClientId: 'me', ClientSecret: 's3cretword' };
  const config = new Config({
    name: 'x',
    source: {
      name: 'HttpJson',
      config: {
        Url: `${api.origin}/list`,
        OAuth2: { client_credentials: client },
        // the error names a column with the token
        UniqueKeys: ['id'],
        Types: [`odd ${TOKEN}: number`],
      },
    },
    storage: { name: 'DuckDb', config: { DatabasePath: path.join(tempFolder(t), 'x.duckdb') } },
  });
  let shown = '';
  const keep = (text) => {
    shown += text;
  };
  const stdio = { logCapture: { onStdout: keep, onStderr: keep } };
  // the configuration itself must not make it known
  const failed = await runner
    .run('id', 'run', config, new RunConfig({}), stdio)
    .catch((error) => error);
  assert.match(failed.stderrTail, /odd \*\*\*" is declared as number/);
  assert.ok(!shown.includes(TOKEN) && !JSON.stringify(failed).includes(TOKEN), shown);
});
