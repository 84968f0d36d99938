'use strict';
// What a connector, its folder or its package is made of never ends a host, nor grows it without limit.

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, test } = require('node:test');
const { setTimeout: pause } = require('node:timers/promises');

const { configOf, connectorsPackage } = require('../support/connectors');
const { ended, root } = require('../support/host');
const { NOBODY, asUser, readablePackage, users, withoutNpm } = require('../support/isolation');

/** Levels that no path, no stack and no limit of open files can hold; under Landlock, which looks at
 * all folders above one, fewer. */
const LEVELS = 15_000;
const LEVELS_CONFINED = 4000;

const MEGABYTE = 2 ** 20;

/** Code that goes down so many folders of its own, and closes some of them. */
const deepen = (levels) => `
  const fs = require('node:fs');
  for (let level = 0; level < ${levels}; level += 1) {
    const name = level % 50 ? 'd' : 'x'.repeat(200);
    fs.mkdirSync(name);
    process.chdir(name);
    if (level % 10 === 0) {
      fs.writeFileSync('file', '');
      fs.symlinkSync('/', 'link');
    }
    if (level % 100) continue;
    fs.mkdirSync('closed', 0);
    try {
      fs.chmodSync('..', 0);
    } catch {
      // a path that is too long for whoever decides
    }
  }
`;

/** Writes to stdout until all is out. */
const WRITE = `
  const { writeSync } = require('node:fs');
  const write = (text) => {
    const bytes = Buffer.from(text);
    for (let sent = 0; sent < bytes.length;) {
      try {
        sent += writeSync(1, bytes, sent);
      } catch (error) {
        if (error.code !== 'EAGAIN') throw error;
      }
    }
  };
  const MEGABYTE = 'w'.repeat(${MEGABYTE});
`;

/** A source that writes ten lines, each with so many times what is between. */
const lines = (begin, between, end, megabytes = 50) => `run() {
  ${WRITE}
  const between = ${between};
  for (let i = 0; i < 10; i += 1) {
    write(${JSON.stringify(begin)});
    for (let j = 0; j < ${megabytes}; j += 1) write(between);
    write(${JSON.stringify(`${end}\n`)});
  }
}`;

/** Folders of the test's own for one user: connectors package, store, runs. */
function place(t, user, content) {
  // in memory where that is possible: a disk takes long for so many folders
  const near = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const base = fs.realpathSync(fs.mkdtempSync(path.join(near, 'runner-test-')));
  // no recursion of Node's: a test that fails leaves what this is about
  t.after(() => execFileSync('rm', ['-rf', base]));
  if (user !== process.getuid()) fs.chownSync(base, user, user);
  const folder = connectorsPackage({ after: (remove) => t.after(remove) }, content);
  execFileSync('chmod', ['-R', 'a+rX', path.dirname(folder)]);
  for (const name of ['runs', 'store', 'tmp', 'home']) {
    fs.mkdirSync(path.join(base, name));
    if (user !== process.getuid()) fs.chownSync(path.join(base, name), user, user);
  }
  return { base, package: folder, runs: path.join(base, 'runs'), user };
}

/** Runs a source in a host of its own; gives its result or error, and by how much the host grew. */
async function run(t, here, source, { options = {}, stdio = "'ignore'", through = [] } = {}) {
  const { base, user } = here;
  const code = `
    const { ConnectorRunner, Config, RunConfig } = require(${JSON.stringify(user === process.getuid() ? root : readablePackage())});
    const status = (name) => Number(new RegExp(name + ':\\\\s+(\\\\d+)').exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
    const runner = new ConnectorRunner(${JSON.stringify({ connectorsPackage: here.package, runsDir: here.runs, storeDir: path.join(base, 'store'), ...options })});
    let delivered = 0;
    let whole = 0;
    const go = (source) => runner.run('d', 'r', new Config({ ...${JSON.stringify(configOf('Ok'))}, source: { name: source, config: {} } }), new RunConfig({}), ${stdio});
    (async () => {
      ${source === 'Ok' ? '' : "await go('Ok').catch(() => {});"}
      const before = status('VmRSS');
      const told = await go(${JSON.stringify(source)}).then(
        (result) => ({ result }),
        ({ code, message, result, stderrTail }) => ({ code, message: message + stderrTail, result }),
      );
      console.error(JSON.stringify({ ...told, delivered, whole, growth: status('VmHWM') - before }));
    })();`;
  const [program, ...args] = asUser(user, [...through, process.execPath, '-e', code]);
  const folders = { HOME: path.join(base, 'home'), TMPDIR: path.join(base, 'tmp') };
  const child = spawn(program, args, {
    env: { ...withoutNpm(), ...folders },
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: base,
  });
  t.after(() => child.kill('SIGKILL'));
  const { stderr, code: exitCode, signal } = await ended(child);
  assert.deepEqual({ exitCode, signal }, { exitCode: 0, signal: null }, stderr);
  const told = JSON.parse(stderr);
  t.diagnostic(`grew by ${Math.round(told.growth / MEGABYTE)} MB`);
  return told;
}

