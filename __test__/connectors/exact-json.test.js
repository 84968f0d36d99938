'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { parse, stringify } = require('../../packages/connectors/src/Core/exactJson');

test('integers beyond 2^53 keep their digits, all else is as JSON has it', () => {
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
    exponent: Number('1234567890123456789e3'),
    text: '9223372036854775807, "-1234567890123456789\\',
    list: [[12345678901234567890n]],
  });
  assert.equal(
    stringify({ id: value.id, list: value.list, text: value.text }),
    '{"id":9223372036854775807,"list":[[12345678901234567890]],"text":"9223372036854775807, \\"-1234567890123456789\\\\"}',
  );
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
