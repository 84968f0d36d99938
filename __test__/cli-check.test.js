'use strict';
// `check`: what can be known of a configuration without running it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { NODE_MANIFEST, connectorsPackage } = require('./support/connectors');
const { root, runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const parameters = {
  City: { type: 'string', required: true, description: 'Where' },
  Token: { type: 'string', secret: true },
  Days: { type: 'number', minimum: 1 },
  Since: { type: 'date' },
  Flag: { type: 'boolean' },
  Names: { type: 'array' },
  Extra: { type: 'object' },
  Auth: {
    oneOf: [
      { value: 'oauth2', items: { ClientId: { type: 'string', required: true } } },
      { value: 'key', items: { Key: { type: 'string', secret: true } } },
    ],
  },
};
const package_ = connectorsPackage(
  { after },
  {
    sources: { Weather: 'run() {}', Bare: 'run() {}' },
    storages: { Null: NODE_MANIFEST, Off: { environment: { node: { enabled: false } } } },
    after: `Connectors.Weather.manifest = ${JSON.stringify({ parameters })};`,
  },
);
const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: package_ };

async function check(t, content, ...args) {
  const cwd = writeFiles(tempFolder(t), { 'config.json': content });
  return runScript('src/cli-wrapper.js', ['check', 'config.json', ...args], { cwd, env });
}
const weather = (config, more) => ({
  name: 'W',
  source: { name: 'Weather', config },
  storage: { name: 'Null', config: {} },
  ...more,
});
/** The findings as `severity path message`. */
async function found(t, content) {
  const { stdout, code } = await check(t, content, '--json');
  const { ok, findings } = JSON.parse(stdout);
  assert.equal(code, ok ? 0 : 1);
  assert.equal(ok, !findings.some(({ severity }) => severity === 'error'));
  return findings.map(({ severity, path: at, message }) => `${severity} ${at} ${message}`);
}

test('a configuration that is fine', async (t) => {
  const config = {
    City: { value: 'Kyiv' },
    Days: '7',
    Since: '2026-01-31',
    Flag: 'true',
    Names: 'a, b',
    Extra: { value: { a: 1 } },
    Auth: { oauth2: { ClientId: 'x' } },
  };
  assert.deepEqual(await check(t, weather(config)), {
    stdout: 'config.json is fine\n',
    stderr: '',
    code: 0,
    signal: null,
  });
  assert.deepEqual(await found(t, weather(config, { description: 'further fields' })), []);
  assert.deepEqual(
    await found(t, weather({ Any: 1 }, { source: { name: 'Bare', config: { X: 1 } } })),
    [],
  );
});

test('the example is fine', async () => {
  const args = ['check', path.join(root, 'examples/quickstart.json')];
  const { stdout, code } = await runScript('src/cli-wrapper.js', [
    ...args,
    '--connectors',
    path.join(root, 'packages/connectors'),
  ]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /is fine\n$/);
});

test('a slip of the pen is shown with line and column, and what was meant', async (t) => {
  const text = JSON.stringify(weather({ City: 'ж', Dayz: 1 }), null, 2);
  const { stdout, code } = await check(t, text);
  assert.equal(code, 1);
  assert.equal(
    stdout,
    'config.json:7:7: error: source.config.Dayz: is no parameter; did you mean Days?\n' +
      'config.json has 1 error\n',
  );
});

test('values are checked against the manifest, and never shown', async (t) => {
  const wrong = { Days: 'many', Since: '31.1.2026', Flag: 1, Names: 7, Extra: 'hidden-value' };
  assert.deepEqual(await found(t, weather(wrong)), [
    'error source.config.Days must be a number',
    'error source.config.Since must be a date such as "2026-01-31"',
    'error source.config.Flag must be true or false',
    'error source.config.Names must be a list such as ["a", "b"]',
    'error source.config.Extra must be an object, written as { "value": { … } }',
    'error source.config.City is missing: Where',
  ]);
  assert.deepEqual(await found(t, weather({ City: null, Days: 0 })), [
    'error source.config.City must have a value',
    'error source.config.Days must be 1 or more',
  ]);
});