/** Waits until a folder has no entries: what is removed in the background is gone then. */
async function empty(t, folder) {
  while (!t.signal.aborted && fs.readdirSync(folder).length > 0) await pause(20);
}

/** A test that ends also where the folder stays, far beyond what a busy machine needs. */
const PATIENT = { timeout: 300_000 };

const sources = {
  Ok: 'run() {}',
  Deep: `run() { ${deepen(LEVELS)} }`,
  DeepTemporary: `run() { process.chdir(process.env.TMPDIR); ${deepen(LEVELS_CONFINED)} }`,
  // 50 MB each, under a limit that holds one
  Warnings: `run() {
    ${WRITE}
    for (let i = 0; i < 10; i += 1) {
      write('{"type":"addWarningToCurrentStatus","warning":"');
      for (let j = 0; j < 50; j += 1) write(MEGABYTE);
      write('"}\\n');
    }
    write('{"type":"addWarningToCurrentStatus","warning":"the last"}\\n');
  }`,
  MidWarnings: `run() {
    ${WRITE}
    for (let i = 0; i < 200; i += 1) {
      write('{"type":"addWarningToCurrentStatus","warning":"' + MEGABYTE + '"}\\n');
    }
  }`,
  Escapes: `run() {
    ${WRITE}
    const escapes = '\\\\\\\\n'.repeat(${MEGABYTE} / 4);
    for (let i = 0; i < 50; i += 1) {
      write('{"type":"addWarningToCurrentStatus","warning":"' + escapes + escapes + escapes + '"}\\n');
    }
  }`,
  Endless: `run() { ${WRITE} for (let i = 0; i < 300; i += 1) write(MEGABYTE); }`,
  EndlessJson: `run() { ${WRITE} write('{"a":"'); for (let i = 0; i < 300; i += 1) write(MEGABYTE); }`,
  EndlessError: `run() { ${WRITE} for (let i = 0; i < 300; i += 1) process.stderr.write(MEGABYTE); }`,
  Nested: `run() {
    ${WRITE}
    const deep = '{"a":'.repeat(100000) + '1' + '}'.repeat(100000);
    for (const type of ['log', 'error', 'addWarningToCurrentStatus', 'updateLastRequstedDate', 'updateCredentials']) {
      const [field] = { log: ['message'], error: ['error'], addWarningToCurrentStatus: ['warning'], updateLastRequstedDate: ['date'] }[type] ?? ['credentials'];
      write('{"type":"' + type + '","' + field + '":' + deep + ',"summary":' + deep + ',"progress":' + deep + '}\\n');
    }
  }`,
  // lines of 50 MB: what they begin and end with, and a megabyte of what is between
  Whole: lines('{"type":"addWarningToCurrentStatus","warning":"', 'MEGABYTE', '"}'),
  NeverJson: lines('{"a":"', 'MEGABYTE', ''),
  Wide: lines('{"type":"addWarningToCurrentStatus","warning":"ж', 'MEGABYTE', '"}'),
  // 15 MB, which stay whole
  WholeEscapes: lines(
    '{"type":"addWarningToCurrentStatus","warning":"',
    String.raw`'\\n'.repeat(2 ** 19)`,
    '"}',
    15,
  ),
  WholeSecrets: lines('{"type":"log","message":"', "'a-secret'.repeat(2 ** 17)", '"}', 15),
  WholeTables: lines('{"tables":["x"', '\',""\'.repeat(2 ** 20 / 3)', ']}', 15),
  Dates: `run() {
    ${WRITE}
    write('{"type":"updateLastRequstedDate","date":"2026-01-02"}\\n');
    for (let i = 0; i < 100; i += 1) write('{"type":"updateLastRequstedDate","date":"' + MEGABYTE + i + '"}\\n');
  }`,
};

