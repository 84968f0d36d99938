'use strict';
// The reference package with a source and a storage that are files of the test's, and a connector
// that comes to grief where the test wants. This file and index.js are copied beside a copy of it.

const fs = require('node:fs');
const path = require('node:path');

const TABLES = ['fast', 'slow'];

const text = { type: 'string', required: true };
const sourceManifest = {
  parameters: {
    World: text,
    Region: text,
    DaysPerStep: { type: 'number', affects: 'how' },
    StartDate: { type: 'date', affects: 'how' },
    EndDate: { type: 'date', affects: 'how' },
    ReimportLookbackWindow: { type: 'number', affects: 'how', default: 2 },
    LastRequestedDate: { type: 'date', affects: 'how' },
  },
};
const storageManifest = {
  parameters: {
    Folder: text,
    DestinationTableName: { type: 'string' },
    DestinationTableNameOverride: { type: 'string' },
  },
  environment: { node: { enabled: true, dependencies: [] } },
};

const read = (file, otherwise) =>
  fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : otherwise;

function write(file, value) {
  fs.writeFileSync(`${file}.new`, JSON.stringify(value));
  fs.renameSync(`${file}.new`, file);
}

function connectors(reference) {
  const { Core } = reference;

  class ModelSource extends Core.AbstractSource {
    constructor(config) {
      super(config, sourceManifest);
    }

    tables() {
      const daysPerStep = this.config.getValue('DaysPerStep') ?? undefined;
      const shape = { uniqueKeys: ['id'], dateColumn: 'day', daysPerStep };
      return TABLES.map((name) => ({ name, ...shape }));
    }

    async *fetch({ name }, { start, end }) {
      const file = `${this.config.getValue('Region')}.json`;
      const all = read(path.join(this.config.getValue('World'), file), {})[name] ?? [];
      const isWanted = ({ day }) =>
        (start === null || day >= start) && (end === null || day <= end);
      const rows = all.filter(isWanted);
      if (rows.length > 0) yield rows;
    }
  }

  /** A table is a file, which is replaced by each commit. */
  class FilesStorage extends Core.AbstractStorage {
    constructor(config) {
      super(config, storageManifest);
    }

    #file(name) {
      return path.join(this.config.getValue('Folder'), `${name}.json`);
    }

    async open() {}

    async hasRows(name) {
      return Object.keys(read(this.#file(name), {})).length > 0;
    }

    async begin(plan) {
      this.plan = plan;
      this.rows = [];
    }

    async write(rows) {
      this.rows.push(...rows);
    }

    async discard() {}

    async commit() {
      const { name, replace } = this.plan;
      const table = replace ? {} : read(this.#file(name), {});
      for (const { id, day } of this.rows) table[id] = day;
      write(this.#file(name), table);
      const total = Object.keys(table).length;
      return { rows: this.rows.length, duplicates: 0, total, location: 'files' };
    }

    async close() {}
  }

  class ModelConnector extends Core.AbstractConnector {
    constructor(...given) {
      super(...given);
      const { storage } = this;
      const [begin, commit] = ['begin', 'commit'].map((name) => storage[name].bind(storage));
      let table;
      storage.begin = (plan) => {
        table = plan.name;
        return begin(plan);
      };
      storage.commit = async (columns) => {
        await this.point('before');
        const saved = await commit(columns);
        fs.appendFileSync(this.#inRun('commits'), `${table} ${saved.rows}\n`);
        await this.point('after');
        return saved;
      };
    }

    #inRun(name) {
      return path.join(this.config.getValue('World'), name);
    }

    async run() {
      await super.run();
      await this.point('end');
    }

    /** Ends here, if it is the place where the test wants that. */
    async point(name) {
      const end = read(this.#inRun('end.json'));
      if (end?.at !== name) return;
      this.passed = (this.passed ?? 0) + 1;
      if (this.passed !== end.nth) return;
      fs.writeFileSync(this.#inRun('ended'), '');
      if (end.how === 'throw') throw new Core.ConnectorError('The test ends it: run it again');
      if (end.how === 'exit') process.exit(0);
      if (end.how === 'kill') process.kill(process.pid, 'SIGKILL');
      await new Promise(() => setInterval(() => {}, 1000)); // until its host is killed
    }
  }

  const Model = { manifest: sourceManifest, ModelSource, ModelConnector };
  const Files = { manifest: storageManifest, FilesStorage };
  return {
    ...reference,
    Connectors: { ...reference.Connectors, Model },
    Storages: { ...reference.Storages, Files },
  };
}

module.exports = { TABLES, connectors, read, write };