test('one-of: unknown choice, choices that are ignored, items', async (t) => {
  const of = (Auth) => found(t, weather({ City: 'x', Auth }));
  assert.deepEqual(await of({ oauth: { ClientId: 'x' } }), [
    'error source.config.Auth has no choice "oauth"; did you mean oauth2?',
  ]);
  assert.deepEqual(await of({ oauth2: { ClientID: 'x' }, key: {} }), [
    'warning source.config.Auth.key is ignored, since oauth2 comes first: one choice at a time',
    'error source.config.Auth.oauth2.ClientID is no parameter; did you mean ClientId?',
    'error source.config.Auth.oauth2.ClientId is missing',
  ]);
  assert.deepEqual(await found(t, weather({ City: { a: 1 } })), [
    'error source.config.City is no choice between groups; write { "value": … } around an object',
  ]);
});

test('a secret in plain text is a warning, and the exit code 0', async (t) => {
  const secret = 'do-not-print-me';
  const config = { City: 'x', Token: secret, Auth: { key: { Key: { value: secret } } } };
  const { stdout, code } = await check(t, weather(config));
  assert.equal(code, 0);
  assert.match(stdout, /warning: source\.config\.Token: is a secret in plain text/);
  assert.match(stdout, /warning: source\.config\.Auth\.key\.Key: is a secret/);
  assert.match(stdout, /can be run: 2 warnings\n$/);
  assert.equal(stdout.includes(secret), false);
});

test('missing parts and unknown names', async (t) => {
  assert.deepEqual(await found(t, {}), [
    'error name is missing; give the configuration any name',
    'error source is missing',
    'error storage is missing',
  ]);
  assert.deepEqual(await found(t, '[]'), [
    'error  a configuration is a JSON object with name, source and storage',
  ]);
  const odd = { name: '', source: 7, storage: { name: 'Nul' } };
  assert.deepEqual(await found(t, odd), [
    'error name must be a text that is not empty',
    'error source must be an object with name and config',
    'error storage.name @test/connectors 1.2.3 has no storage "Nul"; did you mean Null?',
    'error storage.config is missing; write {} where there is nothing to set',
  ]);
  const off = weather({ City: 'x' }, { storage: { name: 'Off', config: {} } });
  assert.deepEqual(await found(t, off), [
    'error storage.name Storage Off does not support node environment',
  ]);
});

test('what JSON loses, and what an example has left, is an error with line and column', async (t) => {
  const text = `{
  "name": "x",
  "source": {
    "name": "Weather",
    "config": {
      "City": "YOUR_CITY",
      "Days": 7012345678901234567,
      "City": { "value": "s3://YOUR_BUCKET/x" },
      "Extra": { "value": { "a": [1e400, { "b": 1, "b": 2 }] } }
    }
  },
  "storage": { "name": "Null", "config": {} }
}`;
  const { stdout, code } = await check(t, text);
  assert.equal(code, 1);
  assert.deepEqual(stdout.split('\n'), [
    "config.json:6:15: error: source.config.City: still has the example's YOUR_CITY; put your own value there",
    'config.json:7:15: error: source.config.Days: has more digits than a number keeps and would arrive as another one; put it in quotes',
    'config.json:8:7: error: source.config.City: stands twice: the one on line 6, column 7 would be ignored; remove one of them',
    "config.json:8:26: error: source.config.City.value: still has the example's YOUR_BUCKET; put your own value there",
    'config.json:9:35: error: source.config.Extra.value.a[0]: is too large for a number and would arrive as nothing; put it in quotes',
    'config.json:9:52: error: source.config.Extra.value.a[1].b: stands twice: the one on line 9, column 44 would be ignored; remove one of them',
    'config.json has 6 errors',
    '',
  ]);
});

test('a class that is constructed can only raise doubts', async (t) => {
  const constructed = {
    sources: { Odd: 'run() {}' },
    before: `class Known {
      constructor(config) {
        config.mergeParameters({
          Needed: { isRequired: true, requiredType: 'number' },
          Days: { requiredType: 'number' },
        });
      }
    }`,
    after: `Core.AbstractConfig.prototype.mergeParameters = function () { return this; };
      Connectors.Odd.OddSource = Known;`,
  };
  const folder = connectorsPackage(t, constructed);
  const ask = async (config) => {
    const files = { 'config.json': weather({}, { source: { name: 'Odd', config } }) };
    const options = {
      cwd: writeFiles(tempFolder(t), files),
      env: { ...env, OWOX_CONNECTORS_PACKAGE: folder },
    };
    const args = ['check', 'config.json', '--json'];
    const { stdout } = await runScript('src/cli-wrapper.js', args, options);
    return JSON.parse(stdout).findings.map(({ severity, path: at }) => `${severity} ${at}`);
  };
  assert.deepEqual(await ask({ Days: 'many', Other: 1 }), [
    'warning source.config.Days',
    'warning source.config.Other',
    'error source.config.Needed', // but a run goes on
  ]);
  assert.deepEqual(await ask({ Needed: null }), ['error source.config.Needed']);
});