/** A package that answers for its reader, with what this code writes to descriptor 3. */
const answering = (code) => ({
  // only in the process that reads what the package has
  before: `if (process.argv.length === 4 && __dirname.startsWith(process.argv[1])) {
    const { writeSync } = require('node:fs');
    const send = (text) => {
      const bytes = Buffer.from(text);
      for (let sent = 0; sent < bytes.length;) sent += writeSync(3, bytes, sent);
    };
    ${code}
    process.exit(0);
  }`,
});

for (const user of users) {
  describe(`as user ${user}`, () => {
    for (const [where, source, options] of [
      [`${LEVELS} levels in the run’s folder`, 'Deep', { isolation: 'none' }],
      [`${LEVELS_CONFINED} in its folder for temporary files`, 'DeepTemporary', {}],
    ]) {
      test(`${where}, with few descriptors: they go, and the run succeeds`, PATIENT, async (t) => {
        const here = place(t, user, { sources });
        const through = ['sh', '-c', 'ulimit -n 128; exec "$@"', 'sh'];
        const { result, message } = await run(t, here, source, { options, through });
        assert.equal(result?.status, 'success', message);
        await empty(t, here.runs);
        assert.deepEqual(fs.readdirSync(path.join(here.base, 'tmp')), []);
      });
    }

    test('what a host that died has left is swept, however deep', PATIENT, async (t) => {
      const here = place(t, user, { sources });
      const left = path.join(here.runs, 'owox-run-left-0');
      const make = `require('node:fs').mkdirSync(${JSON.stringify(left)}); process.chdir(${JSON.stringify(left)}); ${deepen(LEVELS)}`;
      const [program, ...args] = asUser(user, [process.execPath, '-e', make]);
      execFileSync(program, args);
      execFileSync(...split(asUser(user, ['touch', `${left}.lock`])));
      assert.equal((await run(t, here, 'Ok')).result.status, 'success');
      await empty(t, here.runs);
    });

    test('ten warnings of 50 MB under memoryLimitMb 200', async (t) => {
      const here = place(t, user, { sources });
      const { result, growth } = await run(t, here, 'Warnings', {
        options: { memoryLimitMb: 200 },
      });
      assert.ok(growth < 100 * MEGABYTE, `grew by ${growth / MEGABYTE} MB`);
      assert.equal(result.status, 'success');
      const [last, unread] = result.warnings;
      assert.equal(last, 'the last');
      assert.match(unread, /^10 lines of the output were longer than 4 MB/);
    });

    for (const source of [
      'MidWarnings',
      'Escapes',
      'Endless',
      'EndlessJson',
      'EndlessError',
      'Nested',
      'Dates',
    ]) {
      const ways = [
        ['', {}],
        [' with a report', { report: 'report.html' }],
        [' with secrets to look for', { redact: { values: ['a secret\nof two lines'] } }],
      ];
      // what is kept does not depend on the user
      for (const [how, options] of user === process.getuid() ? ways : ways.slice(0, 1)) {
        test(`${source}${how} grows the host by less than 100 MB`, async (t) => {
          const here = place(t, user, { sources });
          const { result, growth } = await run(t, here, source, { options });
          assert.ok(growth < 100 * MEGABYTE, `grew by ${growth / MEGABYTE} MB`);
          assert.equal(result.status, 'success');
          assert.ok(JSON.stringify(result).length < 2 * MEGABYTE);
          if (source === 'Dates') assert.equal(result.state.date, '2026-01-02');
        });
      }
    }

    for (const source of ['MidWarnings', 'Escapes']) {
      test(`${source} that a caller takes grows the host by less than 100 MB`, async (t) => {
        const here = place(t, user, { sources });
        const stdio = '{ logCapture: { onStdout() {}, onStderr() {} } }';
        const { growth } = await run(t, here, source, { stdio });
        assert.ok(growth < 100 * MEGABYTE, `grew by ${growth / MEGABYTE} MB`);
      });
    }

    // what is kept does not depend on the user
    const long = ['Whole', 'NeverJson', 'Wide', 'WholeEscapes', 'WholeSecrets', 'WholeTables'];
    for (const source of user === process.getuid() ? long : []) {
      test(`long lines that a caller takes grow the host by less than 100 MB: ${source}`, async (t) => {
        const here = place(t, user, { sources });
        // the first and the last characters of calls that are no part of a longer line
        const stdio = `{ logCapture: { onStdout: (text) => {
          delivered += text.length;
          if (text.startsWith('{') && text.endsWith('}\\n')) whole += 1;
        }, onStderr() {} } }`;
        const options = { redact: { values: ['a-secret'] } };
        const { result, growth, delivered, whole } = await run(t, here, source, { stdio, options });
        assert.equal(result?.status, 'success');
        // three bytes of eight are left of a secret
        const megabytes =
          { WholeSecrets: 15 * (3 / 8), WholeEscapes: 15, WholeTables: 15 }[source] ?? 50;
        assert.ok(delivered > 10 * megabytes * MEGABYTE * 0.99, `${delivered} were delivered`);
        if (/^Whole./.test(source)) assert.equal(whole, 10);
        else
          assert.match(result.warnings.join('\n'), /10 lines of the output were longer than 33 MB/);
        assert.ok(growth < 100 * MEGABYTE, `grew by ${growth / MEGABYTE} MB`);
      });
    }

    test('a package that describes itself with 1.6 GB is refused', async (t) => {
      const code = `const part = ' '.repeat(${MEGABYTE}); for (let i = 0; i < 1600; i += 1) send(part);`;
      const here = place(t, user, { sources, ...answering(code) });
      const { code: known, message, growth } = await run(t, here, 'Deep');
      assert.equal(known, 'CONNECTORS_NOT_FOUND');
      assert.match(message, /describes itself with more than 4 MB/);
      assert.ok(growth < 100 * MEGABYTE, `grew by ${growth / MEGABYTE} MB`);
    });

    test('a package whose process fills the memory is ended', async (t) => {
      const code = `const kept = []; for (;;) kept.push(Buffer.alloc(50 * ${MEGABYTE}, 1));`;
      const here = place(t, user, { sources, ...answering(code) });
      const { code: known, message } = await run(t, here, 'Deep');
      assert.equal(known, 'CONNECTORS_NOT_FOUND');
      assert.match(message, /more than 1 GB of memory/);
    });

    for (const levels of [1000, 3000]) {
      test(`a manifest with ${levels} choices in each other is refused`, async (t) => {
        const code = `
          const one = '{"P":{"oneOf":[{"value":"v","items":';
          const manifest = '{"parameters":' + one.repeat(${levels}) + '{}' + '}]}}'.repeat(${levels}) + '}';
          send('{"sources":{"Ok":' + manifest + ',"Deep":null},"storages":{"Null":{"environment":{"node":{"enabled":true}}}}}');`;
        const here = place(t, user, { sources, ...answering(code) });
        const { code: known, message } = await run(t, here, 'Ok');
        assert.equal(known, 'CONNECTORS_NOT_FOUND');
        assert.match(message, /nested \d+ levels deep; 64 are read/);
      });
    }
  });
}

