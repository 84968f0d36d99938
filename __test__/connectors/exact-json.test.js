'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { parse, stringify } = require('../../packages/connectors/src/Core/exactJson');

test('integers beyond 2^53 keep their digits, and so do other numbers that no double holds', () => {
  const text =
    '{"id":9223372036854775807,"least":-9223372036854775808,"exact":1234567890123456768,' +
    '"safe":9007199254740991,"decimal":1.2345678901234567,"exponent":1234567890123456789e3,' +
    '"text":"9223372036854775807, \\"-1234567890123456789\\\\","list":[[12345678901234567890]]}';
  const value = parse(text);
  assert.deepEqual(value, {
    id: 9223372036854775807n,
    least: -9223372036854775808n,
    exact: 1234567890123456768n,
    safe: 9007199254740991,
    decimal: 1.2345678901234567,
    exponent: '1234567890123456789e3',
    text: '9223372036854775807, "-1234567890123456789\\',
    list: [[12345678901234567890n]],
  });
  assert.equal(
    stringify({ id: value.id, list: value.list, text: value.text }),
    '{"id":9223372036854775807,"list":[[12345678901234567890]],"text":"9223372036854775807, \\"-1234567890123456789\\\\"}',
  );
});

test('numbers beyond a double stay text, and those within are numbers', () => {
  const texts = ['1e400', '-1E+999', '1e-400', '0.1234567890123456789', '1234567890.1234567890'];
  for (const text of [...texts, '1.00000000000000000001e5']) {
    assert.deepEqual(parse(`[${text},{"a":${text}}]`), [text, { a: text }], text);
    assert.equal(parse(text), text);
  }
  const numbers = ['1e300', '1E3', '5e-324', '1.7976931348623157e308', '48.053808600000004'];
  for (const text of [...numbers, '0.10000000000000000000', '-0.0', '123456789.0123456', '0e400']) {
    assert.deepEqual(parse(`{"a":${text}}`), { a: Number(text) }, text);
  }
  const endless = `1.${'0'.repeat(2_000_000)}1`;
  assert.deepEqual(parse(`[${endless}]`), [endless]);
  assert.deepEqual(parse('{"1e400":"1e400"}'), { '1e400': '1e400' });
});

test('what is no JSON is refused, also with long numbers in it', () => {
  for (const text of ['', '{"a":1234567890123456789', '[12345678901234567890,]']) {
    assert.throws(() => parse(text), SyntaxError);
  }
});

test('long texts do not exhaust the parser', () => {
  const long = `"\\"${'x\\\\'.repeat(2_000_000)}"`;
  const [text, id] = parse(`[${long},12345678901234567890]`);
  assert.equal(text.length, 4_000_001);
  assert.equal(id, 12345678901234567890n);
});
