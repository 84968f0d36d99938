'use strict';
// The documentation's programs and commands, run as a reader would: one folder a page, the
// package installed, in the order of the page. A block's info string says what it is:
// `file=NAME` is a file, `run` has to succeed, `fails` has to fail; a block of text right after
// one is what it prints, line by line, where … stands for anything.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { connectorsPackage } = require('./support/connectors');
const { ended, root } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const docs = path.join(root, 'docs');
const PAGES = [
  'cli.md',
  'migration.md',
  'nestjs.md',
  'observability.md',
  'storage-tutorial.md',
  'troubleshooting.md',
  'tutorial.md',
];

/** The fenced blocks of a page: language, what the info string says, text, line. */
function blocksOf(text) {
  return [...text.matchAll(/^```(\S+) ?(.*)\n([^]*?)^```$/gm)].map((match) => {
    const [, language, info, content] = match;
    return { language, info, content, line: text.slice(0, match.index).split('\n').length };
  });
}

/** A folder in which the package is installed. */
function project(t) {
  const folder = writeFiles(tempFolder(t), {
    'package.json': { name: 'docs', private: true },
    'node_modules/@owox/.keep': '',
    'node_modules/.bin/.keep': '',
  });
  fs.symlinkSync(root, path.join(folder, 'node_modules/@owox/connector-runner'));
  // what a host has of its own
  fs.symlinkSync(
    path.join(root, 'node_modules/@opentelemetry'),
    path.join(folder, 'node_modules/@opentelemetry'),
  );
  const { bin } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const [name, file] of Object.entries(bin)) {
    const command = path.join(folder, 'node_modules/.bin', name);
    fs.writeFileSync(command, `#!/bin/sh\nexec node '${path.join(root, file)}' "$@"\n`);
    fs.chmodSync(command, 0o755);
  }
  return folder;
}

async function run(folder, { language, content }) {
  const env = { ...process.env, XDG_STATE_HOME: path.join(folder, '.state') };
  delete env.OWOX_CONNECTORS_PACKAGE;
  env.PATH = `${path.dirname(process.execPath)}:${env.PATH}`;
  const options = { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] };
  if (language === 'bash') return ended(spawn('bash', ['-ec', content], options));
  fs.writeFileSync(path.join(folder, 'example.js'), content);
  return ended(spawn(process.execPath, ['example.js'], options));
}

/** Whether a printed line is the documented one. */
function isLike(documented, printed) {
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${documented.split('…').map(literal).join('.*')}$`).test(printed);
}

for (const page of PAGES) {
  test(`${page}: what it shows is so`, async (t) => {
    const blocks = blocksOf(fs.readFileSync(path.join(docs, page), 'utf8'));
    const folder = project(t);
    let printed;
    let ran = 0;
    for (const block of blocks) {
      const where = `${page}:${block.line}`;
      if (block.language === 'text') {
        assert.ok(printed !== undefined, `${where}: nothing was run before`);
        let rest = printed.split('\n');
        for (const line of block.content.trimEnd().split('\n')) {
          const at = rest.findIndex((candidate) => isLike(line, candidate));
          assert.notEqual(at, -1, `${where}: ${line}\nis not in\n${printed}`);
          rest = rest.slice(at + 1);
        }
        printed = undefined;
        continue;
      }
      const [, name] = block.info.match(/^file=(\S+)$/) ?? [];
      if (name) {
        writeFiles(folder, { [name]: block.content });
        continue;
      }
      assert.match(block.info, /^(run|fails)$/, `${where}: each block is run, or is a file`);
      const { stdout, stderr, code } = await run(folder, block);
      printed = `${stdout}${stderr}`;
      assert.equal(code === 0, block.info === 'run', `${where}: exit code ${code}\n${printed}`);
      ran += 1;
    }
    assert.ok(ran > 0);
  });
}

test('the documented NestJS service ends a connector that runs at shutdown', async (t) => {
  const blocks = blocksOf(fs.readFileSync(path.join(docs, 'nestjs.md'), 'utf8'));
  const { content } = blocks.find(({ info }) => info === 'file=connector.service.js');
  const folder = writeFiles(project(t), { 'connector.service.js': content });
  const package_ = connectorsPackage(t, {
    sources: {
      Waits: `run() {
        const { value } = JSON.parse(process.env.OW_CONFIG).source.config.Flag;
        require('fs').writeFileSync(value, ''); // it runs, so the host may shut down
        return new Promise(() => setInterval(() => {}, 1000));
      }`,
    },
    after: `Connectors.Waits.manifest = {
      parameters: { Flag: { type: 'string', format: 'path', access: 'write' } },
    };`,
  });
  const host = `
    const { ConnectorService } = require('./connector.service.js');
    const service = new ConnectorService();
    const definition = {
      name: 'x',
      source: { name: 'Waits', config: { Flag: __filename + '.runs' } },
      storage: { name: 'Null', config: {} },
    };
    const timer = setInterval(() => {
      if (!require('fs').existsSync(__filename + '.runs')) return;
      clearInterval(timer);
      service.onApplicationShutdown().then(stopped);
    }, 20);
    let outcome;
    service.run('mart', 'run', definition, {}).catch((error) => {
      outcome = [error.code, error.result.signal];
    });
    async function stopped() {
      const late = await service.run('mart', 'run', definition, {}).catch(({ message }) => message);
      console.log(JSON.stringify([...outcome, late]));
    }`;
  const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: package_ };
  writeFiles(folder, { 'host.js': host });
  const child = spawn(process.execPath, ['host.js'], { cwd: folder, env });
  t.after(() => child.kill('SIGKILL'));
  const { stdout, stderr } = await ended(child);
  assert.equal(stderr, '');
  assert.deepEqual(JSON.parse(stdout), [
    'CONNECTOR_FAILED',
    'SIGTERM',
    'the application is shutting down',
  ]);
});

test('each error code has its place in the troubleshooting', () => {
  const types = fs.readFileSync(path.join(root, 'index.d.ts'), 'utf8');
  const [union] = types.match(/(?<=export type ErrorCode =)[^;]+/);
  const headings = fs
    .readFileSync(path.join(docs, 'troubleshooting.md'), 'utf8')
    .match(/^## .*$/gm)
    .join('\n');
  const codes = union.match(/\w+/g);
  assert.ok(codes.length > 10);
  for (const code of codes) assert.ok(headings.includes(`\`${code}\``), code);
});

test('links lead to pages and headings that are there, from the README too', () => {
  const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  for (const page of PAGES) {
    assert.ok(readme.includes(`(docs/${page})`), page);
    const text = fs.readFileSync(path.join(docs, page), 'utf8');
    const anchors = (text.match(/^## .*$/gm) ?? []).map((heading) =>
      heading
        .slice(3)
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, target] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (target.startsWith('#')) assert.ok(anchors.includes(target.slice(1)), target);
      else if (!target.startsWith('https://nodejs.org/')) {
        assert.ok(fs.existsSync(path.join(docs, target)), target);
      }
    }
  }
});
