'use strict';

const { Core } = require('../../../packages/connectors');

/** A config that keeps what is printed. */
class RecordingConfig extends Core.AbstractConfig {
  messages = [];

  constructor(parameters) {
    super(parameters);
    // Parameters are the config's own enumerable properties, so this must not be one.
    Object.defineProperty(this, 'messages', { enumerable: false });
  }

  print(type, fields) {
    this.messages.push({ type, ...fields });
    return Promise.resolve();
  }

  getSourceName() {
    return 'Memory';
  }

  getStorageName() {
    return 'Memory';
  }

  of(type) {
    return this.messages.filter((message) => message.type === type);
  }
}

const RANGE_PARAMETERS = {
  StartDate: { type: 'date' },
  EndDate: { type: 'date' },
  ReimportLookbackWindow: { type: 'number', default: 0, minimum: 0 },
  LastRequestedDate: { type: 'date' },
  City: { type: 'string' },
};

/** Serves the given rows, and keeps what it was asked for. */
class MemorySource extends Core.AbstractSource {
  rows = [{ day: '2024-01-01' }, { day: '2024-01-05' }];
  requests = [];

  constructor(config) {
    super(config, { parameters: RANGE_PARAMETERS });
  }

  tables() {
    return [{ name: 'weather', uniqueKeys: ['day'], dateColumn: 'day' }];
  }

  async *fetch(table, range) {
    this.requests.push({ ...range, table: table.name, city: this.config.getValue('City') });
    if (this.rows.length > 0) yield this.rows;
  }
}

/** Keeps rows, and the order of calls. */
class MemoryStorage extends Core.AbstractStorage {
  calls = [];
  rows = [];

  constructor(config) {
    super(config, { parameters: { DestinationTableName: { type: 'string' } } });
  }

  async open() {
    this.calls.push('open');
  }

  async begin(plan) {
    this.calls.push(`begin ${plan.name}${plan.replace ? ' to replace' : ''}`);
  }

  async write(rows) {
    this.calls.push(`write ${rows.length}`);
    this.rows.push(...rows);
  }

  async commit(columns) {
    this.calls.push('commit');
    this.columns = columns;
    const { length } = this.rows;
    return { rows: length, duplicates: 0, total: length, location: 'memory', look: 'look' };
  }

  async discard() {
    this.calls.push('discard');
    this.rows = [];
  }

  async close() {
    this.calls.push('close');
  }
}

/**
 * @returns {{ connector: Core.AbstractConnector, config: RecordingConfig, source: MemorySource,
 *   storage: MemoryStorage }}
 */
function memoryRun(parameters = {}, runConfig = undefined) {
  const config = new RecordingConfig(parameters);
  const source = new MemorySource(config);
  const run = new Core.AbstractRunConfig(runConfig);
  const connector = new Core.AbstractConnector(config, source, MemoryStorage, run);
  return { connector, config, source, storage: connector.storage };
}

module.exports = { MemorySource, MemoryStorage, RecordingConfig, memoryRun };
