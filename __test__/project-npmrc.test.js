'use strict';
// The project's .npmrc says where packages come from, as for `npm install` there, and nothing else.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorRunner } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript, withVariables } = require('./support/host');
const { capture, rejection } = require('./support/output');
const { npmVariables, registry } = require('./support/registry');
const { tempFolder, writeFiles } = require('./support/temp');

const TOKEN = 'npm_tokenOfTheTeam0123456789';

/** What the connector gets, and whether it could see a login. */
const RUN = `run() {
  const fs = require('node:fs');
  const seen = JSON.stringify(process.env).includes('${TOKEN.slice(0, 9)}' + '${TOKEN.slice(9)}') || fs.existsSync('.npmrc')
    || fs.existsSync(fs.realpathSync('node_modules') + '/../.npmrc');
  console.log(require('@team/private'), seen);
}`;

const connectors = connectorsPackage(
  { after },
  { sources: { Ok: RUN }, packageJson: { dependencies: { '@team/private': '1' } } },
);

const private_ = (text) => ({
  name: '@team/private',
  version: '1.0.0',
  files: { 'index.js': `module.exports = '${text}';` },
});

/** The default registry, which has a package of that name too, and the team's with its project. */
async function setUp(t, token) {
  const home = tempFolder(t);
  const [anyone, team] = [
    await registry(t, [private_('of anyone')]),
    await registry(t, [private_('of the team')], {}, TOKEN),
  ];
  const evil = path.join(home, 'evil');
  const project = writeFiles(tempFolder(t), {
    '.npmrc': [
      `@team:registry=${team}/`,
      `//${new URL(team).host}/:_authToken=${token}`,
      `node-options=--require ${evil}.js`,
      `script-shell=${evil}.sh`,
      `git=${evil}.sh`,
      'ignore-scripts=false',
      'dry-run=true',
    ].join('\n'),
    'package.json': {},
    'configs/config.json': configOf('Ok'),
  });
  writeFiles(home, { 'evil.js': `require('fs').writeFileSync('${evil}.txt', '')` });
  const variables = { ...npmVariables(anyone, home), TEAM_TOKEN: TOKEN };
  return { variables, project, evil: `${evil}.txt`, storeDir: path.join(home, 'store') };
}

test('beside the configuration, for the command line', async (t) => {
  const { variables, project, evil, storeDir } = await setUp(t, TOKEN);
  delete variables.TEAM_TOKEN;
  const config = path.join(project, 'configs/config.json');
  const env = { ...process.env, ...variables };
  const cli = (...args) => runScript('src/cli-wrapper.js', args, { env });
  const common = ['--connectors', connectors, '--store', storeDir];
  const { stdout, stderr } = await cli('run', config, ...common);
  assert.match(stdout, /^of the team false$/m, stderr);
  assert.ok(!fs.existsSync(evil), 'nothing else of it counts');
  const grep = () => execFileSync('grep', ['-rl', TOKEN, storeDir], { encoding: 'utf8' });
  assert.throws(grep, { status: 1 }, 'the store has no token');
  const warmed = await cli('store', 'warm', config, ...common);
  assert.match(warmed.stdout, /was there already/);

  fs.rmSync(path.join(project, '.npmrc'));
  const without = await cli('run', config, ...common);
  assert.match(without.stdout, /^of anyone false$/m, 'the control, and another environment');
});

test('in the folder that is named, for the library; the key has registries and no tokens', async (t) => {
  const { variables, project, storeDir } = await setUp(t, '${TEAM_TOKEN}');
  withVariables(t, variables);
  const options = { connectorsPackage: connectors, storeDir, projectDir: project };
  const run = async (more) => {
    const { stdout, stdio } = capture();
    const runner = new ConnectorRunner({ ...options, ...more });
    const result = await runner.run('d', 'r', configOf('Ok'), {}, stdio);
    return { ...result.environment, output: stdout.join('') };
  };
  // what the host's own variables say the connector may see
  const first = await run({ env: 'minimal' });
  assert.equal(first.output, 'of the team false\n');
  const off = await run({ env: 'minimal', store: 'off' });
  assert.equal(off.output, 'of the team false\n');

  const npmrc = path.join(project, '.npmrc');
  fs.writeFileSync(npmrc, fs.readFileSync(npmrc, 'utf8').replace('${TEAM_TOKEN}', 'another'));
  assert.deepEqual([(await run()).key, (await run()).cached], [first.key, true]);
  process.env.npm_config_cache = tempFolder(t);
  const refused = await rejection(run({ storeDir: tempFolder(t) }));
  assert.equal(refused.code, 'INSTALL_FAILED');
  assert.ok(!`${refused.message}${refused.hint}`.includes('another'));
  const elsewhere = await run({ projectDir: tempFolder(t) });
  assert.notEqual(elsewhere.key, first.key);
  assert.match(elsewhere.output, /^of anyone/);
});
