'use strict';
// The package as a dependency: packed, installed from its tarball into an empty project, and
// used from there, with and without install scripts, with and without cargo.

const assert = require('node:assert/strict');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');

const root = path.join(__dirname, '..');
const { glibcVersionRuntime } = process.report.getReport().header;
const platform = `linux-${process.arch}-${glibcVersionRuntime ? 'gnu' : 'musl'}`;
const platformFolder = path.join(root, 'npm', platform);
const hasPrebuilt = fs.existsSync(path.join(platformFolder, 'package.json'));

let work;
let tarballs;

/** A PATH with what npm needs, and with no cargo on it. */
function pathWithoutCargo() {
  const folders = process.env.PATH.split(path.delimiter);
  return folders.filter((folder) => !fs.existsSync(path.join(folder, 'cargo'))).join(':');
}

function environment(withCargo) {
  const variables = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|OWOX_|NODE_OPTIONS|NODE_TEST_CONTEXT)/i.test(name),
  );
  return {
    ...Object.fromEntries(variables),
    PATH: withCargo ? process.env.PATH : pathWithoutCargo(),
  };
}

function npm(args, cwd, env = environment(true)) {
  return execFileSync('npm', args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function pack(folder) {
  const [{ filename, files }] = JSON.parse(
    npm(['pack', '--json', '--ignore-scripts', '--pack-destination', work], folder),
  );
  return { file: path.join(work, filename), names: files.map(({ path: name }) => name) };
}

/** An empty project with these tarballs installed. */
function project(name, packages, { withScripts, withCargo }) {
  const folder = path.join(work, name);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), '{"name":"host","private":true}');
  const flags = withScripts ? [] : ['--ignore-scripts'];
  npm(
    ['install', '--no-audit', '--no-fund', ...flags, ...packages],
    folder,
    environment(withCargo),
  );
  return folder;
}

function node(folder, code, withCargo = false) {
  return spawnSync(process.execPath, ['-e', code], {
    cwd: folder,
    env: environment(withCargo),
    encoding: 'utf8',
  });
}

const installed = (folder) => path.join(folder, 'node_modules', '@owox', 'connector-runner');
const compiled = (folder) => fs.existsSync(path.join(installed(folder), 'npm'));

before(() => {
  work = fs.mkdtempSync(path.join(os.tmpdir(), 'package-test-'));
  tarballs = { main: pack(root) };
  if (hasPrebuilt) tarballs.prebuilt = pack(platformFolder);
});

after(() => fs.rmSync(work, { recursive: true, force: true }));

test('the tarball holds what is needed and nothing else', () => {
  const { names } = tarballs.main;
  for (const name of ['index.js', 'index.d.ts', 'src/lib.rs', 'Cargo.lock', 'js/native.js']) {
    assert.ok(names.includes(name), name);
  }
  assert.ok(names.includes('packages/connectors/src/index.js'));
  const unwanted =
    /(^|\/)(target|node_modules|__test__|tests|bench|examples|\.ci|\.github)\/|\.node$|^npm\//;
  assert.deepEqual(
    names.filter((name) => unwanted.test(name)),
    [],
  );
});

test(
  'the prebuilt package is used without cargo and without install scripts',
  { skip: !hasPrebuilt && `no prebuilt package for ${platform}` },
  () => {
    const folder = project('prebuilt', [tarballs.main.file, tarballs.prebuilt.file], {
      withScripts: false,
      withCargo: false,
    });
    fs.cpSync(path.join(root, 'examples', 'quickstart.json'), path.join(folder, 'quickstart.json'));
    fs.cpSync(path.join(root, 'examples', 'data'), path.join(folder, 'data'), { recursive: true });
    const run = spawnSync('npx', ['--no-install', 'connector-runner', 'quickstart.json'], {
      cwd: folder,
      env: environment(false),
      encoding: 'utf8',
    });
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stderr, /Rows +7,126 saved, 7,126 in the table now/);
    assert.ok(fs.existsSync(path.join(folder, 'quickstart.duckdb')));
    assert.ok(!compiled(folder));

    const deep = node(
      folder,
      `const Service = require('@owox/connector-runner/src/application/services/connector-execution-service');
     console.log(Service.name)`,
    );
    assert.equal(deep.stdout, 'ConnectorExecutionService\n', deep.stderr);
  },
);

