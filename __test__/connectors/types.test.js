'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Core } = require('../../packages/connectors');
const { addDays, dateKind, toDay } = require('../../packages/connectors/src/Core/dates');
const { TextRows } = require('../../packages/connectors/src/Core/TextRows');

/** The type of a column with these values. */
function typeOf(values, { declared, isText = true } = {}) {
  const types = new Core.TypeInference(declared === undefined ? {} : { c: declared }, { isText });
  types.observe(values.map((c) => ({ c })));
  return types.columns.get('c').type;
}

test('types of texts', () => {
  const cases = [
    [[null, null], null],
    [['1', '-5', '0', null], 'integer'],
    [['9223372036854775807', '-9223372036854775808'], 'integer'],
    [['9223372036854775808'], 'string'],
    [['1', '2.5'], 'number'],
    [['2.5', '1'], 'number'],
    [['1e5', '-0.25', '-0'], 'number'],
    [['0.30000000000000004'], 'number'],
    [['0.1234567890123456789'], 'string'],
    [['1e400'], 'string'],
    [['1e-400'], 'string'],
    [['007'], 'string'],
    [['1', '007'], 'string'],
    [['+49'], 'string'],
    [[' 1'], 'string'],
    [['1.', '.5'], 'string'],
    [['true', 'FALSE'], 'boolean'],
    [['true', '1'], 'string'],
    [['2024-02-29'], 'date'],
    [['2023-02-29'], 'string'],
    [['2024-01-01', '2024-01-01T10:00:00'], 'timestamp'],
    [['2024-01-01 10:00:00.123456'], 'timestamp'],
    [['2024-01-01T10:00:00.123456789'], 'timestamp'],
    [['2024-01-01T10:00:00Z', '2024-01-01 10:00:00+02:00'], 'timestamptz'],
    [['2024-01-01T10:00:00Z', '2024-01-01T10:00:00'], 'timestamptz'],
    [['2024-01-01', '2024-01-01T10:00:00Z'], 'timestamptz'],
    [['1', 'x', '2'], 'string'],
    [['2024'], 'integer'],
  ];
  for (const [values, expected] of cases) assert.equal(typeOf(values), expected, String(values));
});

test('large integers and decimals never share a column of doubles, in any order', () => {
  const big = '9007199254740993';
  for (const values of [
    [big, '0.5'],
    ['0.5', big],
    ['1', big, '0.5'],
    ['1', '0.5', big],
  ]) {
    assert.equal(typeOf(values), 'string', String(values));
  }
});

test('types of JavaScript values', () => {
  const cases = [
    [[1, 2], 'integer'],
    [[1, 2.5], 'number'],
    [[2 ** 53], 'number'],
    [[2n ** 62n], 'integer'],
    [[2n ** 63n], 'string'],
    [[true], 'boolean'],
    [[new Date(0)], 'timestamptz'],
    [[{ a: 1 }, [1]], 'json'],
    [['1'], 'string'],
    [['2024-01-01'], 'date'],
  ];
  for (const [values, expected] of cases) {
    assert.equal(typeOf(values, { isText: false }), expected, String(values));
  }
});

test('declared types take what the cast takes, and refuse the rest', () => {
  assert.equal(typeOf(['007', '+1'], { declared: 'integer' }), 'integer');
  assert.equal(typeOf(['1', '.5', '0.1234567890123456789'], { declared: 'number' }), 'number');
  assert.equal(typeOf(['1'], { declared: 'string' }), 'string');
  const refused = [
    ['1.5', 'integer'],
    ['9223372036854775808', 'integer'],
    ['1,5', 'number'],
    ['yes', 'boolean'],
    ['2024-01-01T00:00:00', 'date'],
    ['2024-01-01T00:00:00Z', 'timestamp'],
    ['{', 'json'],
  ];
  for (const [value, declared] of refused) {
    assert.throws(() => typeOf([value], { declared }), /Column "c" is declared as/, value);
  }
  assert.throws(
    () => typeOf(['1'], { declared: 'text' }),
    /unknown type "text": use one of string/,
  );
});

