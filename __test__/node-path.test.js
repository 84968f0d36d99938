'use strict';
// Which Node.js runs connectors: `nodePath` and `--node`, and hosts that are no Node.js themselves.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { configOf, connectorsPackage } = require('./support/connectors');
const { runHost, runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const connectors = connectorsPackage(
  { after },
  { sources: { Where: `run() { console.log('ran by ' + process.execPath); }` } },
);

/** Another Node.js: a copy, since a link would be resolved. */
function anotherNode() {
  const file = path.join(fs.realpathSync(tempFolder({ after })), 'node-of-choice');
  fs.copyFileSync(process.execPath, file, fs.constants.COPYFILE_FICLONE);
  return file;
}

const other = anotherNode();

function cli(t, ...args) {
  const folder = writeFiles(tempFolder(t), { 'config.json': configOf('Where') });
  return runScript('src/cli-wrapper.js', [...args, '--connectors', connectors], { cwd: folder });
}

test('--node names the program that runs the connector, in every mode', async (t) => {
  for (const isolation of ['none', 'standard', 'strict']) {
    const { code, stdout, stderr } = await cli(
      t,
      'config.json',
      ...['--no-state', '--node', other, '--isolation', isolation],
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`ran by ${other}`));
  }
});

test('the other commands take it as well', async () => {
  const args = ['doctor', '--json', '--node', other];
  const { stdout } = await runScript('src/cli-wrapper.js', args);
  const node = JSON.parse(stdout).checks.find(({ name }) => name === 'Node.js');
  assert.ok(node.detail.endsWith(`at ${other}`), node.detail);
});

test('what is no program is refused by name before anything starts', async (t) => {
  const { code, stdout, stderr } = await cli(t, 'config.json', '--no-state', '--node', 'nothing');
  assert.equal(code, 1);
  assert.match(stderr, /nothing is not an executable file.*; correct --node/s);
  assert.doesNotMatch(stdout, /ran by/);
});

/** A host that takes itself for Bun, whose PATH begins with a `node` that is Bun, as `bun --bun` does. */
const HOST = `
const fs = require('node:fs');
const versions = { ...process.versions, bun: '1.4.5' };
Object.defineProperty(process, 'versions', { value: versions });
const [connectors, fake, ...options] = process.argv.slice(2);
fs.symlinkSync(process.execPath, fake + '/node');
process.env.PATH = [fake, ...options.filter((text) => text.startsWith('/'))].join(':');
const nodePath = options.find((text) => text.startsWith('node='))?.slice(5);
const said = [];
const service = new runner.ConnectorRunner({ connectorsPackage: connectors, nodePath });
const config = ${JSON.stringify(configOf('Where'))};
const stdio = { logCapture: { onStdout: (text) => said.push(text) } };
service
  .run('d', 'r', new runner.Config(config), new runner.RunConfig({}), stdio)
  .then(() => console.log(said.join('')), (error) => console.log(error.code, error.message));
`;

async function underBun(t, ...options) {
  const { stdout, stderr } = await runHost(t, HOST, {
    args: [connectors, tempFolder(t), ...options],
  });
  assert.equal(stderr, '');
  return stdout;
}

test('a host of another runtime runs connectors in the next node on the PATH', async (t) => {
  const bin = tempFolder(t);
  fs.copyFileSync(other, path.join(bin, 'node'), fs.constants.COPYFILE_FICLONE);
  assert.match(await underBun(t, bin), new RegExp(`ran by ${fs.realpathSync(bin)}/node`));
  assert.match(await underBun(t, `node=${other}`), new RegExp(`ran by ${other}`));
});

test('without any, it is told what it is and what to do', async (t) => {
  const said = await underBun(t);
  assert.match(
    said,
    /^SPAWN_FAILED Connectors run in Node.js 20.3 or later, the host is Bun 1.4.5/,
  );
  assert.match(said, /option nodePath/);
});
