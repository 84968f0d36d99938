'use strict';
// Contract, section 6: what reaches `onStdout` and `onStderr`, byte for byte.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { capture } = require('./support/output');
const { scriptFolder } = require('./support/temp');

const environment = new NodeJsEnvironment();

/** Runs a script and gives the texts of each callback. */
async function play(t, script) {
  const { stdout, stderr, stdio } = capture();
  // console.log makes the pipe non-blocking
  const prelude = `const fs = require('node:fs');
    const write = (fd, data) => {
      const bytes = Buffer.from(data);
      for (let at = 0; at < bytes.length;) {
        try { at += fs.writeSync(fd, bytes, at); } catch (error) {
          if (error.code !== 'EAGAIN') throw error;
        }
      }
    };\n`;
  const result = await environment.executeConnector(
    scriptFolder(t, prelude + script),
    undefined,
    stdio,
  );
  return { stdout, stderr, result };
}

/** Whether a line is JSON objects only, as the backend sees it. */
function isJson(line) {
  const text = line.trim();
  if (!text.startsWith('{')) return false;
  try {
    JSON.parse(`[${text.replaceAll(/\}\s*\{/g, '},{')}]`);
    return true;
  } catch {
    return false;
  }
}

/** Each call has whole lines of one kind; only the last may lack its line end. */
function assertWholeLines(texts) {
  for (const [index, text] of texts.entries()) {
    if (index < texts.length - 1) assert.ok(text.endsWith('\n'), JSON.stringify(text.slice(-40)));
    const lines = text.split('\n').slice(0, text.endsWith('\n') ? -1 : undefined);
    const kinds = new Set(lines.map(isJson));
    assert.equal(kinds.size, 1, `call ${index} mixes JSON and text`);
  }
}

test('a JSON line of 5 MB Cyrillic text arrives whole', async (t) => {
  const script = `
    const message = 'Привіт, світе! '.repeat(200_000);
    const line = JSON.stringify({ type: 'log', message }) + '\\n';
    if (Buffer.byteLength(line) < 5_000_000) throw new Error('too short');
    console.log('before'); write(1, line); console.log('after');`;
  const { stdout } = await play(t, script);
  const line = `${JSON.stringify({ type: 'log', message: 'Привіт, світе! '.repeat(200_000) })}\n`;
  assert.equal(stdout.join('') === `before\n${line}after\n`, true);
  assertWholeLines(stdout);
  assert.equal(stdout.filter((text) => text.includes('Привіт')).join('') === line, true);
});

test('a 5 MB line written by process.stdout arrives whole, also before process.exit', async (t) => {
  const script = `process.stdout.write(JSON.stringify({ m: 'ж'.repeat(2_600_000) }));`;
  const { stdout } = await play(t, script);
  assert.equal(JSON.parse(stdout.join('')).m === 'ж'.repeat(2_600_000), true);
});

test('plain lines and JSON lines written alternately never share a call', async (t) => {
  const script = `
    for (let i = 0; i < 500; i += 1) {
      console.log('plain ' + i);
      console.log(JSON.stringify({ type: 'log', message: 'line ' + i }));
    }
    write(1, ('text\\n{"a":1}\\n{"b":2}\\n{"c":3}{"d":4}\\n{broken\\n\\n').repeat(300));`;
  const { stdout } = await play(t, script);
  const first = Array.from(
    { length: 500 },
    (_, i) => `plain ${i}\n{"type":"log","message":"line ${i}"}\n`,
  );
  const second = 'text\n{"a":1}\n{"b":2}\n{"c":3}{"d":4}\n{broken\n\n'.repeat(300);
  assert.equal(stdout.join(''), first.join('') + second);
  assertWholeLines(stdout);
});