test('days', () => {
  assert.equal(addDays('2024-03-01', -1), '2024-02-29');
  assert.equal(addDays('2024-03-01', -1e12), '0001-01-01');
  assert.equal(toDay('2024-01-01T23:30:00-05:00'), '2024-01-02');
  assert.equal(toDay('2024-01-01 23:30:00.123456-0500'), '2024-01-02');
  assert.equal(toDay('2024-01-01T23:30:00'), '2024-01-01');
  assert.equal(toDay(new Date('2024-01-01T23:30:00Z')), '2024-01-01');
  // days are compared as text
  assert.equal(toDay('9999-12-31T23:59:59-12:00'), '9999-12-31');
  assert.equal(toDay('0001-01-01T00:00:00+14:00'), '0001-01-01');
  assert.equal(toDay('01/02/2024'), null);
  assert.equal(toDay(5), null);
  assert.equal(dateKind('2024-13-01'), null);
});

test('timestamps that mean one moment without doubt are read, others are not', () => {
  const day = '2024-01-01';
  const cases = [
    [`${day}T23:30:00.1234567Z`, 'timestamptz', day],
    [`${day}T23:30:00.123456789`, 'timestamp', day],
    [`${day}T23:30:00-02`, 'timestamptz', '2024-01-02'],
    [`${day}T13:18Z`, 'timestamptz', day],
    [`${day} 23:18-0100`, 'timestamptz', '2024-01-02'],
    [`${day} 10:00:00 UTC`, 'timestamptz', day],
    [`${day} 00:00:00 +0200`, 'timestamptz', '2023-12-31'],
    [`${day}t10:00:00z`, 'timestamptz', day],
    ['2015/01/01 01:00:00', 'timestamp', '2015-01-01'],
    ['2015/01/01', 'date', '2015-01-01'],
    ['2015/01-01', null, null],
    ['2015/13/01', null, null],
    ['01/02/2015', null, null],
    ['2015/1/1', null, null],
    [`${day} 10:00:00 CET`, null, null],
    [`${day} 10:00:00+2`, null, null],
    [`${day} 10`, null, null],
    [`${day}T10:00:00.`, null, null],
    [`${day}T10:00:00.1234567890`, null, null],
    [`${day}T24:00:00`, null, null],
    [`${day}Z`, null, null],
  ];
  for (const [text, kind, lies] of cases) {
    assert.equal(dateKind(text), kind, text);
    assert.equal(toDay(text), lies, text);
  }
});

test('a unique key stays text where two of its texts would become one value', () => {
  const keyed = (texts) => {
    const types = new Core.TypeInference({}, { isText: true, uniqueKeys: ['c'] });
    types.observe(texts.map((c) => ({ c })));
    return types.columns.get('c').type;
  };
  const cases = [
    [['3.1', '3.10'], 'string'],
    [['3.1', '3.2'], 'string'], // the next one may be 3.10, and 3.10.1 after it
    [['1e2', '100'], 'string'],
    [['250.0', '250.00'], 'string'],
    [['655e38'], 'string'],
    [['true', 'TRUE'], 'string'],
    [['true', 'false', 'true'], 'boolean'],
    [['2024-01-01', '2024-01-01 00:00:00'], 'string'],
    [['2024-01-01T00:00:00', '2024-01-01 00:00:00'], 'string'],
    [['2024-01-01T00:00:00Z', '2024-01-01T01:00:00+01:00'], 'string'],
    [['2024-01-01T00:00:00Z', '2024-01-02T00:00:00Z'], 'timestamptz'],
    [['2024-01-01T00:00:00+01', '2024-01-01T01:00:00+02'], 'string'],
    [['2024-01-01T00:00:00Z', '2024-01-01T00:00:00z'], 'string'],
    [['2024-01-01', '2024/01/01'], 'string'],
    [['2024-01-01T00:00:00.1234567', '2024-01-01T00:00:00.1234568'], 'string'],
    [['2024-01-01T00:00:00+02', '2024-01-02T00:00:00+02'], 'timestamptz'],
    [['2024-01-01', '2024-01-02'], 'date'],
    [['1', '2', '9007199254740993'], 'integer'],
  ];
  for (const [texts, type] of cases) assert.equal(keyed(texts), type, JSON.stringify(texts));
});