test('every placeholder of the examples and documents is found', async (t) => {
  const texts = [];
  for (const folder of ['examples', 'docs', 'docs/storages', '.', 'packages/connectors']) {
    for (const name of fs.readdirSync(path.join(root, folder))) {
      const file = path.join(root, folder, name);
      if (name.endsWith('.json') && folder === 'examples')
        texts.push(fs.readFileSync(file, 'utf8'));
      if (!name.endsWith('.md')) continue;
      for (const [, block] of fs.readFileSync(file, 'utf8').matchAll(/```json\n(.*?)```/gs)) {
        if (/"(source|storage)"/.test(block)) texts.push(block);
      }
    }
  }
  const wanted = [];
  for (const text of texts) {
    for (const [value] of text.matchAll(/"(?:[^"]*[^\w"])?(?:your|<)[^"]*"|"…"/gi)) {
      wanted.push(JSON.parse(value));
    }
  }
  assert.ok(wanted.length > 25, `${wanted.length}`);
  const values = [...new Set(wanted)];
  const Extra = { value: Object.fromEntries(values.map((value, index) => [`k${index}`, value])) };
  const findings = (await found(t, weather({ City: 'x', Extra }))).join('\n');
  const missed = values.filter((_, index) => !findings.includes(`value.k${index} still has`));
  assert.deepEqual(missed, []);
});

test('malformed JSON and a missing file', async (t) => {
  const { stdout, code } = await check(t, '{\n  "name": "x",\n  "source": }\n');
  assert.equal(code, 1);
  assert.match(stdout, /^config\.json:3:13: error: expected value\n/);
  assert.match((await found(t, '{"a": 1,}'))[0], /^error {2}the file is not valid JSON/);
  const missing = await runScript('src/cli-wrapper.js', ['check', 'nope.json'], { env });
  assert.deepEqual([missing.stdout, missing.code], ['', 1]);
  assert.match(missing.stderr, /there is no configuration nope\.json/);
});

test('dependencies that npm cannot install are found, with --online also by asking npm', async (t) => {
  const dependency = (name, version) => ({ name, version, global: ['x'], global_is: true });
  const storageOf = (...dependencies) => ({
    environment: { node: { enabled: true, dependencies } },
  });
  const folder = connectorsPackage(t, {
    storages: {
      Wrong: storageOf(dependency('x', '')),
      Git: storageOf(dependency('x', 'github:a/b')),
      Fine: storageOf(dependency('there', '^1.0.0')),
      Gone: storageOf(dependency('gone', '9.9.9')),
      Offline: storageOf(dependency('offline', '1')),
    },
  });
  const bin = writeFiles(tempFolder(t), {
    npm: `#!/bin/sh
for word; do case "$word" in *@*) wanted=$word ;; esac; done
case "$wanted" in
  there@*) echo 'added 1 package' ;;
  gone@*) echo 'npm error code E404' >&2; exit 1 ;;
  *) echo 'npm error code ENOTFOUND' >&2; exit 1 ;;
esac\n`,
  });
  fs.chmodSync(path.join(bin, 'npm'), 0o755);
  const cwd = writeFiles(tempFolder(t), {});
  const ask = async (storage, ...args) => {
    const config = {
      name: 'x',
      source: { name: 'Ok', config: {} },
      storage: { name: storage, config: {} },
    };
    writeFiles(cwd, { 'config.json': config });
    const variables = {
      ...env,
      OWOX_CONNECTORS_PACKAGE: folder,
      PATH: `${bin}:${process.env.PATH}`,
    };
    const all = ['check', 'config.json', '--json', ...args];
    const { stdout } = await runScript('src/cli-wrapper.js', all, { cwd, env: variables });
    return JSON.parse(stdout).findings.map(({ severity, message }) => `${severity}: ${message}`);
  };
  assert.match((await ask('Wrong'))[0], /^error: dependency "x" has no version/);
  assert.match((await ask('Git'))[0], /^warning: dependency "x" asks for "github:a\/b"/);
  assert.deepEqual(await ask('Gone'), []);
  assert.deepEqual(await ask('Fine', '--online'), []);
  assert.match(
    (await ask('Gone', '--online'))[0],
    /^error: needs gone@9\.9\.9, which npm's registry does not have.*E404$/,
  );
  assert.match((await ask('Offline', '--online'))[0], /^warning: .*could not tell: .*ENOTFOUND/);
});
