'use strict';
// The report of a run: one HTML page, however the run ends.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const {
  ConnectorExecutionService,
  ConnectorRunner,
  NodeJsEnvironment,
} = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { runScript } = require('./support/host');
const { rejection } = require('./support/output');
const { tempFolder, writeFiles } = require('./support/temp');

const HOSTILE = '</style></script><script>alert(1)</script>"><img src=x onerror=alert(1)>\'`&lt;';

const sources = {
  Works: `async run() {
    const say = (type, fields) => console.log(JSON.stringify({ type, ...fields }));
    const kept = [];
    say('updateCurrentStatus', { status: 1 });
    for (let day = 1; day <= 5; day += 1) {
      kept.push(Buffer.alloc(32 * 2 ** 20, 1));
      while (process.cpuUsage().user < day * 60_000);
      say('log', { message: 'day ' + day, progress: { table: 't', rows: day * 1000 } });
      say('updateLastRequstedDate', { date: '2026-01-0' + day + 'T00:00:00.000Z' });
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    say('addWarningToCurrentStatus', { warning: 'slow down' });
    say('updateCurrentStatus', { status: 3 });
    say('log', { message: 'done', summary: { table: 't', rows: 5432, total: 9999 } });
  }`,
  Fails: `run() {
    console.log(JSON.stringify({ type: 'error', error: 'no such advertiser' }));
    console.log(this.config.json.source.config.AccessToken?.value);
    throw new Error('it broke');
  }`,
  Waits: `run() {
    console.log('waiting');
    return new Promise(() => setInterval(() => {}, 1000));
  }`,
  Hoards: `async run() {
    for (const all = []; ; all.push(Buffer.alloc(16 * 2 ** 20, 1))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }`,
  Hostile: `run() {
    const text = ${JSON.stringify(HOSTILE)};
    console.log(text);
    console.error(text);
    for (const message of [
      { type: 'log', message: text },
      { type: 'addWarningToCurrentStatus', warning: text },
      { type: 'error', error: text },
      { type: 'error', error: { [text]: text } },
      { type: text, [text]: text },
      { type: 'updateCurrentStatus', status: text },
      { type: 'updateLastRequstedDate', date: text },
      { type: 'log', progress: { table: text, rows: 1 } },
    ]) console.log(JSON.stringify(message));
    console.log('\\u001b[31mred\\u001b[0m \\u202e backwards \\u0000');
    throw new Error(text);
  }`,
  Chatty: `async run() {
    const line = JSON.stringify({ type: 'addWarningToCurrentStatus', warning: 'w'.repeat(100) });
    const progress = (rows) => JSON.stringify({ type: 'log', progress: { table: 't', rows } });
    for (let block = 0; block < 100; block += 1) {
      const lines = [];
      for (let n = 0; n < 1000; n += 1) lines.push(line, progress(block * 1000 + n));
      if (!process.stdout.write(lines.join('\\n') + '\\n')) {
        await new Promise((resolve) => process.stdout.once('drain', resolve));
      }
    }
    console.log('x'.repeat(3 * 2 ** 20));
  }`,
};
const options = {
  connectorsPackage: connectorsPackage({ after }, { sources }),
  runsDir: tempFolder({ after }),
};
const runner = new ConnectorRunner(options);

function run(source, given, { parameters, name = 'Daily', stdio = 'ignore' } = {}) {
  const config = { ...configOf(source, parameters), name };
  return runner.run('mart', 'run-7', config, { type: 'INCREMENTAL' }, stdio, given);
}

/** Runs with a report; gives the page, and what came of the run. */
async function reportOf(t, source, given = {}, more = {}) {
  const report = path.join(tempFolder(t), 'run.html');
  const outcome = await run(source, { ...given, report }, more).catch((error) => error);
  return { page: fs.readFileSync(report, 'utf8'), outcome, report };
}

const heading = (page) =>
  page
    .match(/<h1>(.*?)<\/h1>/s)[1]
    .replace(/<[^>]*>/g, '')
    .trim();

/** Points of the curve of a class. */
function curve(page, name) {
  const [, path_] = page.match(new RegExp(`class="line ${name}" d="([^"]*)"`)) ?? [];
  return path_ ? path_.split(/(?=[MLHV])/).length : 0;
}