test('which columns a storage has to ask for two texts of one number', () => {
  const mayMerge = (texts) => {
    const types = new Core.TypeInference({}, { isText: true });
    types.observe(
      new TextRows(
        ['c'],
        texts.map((text) => [text]),
      ),
    );
    const { type, mayMerge: asks } = types.columns.get('c');
    return type === 'number' ? asks : type;
  };
  const cases = [
    [['1.5', '2', '3.25'], false], // as a double gives them back
    [['12.50', '3.00', '7.25'], false], // each with two decimals
    [['3.1', '3.10'], true],
    [['2', '2.50'], true],
    [['1e3', '1000'], true],
    [['1e3', '5e-2'], true],
    [['0.0000001', '1.5'], true],
    [['1', '2'], 'integer'],
    [['true', 'TRUE'], 'string'],
    [['48.053808600000004', '1.5'], true], // its shortest form may be another
    [['.097', '1.5'], true],
  ];
  for (const [texts, expected] of cases) {
    assert.equal(mayMerge(texts), expected, JSON.stringify(texts));
  }
});

test('numbers that a double holds are numbers, however many digits they are written with', () => {
  const cases = [
    [['48.053808600000004', '1'], 'number'],
    [['48.0538086000000040'], 'number'],
    [['.097', '-.5'], 'number'],
    [['0.1000000000000000000000'], 'number'],
    [['0.1234567890123456789'], 'string'],
    [['.'], 'string'],
    [['.e5'], 'string'],
  ];
  for (const [texts, type] of cases) assert.equal(typeOf(texts), type, JSON.stringify(texts));
});

test('a value that turns a column of numbers into text is told, with its line', () => {
  const numbers = Array.from({ length: 30 }, (_, index) => [String(index)]);
  const observed = (rows, options = { isText: true }) => {
    const types = new Core.TypeInference({}, options);
    types.observe(rows);
    return types.oddValues;
  };
  const lines = numbers.map((_, index) => index + 2);
  const rows = new TextRows(['c'], [...numbers, ['n/a'], ['?']], [...lines, 32, 33]);
  assert.deepEqual(observed(rows), [{ column: 'c', type: 'integer', value: 'n/a', row: 32 }]);
  const few = new TextRows(['c'], [['1'], ['2'], ['n/a']]);
  assert.deepEqual(observed(few), []);
  const records = [...numbers.map(([c]) => ({ c: Number(c) })), { c: 'x' }];
  assert.deepEqual(observed(records, {}), [{ column: 'c', type: 'integer', value: 'x', row: 31 }]);
});

/** A small generator with a seed, so that a failure can be repeated. */
function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('texts seen as a list of records have the types that they have one by one', () => {
  const random = randomFrom(7);
  const alphabet = '0123456789.-+:TZe tru';
  const kinds = [
    () => String(random(2000) - 1000),
    () => (random(2000000) / 1000 - 1000).toString(),
    () => '9'.repeat(1 + random(20)),
    () => ['true', 'false', 'TRUE', ''][random(4)],
    () => `20${10 + random(90)}-0${random(10)}-${10 + random(25)}`,
    () =>
      `2024-0${1 + random(9)}-1${random(10)}T${10 + random(16)}:${10 + random(55)}:${10 + random(55)}Z`,
    () => Array.from({ length: random(12) }, () => alphabet[random(alphabet.length)]).join(''),
  ];
  for (let round = 0; round < 20000; round += 1) {
    const usual = kinds[random(kinds.length)];
    const texts = Array.from({ length: 1 + random(6) }, () => {
      if (random(8) === 0) return null;
      return random(6) === 0 ? kinds[random(kinds.length)]() : usual();
    });
    const one = new Core.TypeInference({}, { isText: true });
    one.observe(texts.map((c) => ({ c })));
    const all = new Core.TypeInference({}, { isText: true });
    all.observe(
      new TextRows(
        ['c'],
        texts.map((text) => [text]),
      ),
    );
    const seen = ({ columns }) => {
      const { type, narrow, mayMerge, example, hasBigInteger } = columns.get('c');
      return { type, narrow, mayMerge, example, hasBigInteger };
    };
    assert.deepEqual(seen(all), seen(one), JSON.stringify(texts));
    assert.deepEqual(all.oddValues, one.oddValues);
  }
});