test(
  'with a prebuilt package nothing is compiled, even where it could be',
  { skip: !hasPrebuilt && `no prebuilt package for ${platform}` },
  () => {
    const folder = project('prebuilt-scripts', [tarballs.prebuilt.file, tarballs.main.file], {
      withScripts: true,
      withCargo: true,
    });
    assert.ok(!compiled(folder));
    assert.equal(node(folder, `require('@owox/connector-runner')`).status, 0);
  },
);

/** The tarball of a connectors package that has a command of our former name, as 0.31 has. */
function packedNamesake() {
  const folder = path.join(work, 'namesake');
  fs.mkdirSync(path.join(folder, 'dist'), { recursive: true });
  const manifest = {
    name: '@owox/connectors',
    version: '0.31.0',
    type: 'module',
    exports: { './runner': { require: './dist/connector-runner.cjs' } },
    bin: { 'owox-connector-runner': './dist/connector-runner.cjs' },
    files: ['dist/**/*.cjs'],
  };
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  fs.writeFileSync(
    path.join(folder, 'dist/connector-runner.cjs'),
    "#!/usr/bin/env node\nconsole.log('the namesake');\n",
  );
  return pack(folder).file;
}

test('npx starts ours in whichever order it and a namesake of its alias are installed', () => {
  const namesake = packedNamesake();
  const ours = [tarballs.main.file, hasPrebuilt ? tarballs.prebuilt.file : undefined].filter(
    Boolean,
  );
  const { version } = require('../package.json');
  for (const [name, first, second] of [
    ['ours-first', ours, [namesake]],
    ['ours-second', [namesake], ours],
    ['at-once', [...ours, namesake], []],
  ]) {
    const folder = project(name, first, { withScripts: false, withCargo: false });
    if (second.length > 0) {
      npm(['install', '--no-audit', '--no-fund', '--ignore-scripts', ...second], folder);
    }
    for (const command of [['connector-runner'], ['@owox/connector-runner']]) {
      const run = spawnSync('npx', ['--no-install', ...command, '--version'], {
        cwd: folder,
        env: environment(false),
        encoding: 'utf8',
      });
      // without the addon it says so itself
      const said = hasPrebuilt ? run.stdout : run.stderr;
      const expected = hasPrebuilt ? `connector-runner ${version}\n` : 'The native addon of';
      assert.ok(said.includes(expected), `${name}, ${command}: ${run.stdout}${run.stderr}`);
    }
  }
});

for (const withScripts of [false, true]) {
  test(`with neither prebuilt package nor cargo, require says so (install scripts: ${withScripts})`, () => {
    const folder = project(`bare-${withScripts}`, [tarballs.main.file], {
      withScripts,
      withCargo: false,
    });
    const { stdout } = node(
      folder,
      `try { require('@owox/connector-runner') } catch (error) { console.log(error.code, error.message) }`,
    );
    assert.match(stdout, /^NATIVE_MISSING /);
    assert.ok(stdout.includes(platform), stdout);
    assert.match(stdout, /rustup/);
    assert.match(stdout, /approve/);
    const script = path.join(installed(folder), 'src/cli/connector-runner-cli.js');
    const inFolder = { cwd: folder, env: environment(false), encoding: 'utf8' };
    for (const command of [
      spawnSync('npx', ['--no-install', 'connector-runner', '--version'], inFolder),
      spawnSync(process.execPath, [script, '--version'], inFolder),
    ]) {
      assert.equal(command.status, 1);
      assert.match(command.stderr, /^Error: The native addon of .* is missing/);
      assert.doesNotMatch(command.stderr, /^ +at /m, 'no stack');
    }
  });
}

const buildSkip =
  process.env.CI || process.env.OWOX_TEST_BUILD
    ? false
    : 'compiles for about a minute: runs in CI, or with OWOX_TEST_BUILD=1';

test(
  'with cargo a dependency builds itself and leaves no target folder',
  { skip: buildSkip },
  () => {
    const folder = project('built', [tarballs.main.file], { withScripts: true, withCargo: true });
    assert.ok(compiled(folder));
    assert.ok(!fs.existsSync(path.join(installed(folder), 'target')));
    assert.equal(node(folder, `require('@owox/connector-runner')`).status, 0);
  },
);