test('characters split between small writes stay whole', async (t) => {
  const text = 'Київ ✓ 😀 ünï\n{"m":"Київ 😀"}\n'.repeat(20);
  const script = `
    const bytes = Buffer.from(${JSON.stringify(text)});
    for (let i = 0; i < bytes.length; i += 1) {
      fs.writeSync(1, bytes, i, 1);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, i % 7 ? 0 : 1);
    }
    for (const byte of bytes) fs.writeSync(2, Buffer.from([byte]));`;
  const { stdout, stderr } = await play(t, script);
  assert.equal(stdout.join(''), text);
  assert.equal(stderr.join(''), text);
  assertWholeLines(stdout);
  assertWholeLines(stderr);
});

test('a line is not delivered before it is whole', async (t) => {
  const script = `
    write(1, '{"type":"log",');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    write(1, '"message":"one"}\\n');`;
  const { stdout } = await play(t, script);
  assert.deepEqual(stdout, ['{"type":"log","message":"one"}\n']);
});

for (const last of ['plain', '{"json":true}', '{"cut":', 'ж']) {
  test(`a last line without line end is delivered: ${last}`, async (t) => {
    const { stdout, stderr } = await play(
      t,
      `write(1, ${JSON.stringify(`{"a":1}\n${last}`)}); write(2, ${JSON.stringify(last)});`,
    );
    assert.equal(stdout.join(''), `{"a":1}\n${last}`);
    assertWholeLines(stdout);
    assert.equal(stderr.join(''), last);
  });
}

test('bytes that are not UTF-8 are replaced, and lines around them stay', async (t) => {
  const script = `
    write(1, Buffer.from([0x61, 0xff, 0x62, 0x0a]));
    write(1, '{"a":1}\\n');
    write(1, Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc3, 0x22, 0x7d, 0x0a]));
    write(1, Buffer.from([0xd0]));`;
  const { stdout } = await play(t, script);
  assert.equal(stdout.join(''), 'a\ufffdb\n{"a":1}\n{"a":"\ufffd"}\n\ufffd');
});

test('line ends stay as they are: CRLF, lone CR, empty lines, NUL', async (t) => {
  const text = 'a\r\n{"b":1}\r\n\r\n\n\rc\r\0\n';
  const { stdout } = await play(t, `write(1, ${JSON.stringify(text)});`);
  assert.equal(stdout.join(''), text);
  assert.ok(stdout.includes('{"b":1}\r\n'));
});

test('order is kept over many lines of changing length', async (t) => {
  const script = `
    for (let i = 0; i < 20_000; i += 1) {
      console.log(i % 5 ? JSON.stringify({ i, pad: 'p'.repeat(i % 113) }) : 'text ' + i);
    }`;
  const { stdout } = await play(t, script);
  const expected = Array.from({ length: 20_000 }, (_, i) =>
    i % 5 ? JSON.stringify({ i, pad: 'p'.repeat(i % 113) }) : `text ${i}`,
  );
  assert.equal(stdout.join('') === `${expected.join('\n')}\n`, true);
  assertWholeLines(stdout);
});

test('objects back to back without line end are one JSON line', async (t) => {
  const { stdout } = await play(t, `write(1, '{"a":1}{"b":2}'); write(1, '{"c":3}');`);
  assert.deepEqual(stdout, ['{"a":1}{"b":2}{"c":3}']);
});

test('onStderr carries only what the connector wrote', async (t) => {
  const { stderr, stdout, result } = await play(t, '');
  assert.deepEqual(
    { stderr, stdout, warnings: result.warnings },
    {
      stderr: [],
      stdout: [],
      warnings: [],
    },
  );
});

test('what a child of the connector prints is delivered too', async (t) => {
  const script = `
    const { spawnSync } = require('node:child_process');
    spawnSync(process.execPath, ['-e', 'console.log("from the child")'], { stdio: 'inherit' });
    console.log('{"from":"the connector"}');`;
  const { stdout } = await play(t, script);
  assert.deepEqual(stdout.join(''), 'from the child\n{"from":"the connector"}\n');
  assertWholeLines(stdout);
});
