'use strict';
// Runs of the command that come to grief between COMMIT and the writing of the state. The next one
// must end with the table of a run to which nothing happened.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { test } = require('node:test');

const { ended, root } = require('./host');
const { mark, until } = require('./processes');
const { tempFolder, writeFiles } = require('./temp');

const CLI = path.join(root, 'src', 'cli-wrapper.js');
const AT_GATE = 'the gate is reached';

/**
 * The reference package with one more source: CsvFile, whose run stops at a gate, after the commit
 * or at its end; and which can fill a disk there.
 */
function gatedPackage(t) {
  const folder = path.join(tempFolder(t), 'package');
  fs.cpSync(path.join(root, 'packages', 'connectors', 'src'), path.join(folder, 'src'), {
    recursive: true,
  });
  return writeFiles(folder, {
    'package.json': {
      name: '@test/gated',
      version: '1.0.0',
      exports: './index.js',
      owox: { runnerDependencies: [] },
    },
    'index.js': `'use strict';
const fs = require('node:fs');
const reference = require('./src');
const { CsvFile } = reference.Connectors;
const { Core } = reference;

const { parameters } = CsvFile.manifest;
const text = { type: 'string' };
const manifest = { ...CsvFile.manifest, parameters: { ...parameters, Gate: text, Fill: text } };

class GatedSource extends CsvFile.CsvFileSource {
  constructor(config) {
    super(config);
    config.mergeParameters({ Gate: { requiredType: 'string' }, Fill: { requiredType: 'string' } });
  }
}

class GatedConnector extends Core.AbstractConnector {
  constructor(...given) {
    super(...given);
    const { storage } = this;
    const commit = storage.commit.bind(storage);
    storage.commit = async (columns) => {
      const saved = await commit(columns);
      await this.gate('commit');
      return saved;
    };
  }

  async run() {
    await super.run();
    await this.gate('end');
  }

  async gate(name) {
    if (this.config.getValue('Gate') !== name) return;
    const fill = this.config.getValue('Fill');
    if (fill === null) {
      this.config.log(${JSON.stringify(AT_GATE)});
      await new Promise(() => setInterval(() => {}, 1000));
    }
    const file = fs.openSync(fill, 'a');
    try {
      for (const size of [4096, 1]) {
        try {
          for (;;) fs.writeSync(file, Buffer.alloc(size));
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error;
        }
      }
    } finally {
      fs.closeSync(file);
    }
  }
}

const Gated = { ...CsvFile, manifest, GatedSource, GatedConnector };
module.exports = { ...reference, Connectors: { ...reference.Connectors, Gated } };
`,
  });
}

const DAYS = Array.from({ length: 28 }, (_, at) => `2026-02-${String(at + 1).padStart(2, '0')}`);
const csv = (days) =>
  ['id,day,v', ...days.flatMap((day) => [`${day}a,${day},1`, `${day}b,${day},x`]), ''].join('\n');
/** What the source has before the run, and at its time; the late rows lie within its lookback. */
const FIRST = csv(DAYS.slice(0, 10));
const SECOND = csv(DAYS.slice(0, 20));

/** A project: data, configuration, and the command, all in one folder that can be copied. */
function projectOf(folder, packageFolder, storage, variables) {
  const file = (name) => path.join(folder, name);
  const configured = (parameters) => ({
    name: 'test',
    source: {
      name: 'Gated',
      config: { Path: 'data.csv', UniqueKeys: ['id'], DateColumn: 'day', ...parameters },
    },
    storage,
  });
  const write = (data, parameters = {}) =>
    writeFiles(folder, { 'data.csv': data, 'config.json': configured(parameters) });
  // relative, so that a copy of the folder is the project of a copy of the disk
  const args = ['run', 'config.json', '--state', 'state/state.json', '--isolation', 'none'];
  const env = { ...process.env, ...variables, OWOX_CONNECTORS_PACKAGE: packageFolder };
  const start = () => {
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return { child, end: ended(child) };
  };
  return {
    args,
    env,
    folder,
    write,
    run: async () => {
      const { code, stderr } = await start().end;
      assert.equal(code, 0, stderr);
    },
    /** Runs to the gate, looks at what is there, and kills the host. */
    async killAtGate(look = () => {}) {
      const { child, end } = start();
      const lines = readline.createInterface({ input: child.stdout });
      const atGate = new Promise((resolve) => {
        lines.on('line', (line) => line.includes(AT_GATE) && resolve(true));
      });
      const first = await Promise.race([atGate, end]);
      assert.equal(first, true, `it ended before the gate: ${first.stderr}`);
      await look();
      child.kill('SIGKILL');
      await end;
    },
    state: () => JSON.parse(fs.readFileSync(file('state/state.json'), 'utf8')),
  };
}

