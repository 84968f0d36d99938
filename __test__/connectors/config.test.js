'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');
const { Core, Connectors, Storages } = require('../../packages/connectors');

const { AbstractConfig, AbstractRunConfig, NodeJsConfig } = Core;

test('a probe holds the parameters of a source and of a storage after construction', () => {
  const source = new AbstractConfig({});
  new Connectors.CsvFile.CsvFileSource(source);
  assert.deepEqual(Object.keys(source), Object.keys(Connectors.CsvFile.manifest.parameters));
  assert.equal(source.Path.isRequired, true);
  assert.equal(source.Path.requiredType, 'string');
  assert.equal(source.Path.format, 'path');
  assert.equal(source.ReimportLookbackWindow.default, 2);

  const storage = new AbstractConfig({});
  new Storages.DuckDb.DuckDbStorage(storage);
  assert.deepEqual(Object.keys(storage), Object.keys(Storages.DuckDb.manifest.parameters));
});

test('every parameter in a manifest has a type, a label and a description', () => {
  for (const { manifest } of [Connectors.CsvFile, Storages.DuckDb]) {
    for (const [name, parameter] of Object.entries(manifest.parameters)) {
      assert.ok(parameter.type && parameter.label && parameter.description, name);
    }
  }
});

test('definitions are merged under what is given', () => {
  const config = new AbstractConfig({ A: { value: 1 }, C: 'plain' });
  config.mergeParameters({
    A: { requiredType: 'number', default: 7, label: 'An A' },
    B: { requiredType: 'number', default: 8 },
    C: { requiredType: 'string', value: 'from the definition' },
  });
  assert.deepEqual(config.A, { value: 1, requiredType: 'number', default: 7, label: 'An A' });
  assert.equal(config.getValue('A'), 1);
  assert.equal(config.getValue('B'), 8);
  assert.equal(config.getValue('C'), 'plain');
  assert.equal(config.getValue('D'), null);
});

test('values come in the type of their definition', () => {
  const cases = [
    ['string', 5, '5'],
    ['number', '2.5', 2.5],
    ['boolean', 'TRUE', true],
    ['boolean', false, false],
    ['date', '2024-01-31T10:00:00.000Z', '2024-01-31'],
    ['object', '{"a":1}', { a: 1 }],
    ['array', 'a, b', ['a', 'b']],
    ['array', '["a,b"]', ['a,b']],
    ['array', ['x'], ['x']],
    ['array', [2026, true, '7'], ['2026', 'true', '7']],
  ];
  for (const [requiredType, value, expected] of cases) {
    const config = new AbstractConfig({ P: { value } }).mergeParameters({ P: { requiredType } });
    assert.deepEqual(config.getValue('P'), expected, `${requiredType} ${value}`);
    assert.equal(config.validate(), true);
  }
});

test('validate lists everything that is wrong, with name and remedy', () => {
  const config = new AbstractConfig({
    Count: 'many',
    Day: '31.01.2024',
    Flag: 1,
    List: 5,
    Window: -1,
    Empty: '',
    Key: { value: { hidden: 'abc' } },
    Long: 2 ** 53,
    Ids: [1, 2 ** 60],
    Mixed: { value: ['a', { b: 1 }] },
  }).mergeParameters({
    Missing: { requiredType: 'string', isRequired: true },
    Empty: { requiredType: 'string', isRequired: true },
    Defaulted: { requiredType: 'string', isRequired: true, default: 'x' },
    Count: { requiredType: 'number' },
    Day: { requiredType: 'date' },
    Flag: { requiredType: 'boolean' },
    List: { requiredType: 'array' },
    Window: { requiredType: 'number', minimum: 0 },
    Key: { requiredType: 'string', secret: true },
    Long: { requiredType: 'string' },
    Ids: { requiredType: 'array' },
    Mixed: { requiredType: 'array' },
  });
  assert.throws(
    () => config.validate(),
    (error) => {
      const lines = error.message.split('\n').sort();
      assert.deepEqual(lines, [
        'Parameter "Count" must be a number, but is "many": correct it',
        'Parameter "Day" must be a date like 2024-01-31, but is "31.01.2024": correct it',
        'Parameter "Empty" is required: add it to the configuration',
        'Parameter "Flag" must be true or false, but is 1: correct it',
        'Parameter "Ids" has a number that is too long for JSON, which rounds it: put it in quotes',
        'Parameter "Key" must be a text, but is something else: correct it',
        'Parameter "List" must be a list like ["a", "b"] or "a, b", but is 5: correct it',
        'Parameter "Long" has a number that is too long for JSON, which rounds it: put it in quotes',
        'Parameter "Missing" is required: add it to the configuration',
        'Parameter "Mixed" must be a list like ["a", "b"] or "a, b", but is ["a",{"b":1}]: correct it',
        'Parameter "Window" must be 0 or more, but is -1: correct it',
      ]);
      return true;
    },
  );
});