test('a run that did its work', async (t) => {
  const { page, outcome, report } = await reportOf(t, 'Works');
  assert.equal(outcome.status, 'success');
  assert.equal(outcome.rows, 5432);
  assert.equal(heading(page), '✓ Succeeded – Daily');
  assert.equal(fs.statSync(report).mode & 0o7777, 0o600);
  assert.deepEqual(fs.readdirSync(path.dirname(report)), ['run.html']);
  for (const phase of ['Preparing', 'Starting', 'Running', 'Cleaning up']) {
    assert.match(page, new RegExp(`<th scope="row">${phase}`));
  }
  const [, megabytes] = page.match(/Largest after [\d.]+ s: (\d+) MB/);
  assert.ok(Number(megabytes) >= 150, `${megabytes} MB, of which 160 were allocated`);
  assert.ok(curve(page, 'memory') > 5 && curve(page, 'cpu') > 1, page);
  assert.match(page, /Most .*?: [1-9]\d* % of one core/);
  const [, seconds] = page.match(/In all ([\d.]+) s of CPU time/);
  const most = outcome.resources.cpuMs / 1000 + 0.02; // two clocks of hundredths
  assert.ok(seconds >= 0.2 && seconds <= most, `${seconds} s of ${most}`);
  assert.match(page, /5,432 rows in the end/);
  assert.match(page, /From 2026-01-01 to 2026-01-05/);
  assert.match(page, /import in progress after .*import done after/);
  const [place] = page.match(
    /href="#(stdout-\d+)">stdout line \d+<\/a>, after [^<]*<\/span><[^>]*>slow down/,
  );
  const [, id] = place.match(/#(stdout-\d+)/);
  assert.match(page, new RegExp(`<li id="${id}">.*?warning: slow down`));
  assert.match(page, /<strong>processes<\/strong> <span class="badge/);
  for (const [name, value] of [
    ['Run id', 'run-7'],
    ['Data mart', 'mart'],
    ['Connectors package', '@test/connectors 1.2.3'],
  ]) {
    assert.ok(page.includes(`<th scope="row">${name}</th><td>${value}</td>`), name);
  }
  assert.doesNotMatch(page, /<script|<link rel="stylesheet|https?:\/\//);
});

test('runs that fail, are too slow, fall silent, take too much, or are cancelled', async (t) => {
  const controller = new AbortController();
  const stdio = { logCapture: { onStdout: () => controller.abort() } };
  for (const [source, given, said, more] of [
    ['Fails', {}, '✗ Failed – Daily'],
    ['Waits', { timeoutMs: 3000, graceMs: 0 }, '✗ Took too long – Daily'],
    ['Waits', { stallTimeoutMs: 1500, graceMs: 0 }, '✗ Fell silent – Daily'],
    ['Waits', { signal: controller.signal }, '■ Cancelled – Daily', { stdio }],
    ['Hoards', { memoryLimitMb: 160 }, '✗ Out of memory – Daily'],
  ]) {
    const { page, outcome } = await reportOf(t, source, given, more);
    assert.ok(outcome instanceof Error, said);
    assert.equal(heading(page), said);
    assert.ok(page.includes(`<code>${outcome.code}</code>`), outcome.code);
    if (source === 'Fails') {
      assert.match(page, /The connector said:<\/p><pre>Error: it broke<\/pre>/);
      assert.match(page, /Errors of the connector.*no such advertiser/s);
    }
    if (source === 'Hoards') assert.match(page, /class="limit".*limit: 160 MB/s);
  }
});

test('runs whose process never started', async (t) => {
  const aborted = await reportOf(t, 'Works', { signal: AbortSignal.abort() });
  assert.equal(heading(aborted.page), '■ Cancelled – Daily');
  const missing = await reportOf(t, 'Nowhere');
  assert.equal(heading(missing.page), '✗ Did not start – Daily');
  assert.match(missing.page, /Nowhere.*<code>INVALID_CONFIG<\/code>|<code>CONNECTORS_NOT_FOUND/s);
  assert.match(missing.page, /No process was started/);
});

test('a secret is nowhere in it, also where redaction is off for the output', async (t) => {
  const parameters = {
    AccessToken: { value: 'tok-abcdefgh' },
    Pin: { value: 'short' },
    AuthType: { oauth2: { ClientId: 'client', ClientSecret: 'hush' } },
    Note: 'has tok-abcdefgh inside',
  };
  const redacted = await reportOf(t, 'Fails', { redact: { names: ['Pin'] } }, { parameters });
  for (const secret of ['tok-abcdefgh', '>short<', 'hush']) {
    assert.ok(!redacted.page.includes(secret), secret);
  }
  assert.match(redacted.page, /<td>has \*\*\* inside<\/td>/);
  assert.match(redacted.page, /AuthType › oauth2 › ClientId<\/th><td>client</);
  const open = await reportOf(t, 'Fails', { redact: false }, { parameters });
  assert.match(open.page, /AccessToken<\/th><td><span class="quiet">\*\*\* \(secret\)/);
  assert.ok(!open.page.includes('>hush<'));
});

test('hostile names and output are text', async (t) => {
  const parameters = { [HOSTILE]: HOSTILE, List: { value: [HOSTILE, { [HOSTILE]: 1 }] } };
  const report = path.join(tempFolder(t), 'run.html');
  const config = { ...configOf('Hostile', parameters), name: HOSTILE };
  const state = { date: HOSTILE, [HOSTILE]: HOSTILE };
  const data = [{ configField: HOSTILE, value: HOSTILE }];
  const runConfig = { type: HOSTILE, data, state };
  const error = await rejection(
    runner.run(`mart ${HOSTILE}`, `run ${HOSTILE}`, config, runConfig, 'ignore', { report }),
  );
  assert.equal(error.code, 'CONNECTOR_FAILED');
  const page = fs.readFileSync(report, 'utf8');
  const tags = new Set(page.match(/<\/?[a-zA-Z]+/g));
  for (const tag of ['<script', '</script', '<img']) assert.ok(!tags.has(tag), tag);
  assert.equal(page.match(/<\/style/g).length, 1);
  assert.ok(page.match(/&lt;script&gt;alert\(1\)/g).length > 15, 'they are shown');
  // all attributes are of ours: whatever stands in quotes holds no sign of the hostile text
  for (const [, value] of page.matchAll(/<[a-z][^>]*?\s[a-z-]+="([^"]*)"/gi)) {
    assert.ok(!value.includes('alert'), value);
  }
  assert.ok(!page.includes('\u001b') && !page.includes('\u202e') && !page.includes('\0'));
});

test('a huge run gives a small page that says what is left out', async (t) => {
  const { page, outcome } = await reportOf(t, 'Chatty');
  assert.equal(outcome.status, 'success');
  assert.ok(page.length < 400_000, `${page.length} characters`);
  assert.match(page, /99,900 earlier ones are left out; these are the last 100/);
  assert.match(page, /199,80\d lines are left out here/);
  assert.match(page, /and 3,145,328 more characters/);
  assert.ok(curve(page, 'rows') <= 1200, 'at most 600 points, each a step to the right and one up');
});

test('a path at which no file can be is refused, and nothing is run, followed or waited for', async (t) => {
  const folder = tempFolder(t);
  const at = (name) => path.join(folder, name);
  fs.writeFileSync(at('precious'), 'kept');
  fs.symlinkSync(at('precious'), at('link'));
  execFileSync('mkfifo', [at('fifo')]);
  for (const report of [at('link'), at('fifo'), folder, '/dev/null', at('missing/run.html')]) {
    const seen = [];
    const stdio = { onSpawn: (pid) => seen.push(pid) };
    const error = await rejection(run('Works', { report }, { stdio }));
    assert.equal(error.code, 'INVALID_CONFIG');
    assert.ok(error.message.includes(report), error.message);
    assert.deepEqual(seen, []);
  }
  assert.equal(fs.readFileSync(at('precious'), 'utf8'), 'kept');
  for (const report of [7, '', 'a\0b', {}]) {
    const expected = { code: 'INVALID_CONFIG', message: /report/ };
    await assert.rejects(run('Works', { report }), expected);
  }
});

test('a report that cannot be written at the end is a warning, not a failure', async (t) => {
  const folder = tempFolder(t);
  const report = path.join(folder, 'run.html');
  const stdio = { onSpawn: () => fs.symlinkSync('elsewhere', report) };
  const { status, warnings } = await run('Works', { report }, { stdio });
  assert.equal(status, 'success');
  assert.match(warnings.at(-1), /failed to write the report .*run\.html: .*symbolic link/);
  assert.deepEqual(fs.readdirSync(folder), ['run.html']);
});

test('an environment that derives from ours has reports, any other is refused', async (t) => {
  const report = path.join(tempFolder(t), 'run.html');
  class Own extends NodeJsEnvironment {
    cleanup(...ids) {
      return super.cleanup(...ids);
    }
  }
  const config = configOf('Works');
  const service = new ConnectorExecutionService(new Own(options), options);
  await service.execute('mart', 'run-8', config, {}, 'ignore', { report });
  const page = fs.readFileSync(report, 'utf8');
  assert.equal(heading(page), '✓ Succeeded – Test');
  assert.match(page, /<td>run-8<\/td>/);
  const foreign = {
    createEnvironment: () => '/nowhere',
    executeConnector() {},
    cleanup() {},
  };
  const error = await rejection(
    new ConnectorExecutionService(foreign, options).execute('m', 'r', config, {}, 'ignore', {
      report,
    }),
  );
  assert.equal(error.code, 'INVALID_CONFIG');
});

test('--report of the command line, also for a run that was refused', async (t) => {
  const folder = writeFiles(tempFolder(t), {
    'good.json': configOf('Works'),
    'bad.json': configOf('Fails'),
    'broken.json': '{ "name": ',
    'run.html': 'of an older run',
  });
  const env = { ...process.env, OWOX_CONNECTORS_PACKAGE: options.connectorsPackage };
  for (const [config, said, code] of [
    ['good.json', '✓ Succeeded – Test', 0],
    ['bad.json', '✗ Failed – Test', 1],
    ['broken.json', '✗ Did not start – broken.json', 1],
  ]) {
    const args = [config, '--report', 'run.html', '--no-state'];
    const ended = await runScript('src/cli-wrapper.js', args, { cwd: folder, env });
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, /Report +run\.html\n/);
    assert.equal(heading(fs.readFileSync(path.join(folder, 'run.html'), 'utf8')), said);
  }
});