/** In a mount namespace of its own, where there is one to have. */
function namespaceOf() {
  const ways = [
    ['unshare', '-m'],
    ['unshare', '-Urm'],
  ];
  return ways.find(
    ([command, ...flags]) =>
      spawnSync(command, [...flags, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0,
  );
}

/**
 * Declares the tests of one storage.
 *
 * @param {object} options of the tests
 * @param {(place: string, folder: string) => { storage: object, digest: () => Promise<unknown> }}
 *   placeOf a table for each place; the folder is the project's
 */
function afterCommit(options, placeOf) {
  const setUp = async (t, place) => {
    const packageFolder = gatedPackage(t);
    const marked = mark(t, 'AFTER_COMMIT');
    const at = (name, folder = writeFiles(tempFolder(t), { 'state/here': '' })) => {
      const { storage, digest } = placeOf(`${place}_${name}`, folder);
      return { ...projectOf(folder, packageFolder, storage, marked.variables), digest };
    };
    const peaceful = at('peaceful');
    for (const data of [FIRST, SECOND]) {
      peaceful.write(data);
      await peaceful.run();
    }
    const wanted = { digest: await peaceful.digest(), state: peaceful.state().date };
    const assertSame = async (project) => {
      assert.deepEqual(
        { digest: await project.digest(), state: project.state().date },
        wanted,
        'as if nothing had happened',
      );
    };
    return { assertSame, at, marked };
  };

  // a killed run leaves a checkpoint beside it, of how far it was
  const cursorOf = ({ date, tables, connectorRunner: { fingerprint } }) => ({
    date,
    tables,
    fingerprint,
  });

  for (const gate of ['commit', 'end']) {
    test(`kill -9 after the commit (${gate})`, options, async (t) => {
      const { assertSame, at, marked } = await setUp(t, `killed_${gate}`);
      const project = at('killed');
      project.write(FIRST);
      await project.run();
      const before = project.state();
      project.write(SECOND, { Gate: gate });
      await project.killAtGate();
      await until(() => marked.processes().length === 0, 'the run ends with its host');
      assert.deepEqual(cursorOf(project.state()), cursorOf(before), 'the state is where it was');
      project.write(SECOND);
      await project.run();
      await assertSame(project);
    });
  }

  test('a disk that is full when the state is to be written', options, async (t) => {
    const namespace = namespaceOf();
    if (namespace === undefined) return t.skip('there is no mount namespace to be had');
    const { assertSame, at } = await setUp(t, 'full');
    const project = at('full');
    const state = path.join(project.folder, 'state');
    const kept = path.join(project.folder, 'kept');
    fs.mkdirSync(kept);
    const command = `"$NODE" "$CLI" ${project.args.join(' ')}`;
    project.write(SECOND, { Gate: 'end', Fill: path.join(state, 'full') });
    fs.renameSync(path.join(project.folder, 'config.json'), path.join(kept, 'filling.json'));
    fs.renameSync(path.join(project.folder, 'data.csv'), path.join(kept, 'data.csv'));
    project.write(FIRST);
    const script = [
      'set -e',
      `mount -t tmpfs -o size=64k tmpfs '${state}'`,
      command,
      'cp config.json kept/plain.json; cp kept/filling.json config.json; cp kept/data.csv data.csv',
      `if ${command}; then exit 41; fi`,
      `rm '${state}/full'`,
      'cp kept/plain.json config.json',
      command,
      `cp '${state}/state.json' kept/`,
    ].join('\n');
    const child = spawn(namespace[0], [...namespace.slice(1), 'sh', '-c', script], {
      cwd: project.folder,
      env: { ...project.env, NODE: process.execPath, CLI },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { code, stderr } = await ended(child);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /ENOSPC|No space left|os error 28/, 'it was the disk that was full');
    fs.copyFileSync(path.join(kept, 'state.json'), path.join(state, 'state.json'));
    await assertSame(project);
  });
}

/** The same for what is left of files by a power cut: what was synced at that moment. */
function powerLoss(options, placeOf) {
  for (const gate of ['commit', 'end']) {
    test(`the power fails after the commit (${gate})`, options, async (t) => {
      const packageFolder = gatedPackage(t);
      const marked = mark(t, 'AFTER_COMMIT');
      const at = (folder) => {
        const { storage, digest } = placeOf('power', folder);
        return { ...projectOf(folder, packageFolder, storage, marked.variables), digest };
      };
      const project = at(writeFiles(tempFolder(t), { 'state/here': '' }));
      const peaceful = at(writeFiles(tempFolder(t), { 'state/here': '' }));
      project.write(FIRST);
      await project.run();
      project.write(SECOND, { Gate: gate });
      const disk = path.join(tempFolder(t), 'disk');
      await project.killAtGate(() => fs.cpSync(project.folder, disk, { recursive: true }));
      const restored = at(disk);
      restored.write(SECOND);
      await restored.run();

      for (const data of [FIRST, SECOND]) {
        peaceful.write(data);
        await peaceful.run();
      }
      assert.deepEqual(await restored.digest(), await peaceful.digest());
      assert.equal(restored.state().date, peaceful.state().date);
    });
  }
}

module.exports = { afterCommit, powerLoss };