test('a one-of takes the parameters of the chosen one', () => {
  const definitions = {
    Login: {
      isRequired: true,
      oneOf: [
        { value: 'key', items: { Key: { requiredType: 'string', isRequired: true } } },
        { value: 'none', items: {} },
      ],
    },
  };
  const make = (given) => new AbstractConfig(given).mergeParameters(definitions);

  const chosen = make({ Login: { value: 'key', items: { Key: { value: 'k' } } } });
  assert.equal(chosen.validate(), true);
  assert.equal(chosen.getValue('Login'), 'key');
  assert.equal(chosen.getValue('Login', 'Key'), 'k');
  assert.throws(
    () => make({ Login: { value: 'key', items: {} } }).validate(),
    /"Login.Key" is required/,
  );
  assert.throws(() => make({ Login: { value: 'other' } }).validate(), /must be one of key, none/);
  assert.throws(() => make({}).validate(), /"Login" is required/);
});

test('names that would shadow methods are refused', () => {
  for (const name of ['validate', '__proto__', 'constructor']) {
    const parameters = JSON.parse(`{"${name}":{"value":1}}`);
    assert.throws(() => new AbstractConfig(parameters), /cannot be the name of a parameter/);
  }
});

test('unknown parameters are told apart from defined ones', () => {
  const config = new AbstractConfig({ Path: '/x', Delimeter: ';' });
  new Connectors.CsvFile.CsvFileSource(config);
  assert.deepEqual(config.unknownParameters(), ['Delimeter']);
  assert.throws(
    () => config.setValue('Delimeter', ','),
    /no parameter "Delimeter": use one of Path/,
  );
});

test('NodeJsConfig reads source and storage, and refuses contradictions', () => {
  const make = (source, storage) =>
    new NodeJsConfig({
      source: { name: 'S', config: source },
      storage: { name: 'T', config: storage },
    });
  const config = make({ A: { value: 1 }, C: { value: 3 } }, { B: { value: 2 }, C: { value: 3 } });
  assert.equal(config.getSourceName(), 'S');
  assert.equal(config.getStorageName(), 'T');
  assert.deepEqual({ ...config }, { A: { value: 1 }, B: { value: 2 }, C: { value: 3 } });
  assert.throws(
    () => make({ A: { value: 1 } }, { A: { value: 2 } }),
    /"A" has one value in the source/,
  );
});

test('messages are JSON lines with type and time, also when there are many', () => {
  const script = `
    const { Core } = require(${JSON.stringify(require.resolve('../../packages/connectors'))});
    const part = { name: 'X', config: {} };
    const config = new Core.NodeJsConfig({ source: part, storage: part });
    (async () => {
      for (let i = 0; i < 20000; i += 1) {
        const printed = config.log('№ ' + i, { i });
        if (i % 3 === 0) await printed;
      }
      config.updateCurrentStatus(Core.STATUS.IMPORT_DONE);
      config.updateLastRequstedDate(new Date('2024-01-01T00:00:00Z'));
      config.updateLastImportDate(new Date('2024-01-02T00:00:00Z'));
      config.addWarningToCurrentStatus('careful');
      config.isInProgress();
    })();`;
  const options = { encoding: 'utf8', maxBuffer: 1 << 26 };
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], options);
  assert.equal(stderr, '');
  const messages = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.ok(messages.every(({ at }) => new Date(at).toISOString() === at));
  const logs = messages.slice(0, 20000);
  assert.ok(
    logs.every(({ type, message, i }, n) => type === 'log' && message === `№ ${n}` && i === n),
  );
  assert.deepEqual(
    messages.slice(20000).map(({ at, ...rest }) => rest),
    [
      { type: 'updateCurrentStatus', status: 3 },
      { type: 'updateLastRequstedDate', date: '2024-01-01T00:00:00.000Z' },
      { type: 'updateLastImportDate', date: '2024-01-02T00:00:00.000Z' },
      { type: 'addWarningToCurrentStatus', warning: 'careful' },
      { type: 'isInProgress', status: true },
    ],
  );
});

test('a wait announces itself, unless it is short', async () => {
  const { RecordingConfig } = require('./support/memory');
  const config = new RecordingConfig({});
  const before = Date.now();
  await config.wait(1, 'short');
  await config.wait(500, 'the server is busy');
  const [{ waiting }, ...others] = config.of('isInProgress');
  assert.deepEqual([waiting.reason, others], ['the server is busy', []]);
  assert.ok(waiting.untilMs >= before + 500 && Date.now() >= before + 500);
});

test('a run config has defaults, and takes data as a list or as an object', () => {
  assert.deepEqual({ ...new AbstractRunConfig() }, { type: 'INCREMENTAL', data: [], state: {} });
  const list = new AbstractRunConfig({ type: 'CUSTOM', data: [{ configField: 'A', value: 1 }] });
  const object = new AbstractRunConfig({ type: 'CUSTOM', data: { A: 1 } });
  assert.deepEqual(list.overrides, [['A', 1]]);
  assert.deepEqual(object.overrides, [['A', 1]]);
  assert.throws(
    () => new AbstractRunConfig({ type: 'SOMETIMES' }).validate(),
    /"SOMETIMES" is unknown/,
  );
  assert.throws(() => new AbstractRunConfig({ data: [{ field: 'A' }] }).validate(), /configField/);
});
