'use strict';
// What `run` finds before it starts anything: the same as `check`, in the same words.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { NODE_MANIFEST, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const parameters = {
  City: { type: 'string', required: true },
  Token: { type: 'string', secret: true },
  Days: { type: 'number' },
};
const RAN = "console.log('it ran');";
const package_ = connectorsPackage(
  { after },
  {
    sources: { Weather: `run() { ${RAN} }`, Odd: `run() { ${RAN} }` },
    storages: { Null: { ...NODE_MANIFEST, parameters: {} } },
    before: `class Known {
      constructor(config) {
        config.mergeParameters?.({ Needed: { isRequired: true, requiredType: 'number' } });
      }
    }`,
    after: `Core.AbstractConfig.prototype.mergeParameters = function () { return this; };
      Connectors.Weather.manifest = ${JSON.stringify({ parameters })};
      Connectors.Odd.OddSource = Known;`,
  },
);
const runsDir = tempFolder({ after });
const env = {
  ...process.env,
  OWOX_CONNECTORS_PACKAGE: package_,
  XDG_STATE_HOME: tempFolder({ after }),
};

function configOf(config, name = 'Weather') {
  const source = { name, config };
  return { name: 'W', source, storage: { name: 'Null', config: {} } };
}

/** Both commands on one configuration; no environment may be made where the run is refused. */
async function both(t, content, ...args) {
  const cwd = writeFiles(tempFolder(t), { 'config.json': content });
  const storeDir = path.join(tempFolder(t), 'store');
  const variables = { ...env, OWOX_RUNNER_STORE: storeDir };
  const options = { cwd, env: variables };
  const checked = await runScript('src/cli-wrapper.js', ['check', 'config.json'], options);
  const run = ['config.json', '--runs-dir', runsDir, ...args];
  const ran = await runScript('src/cli-wrapper.js', run, options);
  const environments = path.join(storeDir, 'v1', 'environments');
  const installed = fs.existsSync(environments) ? fs.readdirSync(environments) : [];
  return { checked, ran, started: installed.length > 0 || /it ran/.test(ran.stdout) };
}

const WRONG = {
  'a misspelt parameter': configOf({ City: 'x', Dayz: 1 }),
  'a missing parameter': configOf({ Days: 1 }),
  'a value of a wrong type': configOf({ City: 'x', Days: 'many' }),
  'a placeholder': configOf({ City: 'x', Token: 'YOUR_ACCESS_TOKEN' }),
  'what init leaves to be filled in': configOf({ City: null }),
  'a number that loses digits': JSON.stringify(configOf({ City: 'x', Days: 7 })).replace(
    ':7}',
    ':7012345678901234567}',
  ),
  'a key that stands twice': JSON.stringify(configOf({ City: 'x' })).replace(
    '"City":"x"',
    '"City":"x","City":"y"',
  ),
};

for (const [what, content] of Object.entries(WRONG)) {
  test(`${what}: the run is refused in the words of check, and nothing was started`, async (t) => {
    const { checked, ran, started } = await both(t, content);
    assert.equal(checked.code, 1);
    assert.equal(ran.code, 1);
    assert.equal(started, false);
    assert.equal(ran.stdout, '');
    const lines = checked.stdout.trimEnd().split('\n');
    const verdict = lines.pop();
    const [title, ...rest] = ran.stderr.trimEnd().split('\n');
    assert.equal(title, `Error running connector: ${verdict}`);
    assert.deepEqual(rest.slice(0, lines.length), lines);
    assert.match(rest.at(-1), /Code +INVALID_CONFIG, exit code 1/);
    assert.doesNotMatch(ran.stderr, /^ +at /m);
  });
}

test('--json has the findings as check has them, and the page says why', async (t) => {
  const report = path.join(tempFolder(t), 'report.html');
  const { ran } = await both(t, WRONG['a misspelt parameter'], '--json', '--report', report);
  const lines = ran.stdout.trimEnd().split('\n');
  assert.equal(lines.length, 1);
  const { type, status, error, run } = JSON.parse(lines[0]);
  assert.deepEqual([type, status, run], ['result', 'failed', null]);
  assert.deepEqual([error.code, error.message], ['INVALID_CONFIG', 'config.json has 1 error']);
  const [finding] = error.findings;
  assert.deepEqual(Object.keys(finding), ['severity', 'path', 'message', 'line', 'column']);
  assert.equal(finding.path, 'source.config.Dayz');
  assert.match(error.hint, /^config\.json:7:7: error: source\.config\.Dayz: is no parameter/);
  assert.match(fs.readFileSync(report, 'utf8'), /source\.config\.Dayz/);
});

test('what a class defines when it is constructed can only raise a doubt', async (t) => {
  const { checked, ran, started } = await both(t, configOf({ Needles: 1 }, 'Odd'));
  assert.equal(checked.code, 1); // what a source asks for is missing
  assert.equal(ran.code, 0);
  assert.equal(started, true);
  assert.match(
    ran.stderr,
    /warning: source\.config\.Needles: is not among .*; did you mean Needed\?/,
  );
  assert.match(ran.stderr, /warning: source\.config\.Needed: is missing/);
  const quiet = await both(t, configOf({ Needed: 1 }, 'Odd'));
  assert.doesNotMatch(quiet.ran.stderr, /warning/);
});

test('what only check warns of is nothing to speak of in a run', async (t) => {
  const { checked, ran } = await both(t, configOf({ City: 'x', Token: 'plain' }));
  assert.match(checked.stdout, /warning: .* is a secret in plain text/);
  assert.doesNotMatch(ran.stderr, /warning/);
});

test('what is missing or unknown as a whole keeps the words of the original', async (t) => {
  const of = async (content) => (await both(t, content)).ran.stderr.split('\n')[0];
  const unknown = configOf({ City: 'x' });
  unknown.storage.name = 'Nul';
  assert.match(await of(unknown), /^Error running connector: Storage Nul not found/);
  assert.match(
    await of(configOf({}, 'Wether')),
    /^Error running connector: Source Wether not found/,
  );
  const { name: _, ...nameless } = configOf({});
  assert.match(await of(nameless), /: (Data mart ID|Run configuration name) is required$/);
});

test('the library ignores unknown parameters, as the original did', async (t) => {
  const runner = new ConnectorRunner({ connectorsPackage: package_, runsDir: tempFolder(t) });
  const config = new Config(configOf({ Dayz: 1, Token: 'YOUR_ACCESS_TOKEN' }));
  const { status } = await runner.run('id', 'run', config, new RunConfig({}), 'ignore');
  assert.equal(status, 'success');
});
