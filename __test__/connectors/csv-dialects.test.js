'use strict';
// CSV files as programs write them that are not RFC 4180.

const assert = require('node:assert/strict');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const http = require('node:http');
const { once } = require('node:events');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');
const { gzipSync } = require('node:zlib');

const { Connectors } = require('../../packages/connectors');
const { CsvParser } = require('../../packages/connectors/src/Sources/CsvFile/CsvParser');
const { Edges } = require('../../packages/connectors/src/Sources/CsvFile/Edges');
const { RecordingConfig } = require('./support/memory');

const folder = mkdtempSync(path.join(tmpdir(), 'csv-dialects-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
async function readAt(Path, parameters = {}) {
  const config = new RecordingConfig({ Path, MaxAttempts: 1, ...parameters });
  const source = new Connectors.CsvFile.CsvFileSource(config);
  config.validate();
  const rows = [];
  for await (const batch of source.fetch(source.tables()[0], { start: null, end: null })) {
    rows.push(...batch);
  }
  const warnings = config.of('addWarningToCurrentStatus').map(({ warning }) => warning);
  return { rows: rows.map((row) => ({ ...row })), warnings };
}

function read(content, parameters) {
  files += 1;
  const file = path.join(folder, `${files}.csv`);
  writeFileSync(file, content);
  return readAt(file, parameters);
}

const rowsOf = async (content, parameters) => (await read(content, parameters)).rows;

test('lines above and below are skipped, whatever is in them, by any line end', async () => {
  const lines = ['Report "a', '', 'x;"', 'a,b', '1,"x', 'y"', '2,', 'Total "2', 'says 5" ', '', ''];
  for (const end of ['\n', '\r\n', '\r']) {
    const rows = await rowsOf(lines.join(end), { SkipLines: 3, SkipLinesAtEnd: 2 });
    assert.deepEqual(rows, [
      { a: '1', b: `x${end}y` },
      { a: '2', b: null },
    ]);
  }
  const bad = ['no', 'a,b', '1', 'Total'].join('\n');
  await assert.rejects(rowsOf(bad, { SkipLines: 1, SkipLinesAtEnd: 1 }), /Line 3 has 1 fields/);
  await assert.rejects(rowsOf('a\n1\n', { SkipLines: 5 }), /The CSV file is empty/);
  await assert.rejects(rowsOf('a\n1\n', { SkipLinesAtEnd: 5 }), /The CSV file is empty/);
  await assert.rejects(rowsOf('a\n1\n', { SkipLines: -1 }), /must be 0 or more/);
});

test('what is skipped is the same wherever the text is cut', () => {
  const text = 'one "\r\n\r\nsep=;\r\na;b\r\n1;2\r\n\r\nend\r\nof "it\r\n\r\n';
  const read = (chunks) => {
    const edges = new Edges({ skip: 2, skipAtEnd: 2 });
    const given = [...chunks.map((chunk) => edges.write(chunk)), edges.end()].join('');
    return [given, edges.line, edges.delimiter];
  };
  const expected = ['a;b\r\n1;2\r\n\r\n', 4, ';'];
  assert.deepEqual(read([text]), expected);
  assert.deepEqual(read([...text]), expected);
  for (let at = 0; at < text.length; at += 1) {
    assert.deepEqual(read([text.slice(0, at), text.slice(at)]), expected, String(at));
  }
});

test("the line with which Excel names the delimiter is no row; a person's word goes before it", async () => {
  const rows = [{ a: '1', b: '2,3' }];
  assert.deepEqual(await rowsOf('\ufeffsep=;\r\na;b\r\n1;2,3\r\n'), rows);
  assert.deepEqual(await rowsOf('"SEP=\t"\na\tb\n1\t2,3\n'), rows);
  assert.deepEqual(await rowsOf('sep=,\na;b\n1;2,3\n', { Delimiter: ';' }), rows);
  assert.deepEqual(await rowsOf('sep=x,b\n1,2\n'), [{ 'sep=x': '1', b: '2' }]);
});

test('comments are lines that begin so, not texts that have it', async () => {
  const text = '# made by x\n#"\na,b\n1,#2\n"#3",x\n# the "end';
  for (const Comment of ['#', '# ']) {
    const given = Comment === '#' ? text : text.replaceAll('#', '# ');
    const [first, second, ...more] = await rowsOf(given, { Comment });
    assert.deepEqual([first.b.replace(' ', ''), second.a.replace(' ', '')], ['#2', '#3']);
    assert.deepEqual(more, []);
  }
  const records = (chunks) => {
    const parser = new CsvParser({ comment: '//' });
    return [...chunks.flatMap((chunk) => parser.write(chunk)), ...parser.end()];
  };
  const cut = '//x\r\n/y,1\r\n//z\r\n/';
  const expected = [
    { fields: ['/y', '1'], line: 2 },
    { fields: ['/'], line: 4 },
  ];
  for (let at = 0; at <= cut.length; at += 1) {
    const found = records([cut.slice(0, at), cut.slice(at)]);
    const seen = found.map(({ fields, line }) => ({ fields, line }));
    assert.deepEqual(seen, expected, String(at));
  }
});

test('an escape character, in quotes and without, as MySQL and Python write it', async () => {
  const text = 'a,b\n"say \\"hi\\"","x""y\\\\"\nx\\,y,\\N\n"1\\\n2",\\\\\n';
  assert.deepEqual(await rowsOf(text, { Escape: '\\', NullValues: ['\\N'] }), [
    { a: 'say "hi"', b: 'x"y\\' },
    { a: 'x,y', b: null },
    { a: '1\n2', b: '\\' },
  ]);
  const records = (chunks) => {
    const parser = new CsvParser({ escape: '\\' });
    const all = [...chunks.flatMap((chunk) => parser.write(chunk)), ...parser.end()];
    return all.map(({ fields, line }) => ({ fields, line }));
  };
  const whole = records([text]);
  assert.equal(whole[3].line, 4);
  for (let at = 0; at <= text.length; at += 1) {
    assert.deepEqual(records([text.slice(0, at), text.slice(at)]), whole, String(at));
  }
  await assert.rejects(
    rowsOf('a\n"x\\"\n', { Escape: '\\' }),
    /line 2: a quoted field is not closed/,
  );
  await assert.rejects(rowsOf('a\nx\\', { Escape: '\\' }), /ends in its escape character/);
  await assert.rejects(rowsOf('a\n"x"y\n', { Escape: '\\' }), /goes on after its closing quote/);
  await assert.rejects(rowsOf('a\n', { Escape: 'n' }), /Escape "n" must be one character/);
});

test('lines of delimiters only, as spreadsheets leave them, are left out and told', async () => {
  const { rows, warnings } = await read('a,b,c\n1,2,3\n,,\n"",,\n,,,,,,\n\n');
  assert.deepEqual(rows, [
    { a: '1', b: '2', c: '3' },
    { a: null, b: null, c: null },
  ]);
  assert.deepEqual(warnings, [
    'Lines of delimiters only were left out, 2 in all; the first is line 3',
  ]);
});

test('a quoted empty field can be kept apart from no value', async () => {
  const text = 'a,b,""\n"",,x\n,"",-\n';
  assert.deepEqual(await rowsOf(text.replace('""', 'c')), [
    { a: null, b: null, c: 'x' },
    { a: null, b: null, c: '-' },
  ]);
  const parameters = { KeepQuotedEmpty: true, NullValues: ['-'] };
  for (const Escape of [undefined, '\\']) {
    assert.deepEqual(await rowsOf(text.replace('""', 'c'), { ...parameters, Escape }), [
      { a: '', b: null, c: 'x' },
      { a: null, b: '', c: null },
    ]);
  }
  assert.deepEqual(await rowsOf('a,\n1,\n', parameters), [{ a: '1' }]);
  assert.deepEqual(await rowsOf('a\n1,\n', parameters), [{ a: '1' }]);
});

test('numbers with a decimal comma and separated thousands', async () => {
  const cases = [
    [',', '.', { '1.234,56': '1234.56', '-0,5': '-0.5', 1.234: '1234', '12.34.567': '1234567' }],
    [',', '.', { '1.234,56-': '-1234.56', ',5': '0.5', '+1,5': '1.5', '1,5e3': '1.5e3' }],
    [',', '.', { '007': '007', '+49': '+49', 1234: '1234', '01,5': '01,5', '-1,5-': '-1,5-' }],
    [',', '.', { 'x 1,5': 'x 1,5', '1.234.56,7x': '1.234.56,7x', '2024-01-01': '2024-01-01' }],
    [',', ' ', { '1 234,5': '1234.5', '1\u00a0234': '1234', '1\u202f234\u202f567,0': '1234567.0' }],
    [
      '.',
      ',',
      { '1,234.50': '1234.50', '1,234': '1234', 1.5: '1.5', '1,5': '1,5', '3.10': '3.10' },
    ],
    ['.', "'", { "1'234.5": '1234.5', '1’234': '1234' }],
    [',', undefined, { '1,5': '1.5', 1: '1', 'a.b': 'a.b', '1.2.3': '1.2.3' }],
  ];
  for (const [DecimalSeparator, ThousandsSeparator, values] of cases) {
    const text = `n\n${Object.keys(values)
      .map((value) => `"${value}"\n`)
      .join('')}`;
    const rows = await rowsOf(text, { DecimalSeparator, ThousandsSeparator });
    assert.deepEqual(
      rows.map(({ n }) => n),
      Object.values(values),
    );
  }
  const comma = { DecimalSeparator: ',', Delimiter: ';' };
  // with a comma for decimals this would be another number, silently
  await assert.rejects(rowsOf('n\n1.5\n', comma), /Line 2 has the n "1\.5", which is no number/);
  assert.deepEqual(await rowsOf('n\n1.5\n', { ...comma, Types: 'n: string' }), [{ n: '1.5' }]);
  assert.deepEqual(await rowsOf('n\n1,5\n', { ...comma, Types: 'n: string' }), [{ n: '1,5' }]);
  assert.deepEqual(await rowsOf('n\n1,5\n', { ...comma, UniqueKeys: 'n' }), [{ n: '1,5' }]);
  await assert.rejects(rowsOf('n\n', { DecimalSeparator: ';' }), /DecimalSeparator must be/);
  await assert.rejects(rowsOf('n\n', { ThousandsSeparator: '.' }), /ThousandsSeparator must be/);
});

async function served(t, body, headers) {
  const server = http.createServer((_request, response) => {
    response.writeHead(200, headers);
    for (const byte of body.subarray(0, 3)) response.write(Uint8Array.of(byte));
    response.end(body.subarray(3));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}/rates.csv`;
}

test('the encoding is what a mark, or else the server says, if nobody else does', async (t) => {
  const of = async (text, encoding, type, parameters) => {
    const url = await served(t, Buffer.from(text, encoding), { 'content-type': type });
    return readAt(url, parameters);
  };
  const umlaut = [{ a: 'ü' }];
  const latin = 'text/csv; header=present; Charset="ISO-8859-1"';
  assert.deepEqual((await of('a\nü\n', 'latin1', latin)).rows, umlaut);
  assert.deepEqual((await of('a\nü\n', 'utf8', 'text/csv')).rows, umlaut);
  assert.deepEqual((await of('a\nü\n', 'utf8', 'text/csv;charset=us-ascii')).rows, umlaut);
  assert.deepEqual((await of('a\nü\n', 'utf8', 'text/csv;charset=utf8mb4')).rows, umlaut);
  assert.deepEqual((await of('\ufeffa\nü\n', 'utf16le', latin)).rows, umlaut);
  assert.deepEqual((await of('\ufeffa\nü\n', 'utf8', latin)).rows, umlaut);
  assert.deepEqual((await of('a\nü\n', 'utf8', latin, { Encoding: 'utf-8' })).rows, umlaut);
  const { rows, warnings } = await of('a\nü\n', 'utf8', latin);
  assert.deepEqual(rows, [{ a: 'Ã¼' }]);
  assert.match(warnings[0], /encoded in ISO-8859-1, but it looks like UTF-8.* set Encoding/);
  await assert.rejects(of('a\nü\n', 'latin1', 'text/csv;charset=utf-8'), /is not encoded in utf-8/);
});

test('what gzip has compressed is unpacked, whatever its name, or is said to be damaged', async (t) => {
  const text = `a,b\n${Array.from({ length: 5000 }, (_, at) => `${at},${at * 7919}\n`).join('')}`;
  const whole = gzipSync(text);
  const members = Buffer.concat([gzipSync('a,b\n1,x\n'), gzipSync('2,y\n')]);
  assert.equal((await rowsOf(whole)).length, 5000);
  assert.equal((await rowsOf(members)).length, 2);
  const url = await served(t, whole, { 'content-type': 'application/gzip' });
  assert.equal((await readAt(url)).rows.length, 5000);
  const sent = await served(t, whole, { 'content-encoding': 'gzip' });
  assert.equal((await readAt(sent)).rows.length, 5000);
  assert.deepEqual(await rowsOf(gzipSync(Buffer.from('\ufeffa\nж\n', 'utf16le'))), [{ a: 'ж' }]);
  await assert.rejects(rowsOf(whole.subarray(0, 900)), /compressed by gzip and ends in its middle/);
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 6] ^= 0x55; // of the checksum
  await assert.rejects(rowsOf(damaged), /compressed by gzip and damaged/);
  const config = new RecordingConfig({ Path: '/data/rates.2024.csv.GZ' });
  assert.equal(new Connectors.CsvFile.CsvFileSource(config).tables()[0].name, 'rates.2024');
});