/** A command as spawn and its kin take it. */
function split([program, ...args]) {
  return [program, args];
}

const canBeBoth = users.includes(NOBODY) && users.length === 2;

test(
  'what cannot be removed keeps its lock, and goes when it can be',
  { ...PATIENT, skip: !canBeBoth },
  async (t) => {
    const source = `run() { require('node:fs').mkdirSync('kept'); require('node:fs').writeFileSync(${JSON.stringify('ready')}, ''); setInterval(() => { if (require('node:fs').existsSync('go')) process.exit(); }, 5); }`;
    const here = place(t, NOBODY, { sources: { ...sources, Waits: source } });
    const running = run(t, here, 'Waits');
    let folder;
    while (!folder) {
      const names = fs.readdirSync(here.runs).filter((name) => !name.endsWith('.lock'));
      folder = names.find((name) => fs.existsSync(path.join(here.runs, name, 'ready')));
      await pause(5);
    }
    // of another user: what is in it cannot be removed
    const kept = path.join(here.runs, folder, 'kept');
    fs.chownSync(kept, 0, 0);
    fs.writeFileSync(path.join(kept, 'file'), '');
    fs.writeFileSync(path.join(here.runs, folder, 'go'), '');
    const { result } = await running;
    assert.equal(result.status, 'success');
    assert.match(result.warnings.join('\n'), /failed to remove .*owox-run-/);
    assert.deepEqual(fs.readdirSync(here.runs).sort(), [folder, `${folder}.lock`]);
    fs.chownSync(kept, NOBODY, NOBODY);
    assert.equal((await run(t, here, 'Ok')).result.status, 'success');
    await empty(t, here.runs);
  },
);
