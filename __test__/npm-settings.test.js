'use strict';
// What people have set for npm, in variables or in their .npmrc, does not change what is installed,
// nor hide why an install failed: those settings that a run relies on are the runner's.

const assert = require('node:assert/strict');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { npmVariables, registry } = require('./support/registry');
const { tempFolder, writeFiles } = require('./support/temp');

const dependency = (name, version) => ({ name, version, global: ['x'], global_is: true });
const storage = (...dependencies) => ({ environment: { node: { enabled: true, dependencies } } });

/** What the connector finds: a dependency's own, its optional one, its peer, and what was built. */
const RUN = `run() {
  const found = ['needed', 'optional', 'peer'].map((name) => require(name));
  console.log(found.join(' '), require('built/built.js'), require('node:fs').existsSync(
    require('node:path').join(require.resolve('needed'), '../../.bin/needed')));
}`;

const connectors = connectorsPackage(
  { after },
  {
    sources: { Finds: RUN },
    storages: {
      Needs: storage(dependency('needed', '1.0.0'), dependency('built', '1.0.0')),
      Lacks: storage(dependency('needed', '99.0.0')),
    },
  },
);

const says = (text) => ({ 'index.js': `module.exports = '${text}';` });
const PACKAGES = [
  {
    name: 'needed',
    version: '1.0.0',
    bin: { needed: 'index.js' },
    optionalDependencies: { optional: '1.0.0' },
    peerDependencies: { peer: '1.0.0' },
    files: says('needed'),
  },
  {
    name: 'optional',
    version: '1.0.0',
    os: [process.platform],
    cpu: [process.arch],
    files: says('optional'),
  },
  { name: 'peer', version: '1.0.0', files: says('peer') },
  {
    name: 'built',
    version: '1.0.0',
    scripts: { install: "echo 'module.exports = 1;' > built.js" },
    files: {},
  },
];

/** Runs the command with an npm that is set like this, and has nothing in store or cache. */
async function run(t, { storage: name = 'Needs', variables = {}, npmrc = '' }) {
  const origin = await registry(t, PACKAGES);
  const home = writeFiles(tempFolder(t), {
    'config.json': configOf('Finds', {}, name),
    npmrc: `${npmrc.replace('ORIGIN', origin)}\n`,
  });
  const args = [
    'config.json',
    '--no-state',
    '--runs-dir',
    tempFolder(t),
    '--allow-scripts',
    'built',
  ];
  return runScript('src/cli-wrapper.js', args, {
    cwd: home,
    env: {
      ...process.env,
      OWOX_CONNECTORS_PACKAGE: connectors,
      OWOX_RUNNER_STORE: path.join(home, 'store'),
      ...npmVariables(origin, home),
      npm_config_userconfig: path.join(home, 'npmrc'),
      ...variables,
    },
  });
}

const SETTINGS = {
  'package-lock': 'false',
  'dry-run': 'true',
  global: 'true',
  location: 'global',
  'package-lock-only': 'true',
  omit: 'optional peer dev',
  optional: 'false',
  workspaces: 'true',
  workspace: 'some',
  prefix: '/nowhere/prefix',
  'ignore-scripts': 'true',
  before: '2001-01-01',
  audit: 'true',
  save: 'false',
  'lockfile-version': '1',
  'install-strategy': 'linked',
  'legacy-bundling': 'true',
  'global-style': 'true',
  'bin-links': 'false',
  'legacy-peer-deps': 'true',
  'omit-lockfile-registry-resolved': 'true',
  os: 'plan9',
  cpu: 'vax',
  json: 'true',
  version: 'true',
  usage: 'true',
};

for (const [name, value] of Object.entries(SETTINGS)) {
  test(`npm_config_${name.replaceAll('-', '_')}=${value} changes nothing`, async (t) => {
    const variables = {};
    // as npm writes them for what it starts, and as people do
    variables[`npm_config_${name.replaceAll('-', '_')}`] = value;
    const { code, stdout, stderr } = await run(t, { variables });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'needed optional peer 1 true\n');
  });
}

test('names are taken as npm takes them, in capitals and with dashes', async (t) => {
  const variables = { NPM_CONFIG_DRY_RUN: 'true', 'npm_config_package-lock-only': 'true' };
  const { code, stderr } = await run(t, { variables });
  assert.equal(code, 0, stderr);
});

test('the same settings in .npmrc change nothing', async (t) => {
  // what npm refuses in any file of its own, or cannot unset, is left out
  const refused = [
    'workspace',
    'prefix',
    'os',
    'cpu',
    'legacy-bundling',
    'global-style',
    'version',
    'usage',
  ];
  const kept = Object.entries(SETTINGS).filter(([name]) => !refused.includes(name));
  const lines = kept.filter(([name]) => name !== 'omit').map(([name, value]) => `${name}=${value}`);
  lines.push('omit[]=optional', 'omit[]=peer', 'loglevel=silent', 'color=always', 'heading=other');
  const { code, stdout, stderr } = await run(t, { npmrc: lines.join('\n') });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'needed optional peer 1 true\n');
});

test("npm's reason is shown, however quiet, colourful or different npm is to be", async (t) => {
  for (const given of [
    { variables: { npm_config_loglevel: 'silent' } }, // npm run -s
    { variables: { npm_config_silent: 'true' } },
    { npmrc: 'loglevel=silent\ncolor=always\nheading=other\njson=true' },
    { variables: { npm_config_loglevel: 'silly', npm_config_json: 'true' } },
  ]) {
    const { code, stderr } = await run(t, { ...given, storage: 'Lacks' });
    assert.equal(code, 1);
    const seen = JSON.stringify(given);
    assert.match(stderr, /npm error code ETARGET/, seen);
    assert.match(stderr, /No matching version found for needed@99\.0\.0/, seen);
    assert.match(stderr, /The registry has no needed 99\.0\.0/, seen);
    assert.ok(!stderr.includes('\\u001b['), seen);
  }
});

test('what was set for the registry still counts', async (t) => {
  const { code, stderr } = await run(t, {
    variables: { npm_config_registry: '', npm_config_dry_run: 'true' },
    npmrc: 'registry=ORIGIN/',
  });
  assert.equal(code, 0, stderr);
});
