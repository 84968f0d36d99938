'use strict';
// Contract, section 9: the command line, up to and around one run.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorRunnerCli } = require('@owox/connector-runner');
const { version } = require('@owox/connector-runner/package.json');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost, runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const SCRIPTS = ['src/cli-wrapper.js', 'src/cli/connector-runner-cli.js'];
const LINES =
  'plain ✓\n{"type":"log","message":"ж"}\n{"type":"updateCurrentStatus","status":3}\nend\n';
const sources = {
  Prints: `run() { process.stdout.write(${JSON.stringify(LINES)}); console.error('its stderr'); }`,
  Fails: `run() { console.log('before'); throw new Error('went wrong'); }`,
  Echo: `run() { console.log(JSON.stringify({
    config: JSON.parse(process.env.OW_CONFIG),
    runConfig: JSON.parse(process.env.OW_RUN_CONFIG),
    datamartId: process.env.OW_DATAMART_ID,
    runId: process.env.OW_RUN_ID,
  })); }`,
};
const package_ = connectorsPackage({ after }, { sources });
const runsDir = tempFolder({ after });
const env = {
  ...process.env,
  OWOX_CONNECTORS_PACKAGE: package_,
  OWOX_RUNNER_RUNS_DIR: runsDir,
};

/** A configuration file of a test's own. */
function configFile(t, content) {
  return path.join(writeFiles(tempFolder(t), { 'config.json': content }), 'config.json');
}

const cli = (args, options = {}) => runScript(SCRIPTS[0], args, { env, ...options });

for (const script of SCRIPTS) {
  test(`${script} runs as a script`, async (t) => {
    const { stdout, code } = await runScript(script, [configFile(t, configOf('Prints'))], { env });
    assert.deepEqual({ stdout, code }, { stdout: LINES, code: 0 });
  });

  test(`${script} without argument asks for a path`, async () => {
    const { stdout, stderr, code } = await runScript(script, [], { env });
    assert.deepEqual({ stdout, code }, { stdout: '', code: 1 });
    assert.equal(stderr.split('\n')[0], 'Please provide a path to the json config file');
  });
}

test('npm run connector-runner-node starts it', async (t) => {
  const { scripts, bin } = require('@owox/connector-runner/package.json');
  assert.equal(scripts['connector-runner-node'], `node ${SCRIPTS[1]}`);
  // the second is the name of a command of @owox/connectors too
  assert.deepEqual(bin, {
    'connector-runner': SCRIPTS[0],
    'owox-connector-runner': SCRIPTS[0],
  });
  const { code } = await cli(['run', configFile(t, configOf('Prints'))]);
  assert.equal(code, 0);
});

