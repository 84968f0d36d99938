'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { CsvParser } = require('../../packages/connectors/src/Sources/CsvFile/CsvParser');

/** Records of a text that comes in the given chunks. */
function parse(chunks, options) {
  const parser = new CsvParser(options);
  return [...chunks.flatMap((chunk) => parser.write(chunk)), ...parser.end()];
}

const fieldsOf = (records) => records.map(({ fields }) => fields);

test('fields, quotes and line ends as in RFC 4180', () => {
  const cases = [
    [
      'a,b\n1,2\n',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'a,b\r\n1,2',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'a,b\r1,2\r',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    ['"a,b","say ""hi""","x\r\ny"\n', [['a,b', 'say "hi"', 'x\r\ny']]],
    ['"",,""\n', [['', '', '']]],
    [
      'a,\n"",\n,\n,,\n',
      [
        ['a', ''],
        ['', ''],
      ],
    ],
    ['a,', [['a', '']]],
    ['5" nail,x\n', [['5" nail', 'x']]],
    ['a\n\n\r\nb\n', [['a'], ['b']]],
    ['""\n', [['']]],
    ['"""",""""""\n', [['"', '""']]],
    ['', []],
  ];
  for (const [text, expected] of cases) {
    assert.deepEqual(fieldsOf(parse([text])), expected, JSON.stringify(text));
  }
  assert.deepEqual(fieldsOf(parse(['a;b\t,c'], { delimiter: ';' })), [['a', 'b\t,c']]);
});

test('a record is given as it is written, unless another reader may take it for another one', () => {
  const cases = {
    'a, b ,"c;""d"\r\n': 'a, b ,"c;""d"',
    'a,,"x\ny"': 'a,,"x\ny"',
    "a,\\,'\r": "a,\\,'",
    'a,"",b\n': null, // an empty text, or no value?
    'a,5" nail\n': null,
    'a, "b"\n': null,
  };
  for (const [text, expected] of Object.entries(cases)) {
    for (let cut = 0; cut < text.length; cut += 1) {
      const [{ raw }] = parse([text.slice(0, cut), text.slice(cut)]);
      assert.equal(raw, expected, JSON.stringify(text));
    }
  }
});

test('records know the line they start in', () => {
  const records = parse(['a\n"x\ny\r\nz"\n\nb\n']);
  assert.deepEqual(
    records.map(({ line }) => line),
    [1, 2, 6],
  );
});

test('errors name the line', () => {
  assert.throws(() => parse(['a\n"b" c\n']), /line 2: field 1 goes on after its closing quote/);
  assert.throws(() => parse(['a\n\n"b']), /line 3: a quoted field is not closed/);
  const options = { maxRecordLength: 100 };
  assert.throws(
    () => parse(['a\n"', 'x'.repeat(200), '"'], options),
    /line 2: .* more than 100 char/,
  );
});

test('bytes cut anywhere give the same records', () => {
  const text = 'имя,"значение ""х"""\r\n😀,"две\r\nстроки €"\r\n,ü\n';
  const expected = [
    ['имя', 'значение "х"'],
    ['😀', 'две\r\nстроки €'],
    ['', 'ü'],
  ];
  const bytes = Buffer.from(text);
  const decoded = (parts) => {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    return [...parts.map((part) => decoder.decode(part, { stream: true })), decoder.decode()];
  };
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
    assert.deepEqual(fieldsOf(parse(decoded(parts))), expected, `cut at ${cut}`);
  }
  const single = [...bytes].map((byte) => Uint8Array.of(byte));
  assert.deepEqual(fieldsOf(parse(decoded(single))), expected);
});

test('random tables come back as they were written, in random chunks', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = generator(seed);
    const pick = (list) => list[Math.floor(random() * list.length)];
    const delimiter = pick([',', ';', '\t', '|']);
    const end = pick(['\n', '\r\n', '\r']);
    const width = 1 + Math.floor(random() * 5);
    const rows = Array.from({ length: Math.floor(random() * 20) }, () =>
      Array.from({ length: width }, () => randomText(random)),
    );
    const text = rows
      .map((row) => row.map((cell) => write(cell, random)).join(delimiter))
      .join(end);
    const records = parse(randomChunks(text, random), { delimiter });
    assert.deepEqual(fieldsOf(records), rows, `seed ${seed}: ${JSON.stringify(text)}`);
  }

  function randomText(random) {
    const alphabet = ['a', '1', '"', ',', ';', '\t', '|', '\n', '\r', ' ', 'ж', '😀', "'"];
    const length = Math.floor(random() * 6);
    return Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join('');
  }

  function write(cell, random) {
    const needsQuotes = cell === '' || /[",;\t|\n\r]/.test(cell) || random() < 0.3;
    return needsQuotes ? `"${cell.replaceAll('"', '""')}"` : cell;
  }

  function randomChunks(text, random) {
    const chunks = [];
    for (let at = 0; at < text.length;) {
      const length = 1 + Math.floor(random() * 7);
      chunks.push(text.slice(at, at + length));
      at += length;
    }
    return chunks;
  }
});

/** Pseudo-random numbers from a seed (mulberry32), so that a failure can be repeated. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
