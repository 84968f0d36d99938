/* global beforeEach, describe, expect, it, jest */
'use strict';
// Hosts' suites mock modules of Node's: the package has to load all the same.

describe('with fs mocked', () => {
  beforeEach(() => jest.resetModules());

  for (const name of ['fs', 'node:fs']) {
    it(`loads the addon (${name})`, () => {
      jest.doMock(name, () => ({ existsSync: () => false, readFileSync: jest.fn() }));
      const { Config } = require('@owox/connector-runner');
      const config = { datamartId: 'd', name: 'n' };
      config.source = { name: 's', config: { A: 1 } };
      config.storage = { name: 's', config: {} };
      expect(new Config(config).toObject().source.config).toEqual({ A: { value: 1 } });
      jest.dontMock(name);
    });
  }

  it('loads the addon (automatic mock)', () => {
    jest.doMock('fs');
    jest.doMock('node:fs');
    expect(typeof require('@owox/connector-runner').ConnectorRunner).toBe('function');
    jest.dontMock('fs');
    jest.dontMock('node:fs');
  });
});