test('lines of the connector pass unchanged on stdout, and all of ours is on stderr', async (t) => {
  const { stdout, stderr, code } = await cli([configFile(t, configOf('Prints'))]);
  assert.deepEqual({ stdout, code }, { stdout: LINES, code: 0 });
  assert.match(stderr, /its stderr/);
  assert.doesNotMatch(stderr, /plain|"type"/);
  assert.equal(stderr.includes('\u001b'), false, 'no colours');
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

test('the run has the documented ids and an INCREMENTAL run config', async (t) => {
  const { datamartId, ...without } = configOf('Echo');
  const { stdout } = await cli([configFile(t, without)]);
  const seen = JSON.parse(stdout);
  assert.equal(seen.datamartId, 'cli-runner');
  assert.equal(seen.config.datamartId, 'cli-runner');
  assert.match(seen.runId, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(seen.runConfig, { type: 'INCREMENTAL', data: [], state: {} });
  assert.equal(datamartId, 'datamart');
});

test('--run-type and --data reach the run config', async (t) => {
  const file = configFile(t, configOf('Echo'));
  const data = ['--data', 'StartDate=2026-01-01', '--data', 'Query=a=b', '--data', 'Empty='];
  const { stdout } = await cli([file, '--run-type', 'MANUAL_BACKFILL', ...data]);
  assert.deepEqual(JSON.parse(stdout).runConfig, {
    type: 'MANUAL_BACKFILL',
    data: [
      { configField: 'StartDate', value: '2026-01-01' },
      { configField: 'Query', value: 'a=b' },
      { configField: 'Empty', value: '' },
    ],
    state: {},
  });
});

test('--help and --version print on stdout and exit 0', async () => {
  const help = await cli(['--help']);
  assert.deepEqual({ code: help.code, stderr: help.stderr }, { code: 0, stderr: '' });
  for (const word of ['--run-type', '--data', '--state', '--connectors', 'CONFIG']) {
    assert.ok(help.stdout.includes(word), word);
  }
  const { stdout, stderr, code } = await cli(['--version']);
  assert.deepEqual({ stderr, code }, { stderr: '', code: 0 });
  assert.ok(stdout.trim().endsWith(version));
});

test('a failing connector is an error on stderr and exit 1', async (t) => {
  const { stdout, stderr, code } = await cli([configFile(t, configOf('Fails'))]);
  assert.deepEqual({ stdout, code }, { stdout: 'before\n', code: 1 });
  const message = 'Error running connector: Connector execution failed with exit code: 1';
  assert.ok(stderr.split('\n').includes(message), stderr);
  assert.match(stderr, /Error: went wrong\n\s+at /);
  assert.deepEqual(fs.readdirSync(runsDir), []);
});

/** What the CLI says of a configuration that it cannot run. */
async function refused(args, options) {
  const { stdout, stderr, code } = await cli(args, options);
  assert.deepEqual({ stdout, code }, { stdout: '', code: 1 });
  assert.match(stderr, /^Error running connector: /m);
  return stderr;
}

test('with --json wrong arguments are one line of JSON as well, whichever command they are for', async () => {
  const wrong = [
    [['--json'], 'result', /path to the json config file/],
    [['--wrong', 'a.json', '--json'], 'result', /'--wrong'/],
    [['rnu', 'a.json', '--json'], 'result', /'rnu'/],
    [['check', '--json'], 'error', /<CONFIG>/],
    [['check', 'a.json', '--onlin', '--json'], 'error', /'--onlin'/],
    [['check', '/does/not/exist.json', '--json'], 'error', /exist\.json/],
    [['spec', '--json', '--schema'], 'error', /'--schema'/],
    [['doctor', '--json', 'x'], 'error', /'x'/],
    [['store', '--json', 'prune', '--max-age', 'x'], 'error', /'x'/],
  ];
  for (const [args, type, message] of wrong) {
    const { stdout, stderr, code } = await cli(args);
    assert.match(stdout, /^[^\n]+\n$/, args.join(' '));
    const line = JSON.parse(stdout);
    assert.deepEqual([line.type, line.exitCode, code], [type, 1, 1]);
    assert.equal(line.error.code, 'INVALID_CONFIG');
    assert.match(line.error.message, message);
    assert.match(stderr, message);
  }
  const { stdout } = await cli(['init', '--json']); // it has no --json
  assert.equal(stdout, '');
});

test('a missing file is named', async () => {
  assert.match(await refused(['/does/not/exist.json']), /\/does\/not\/exist\.json/);
});

test('malformed JSON names the file, line and column', async (t) => {
  const file = configFile(t, '{\n  "name": "x",\n  "source": }\n');
  const stderr = await refused([file]);
  assert.ok(stderr.includes(file));
  assert.match(stderr, /line 3, column 13/);
  for (const text of ['', '{', 'not json']) await refused([configFile(t, text)]);
});

test('a missing field names its path', async (t) => {
  const cases = [
    [{ ...configOf('Ok'), name: '' }, 'Run configuration name is required', 'name'],
    [{ ...configOf('Ok'), source: undefined }, 'Source configuration is required', 'source'],
    [{ ...configOf('Ok'), source: { config: {} } }, 'Source name is required', 'source.name'],
    [
      { ...configOf('Ok'), storage: { name: 'Null' } },
      'Storage config object is required',
      'storage.config',
    ],
  ];
  for (const [content, message, field] of cases) {
    const stderr = await refused([configFile(t, content)]);
    assert.ok(stderr.includes(`Error running connector: ${message}`), stderr);
    assert.ok(stderr.includes(`"${field}"`), stderr);
  }
});

test('JSON that is no configuration is refused without a crash', async (t) => {
  for (const text of ['null', '7', '"text"', '[]', '{}', 'true']) {
    assert.match(await refused([configFile(t, text)]), /is required/);
  }
});

test('a file with a byte order mark is read', async (t) => {
  const text = `\ufeff${JSON.stringify(configOf('Prints'))}`;
  assert.equal((await cli([configFile(t, text)])).code, 0);
});

test('sources and storages that are missing are named', async (t) => {
  assert.match(await refused([configFile(t, configOf('Nope'))]), /Source Nope not found/);
  const stderr = await refused([configFile(t, configOf('Prints', {}, 'Nope'))]);
  assert.match(stderr, /Storage Nope not found/);
});

test('arguments that are wrong are explained, with an exit code that is not 0', async (t) => {
  const file = configFile(t, configOf('Prints'));
  for (const args of [['--nope'], ['--run-type', 'X'], ['--data', 'novalue'], ['--state']]) {
    const { stdout, stderr, code } = await cli([file, ...args]);
    assert.deepEqual({ stdout, code }, { stdout: '', code: 1 }, args.join(' '));
    assert.ok(stderr.includes(args[0]), stderr);
  }
});

test('--connectors wins over OWOX_CONNECTORS_PACKAGE, and a missing one is named', async (t) => {
  const other = connectorsPackage(t, { sources: { Other: `run() { console.log('other'); }` } });
  const file = configFile(t, configOf('Other'));
  assert.equal((await cli([file, '--connectors', other])).stdout, 'other\n');
  const relative = await cli([file, '--connectors', './package'], { cwd: path.dirname(other) });
  assert.equal(relative.stdout, 'other\n');
  const stderr = await refused([file, '--connectors', './missing']);
  assert.match(stderr, /\.\/missing/);
  const variable = { env: { ...env, OWOX_CONNECTORS_PACKAGE: '/does/not/exist' } };
  assert.match(await refused([file], variable), /\/does\/not\/exist/);
});

test('new ConnectorRunnerCli().run(argv) gives and sets the exit code, and never rejects', async (t) => {
  const file = configFile(t, configOf('Prints'));
  const { stdout, code } = await runHost(
    t,
    `const before = process.env.OW_CONFIG;
     new runner.ConnectorRunnerCli().run(['node', 'cli.js', ${JSON.stringify(file)}])
       .then((code) => console.log('code ' + code + ' ' + process.exitCode));`,
    { env },
  );
  assert.deepEqual({ stdout, code }, { stdout: `${LINES}code 0 0\n`, code: 0 });
  const failing = await runHost(
    t,
    `new runner.ConnectorRunnerCli().run(['node', 'cli.js', '/missing.json'])
       .then((code) => console.log('code ' + code));`,
    { env },
  );
  assert.deepEqual([failing.stdout, failing.code], ['code 1\n', 1]);
  assert.equal(typeof ConnectorRunnerCli.prototype.run, 'function');
});

test('requiring the CLI’s file runs nothing', async (t) => {
  const script = JSON.stringify(path.join(__dirname, '..', SCRIPTS[1]));
  const { stdout, stderr, code } = await runHost(t, `require(${script});`, { env });
  assert.deepEqual({ stdout, stderr, code }, { stdout: '', stderr: '', code: 0 });
});

test('much output reaches a slow reader of the pipe in full', async (t) => {
  const big = connectorsPackage(t, {
    sources: {
      Big: `run() { for (let i = 0; i < 50000; i += 1) console.log('line number ' + i); }`,
    },
  });
  const { stdout, code } = await cli([configFile(t, configOf('Big')), '--connectors', big]);
  assert.equal(code, 0);
  const expected = Array.from({ length: 50000 }, (_, i) => `line number ${i}\n`).join('');
  assert.equal(stdout === expected, true);
});
