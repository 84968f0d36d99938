'use strict';

const { randomUUID } = require('node:crypto');
const { quoteDdl, text, typeOf } = require('./sql');

/** Definitions of one statement, well below what Athena takes. */
const DEFINITION_BYTES = 200_000;
const DRAFT = /^owox_draft_(\d+)_/;
/** Drafts that are older are a killed run's. */
const LEFT_BEHIND_AFTER_MS = 24 * 60 * 60 * 1000;

/** Iceberg tables of one database: what is made of them, changed of them and given another name. */
class Tables {
  #athena;
  #bucket;
  #database;
  #folder;

  /**
   * @param {import('./Athena').Athena} athena
   * @param {import('./Bucket').Bucket} bucket
   * @param {{ database: string, folder: string }} place
   */
  constructor(athena, bucket, { database, folder }) {
    this.#athena = athena;
    this.#bucket = bucket;
    this.#database = database;
    this.#folder = folder;
  }

  /**
   * @param {string} name
   * @returns {Promise<Map<string, string> | null>} type by name, in the table's order; null if there
   *   is no table
   */
  async describe(name) {
    await this.#finishReplacing(name);
    const rows = await this.#athena.rows(
      'SELECT column_name, data_type FROM information_schema.columns ' +
        `WHERE table_schema = ${text(this.#database)} AND table_name = ${text(name)} ` +
        'ORDER BY ordinal_position',
    );
    if (rows.length === 0) return null;
    return new Map(rows.map(([column, type]) => [column.toLowerCase(), typeOf(type)]));
  }

  /** @returns {string} a name for a table that is to take another one's place */
  draftName() {
    return `owox_draft_${Date.now()}_${randomUUID().slice(0, 8)}`;
  }

  /**
   * @param {string} name
   * @param {{ target: string, sqlType: string }[]} columns
   * @param {{ partition?: { target: string, unit: string }, title: string }} options `title`: what
   *   its folder is called after
   */
  async create(name, columns, { partition, title }) {
    const [first, ...more] = inStatements(
      partition ? withFirst(columns, partition.target) : columns,
    );
    const by = partition
      ? ` PARTITIONED BY (${partition.unit}(${quoteDdl(partition.target)}))`
      : '';
    // A folder of its own, so that it holds nothing of an earlier table.
    const folder = `${this.#folder}${title}-${randomUUID().slice(0, 8)}/`;
    await this.#athena.run(
      `CREATE TABLE ${this.#ddl(name)} (${first.join(', ')})` +
        `${by} LOCATION ${text(this.#bucket.locationOf(folder))} ` +
        `TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet')`,
    );
    for (const part of more) await this.#addPart(name, part);
  }

  async add(name, columns) {
    if (columns.length === 0) return;
    for (const part of inStatements(columns)) await this.#addPart(name, part);
  }

  #addPart(name, definitions) {
    return this.#athena.run(
      `ALTER TABLE ${this.#ddl(name)} ADD COLUMNS (${definitions.join(', ')})`,
    );
  }

  async dropColumns(name, columns) {
    for (const { target } of columns) {
      await this.#athena.run(`ALTER TABLE ${this.#ddl(name)} DROP COLUMN ${quoteDdl(target)}`);
    }
  }

  drop(name) {
    return this.#athena.run(`DROP TABLE IF EXISTS ${this.#ddl(name)}`);
  }

  /**
   * Puts a draft in a table's place. It is called ready first: where there is such a table and none
   * that it stands for, a run was killed in between, and the next one goes on.
   */
  async replace(name, draft) {
    const ready = readyName(name);
    await this.drop(ready);
    await this.#rename(draft, ready);
    await this.drop(name);
    await this.#rename(ready, name);
  }

  async #finishReplacing(name) {
    const ready = readyName(name);
    const found = await this.#athena.rows(
      'SELECT table_name FROM information_schema.tables ' +
        `WHERE table_schema = ${text(this.#database)} AND ` +
        `(table_name IN (${text(name)}, ${text(ready)}) OR table_name LIKE 'owox_draft_%')`,
    );
    const names = found.map(([table]) => table.toLowerCase());
    for (const table of names) {
      const made = Number(DRAFT.exec(table)?.[1] ?? Date.now());
      if (Date.now() - made > LEFT_BEHIND_AFTER_MS) await this.drop(table);
    }
    if (!names.includes(ready)) return;
    if (names.includes(name)) await this.drop(ready);
    else await this.#rename(ready, name);
  }

  #rename(from, to) {
    return this.#athena.run(`ALTER TABLE ${this.#ddl(from)} RENAME TO ${this.#ddl(to)}`);
  }

  #ddl(name) {
    return `${quoteDdl(this.#database)}.${quoteDdl(name)}`;
  }
}

function readyName(name) {
  return `owox_ready_${name}`;
}

/** The column of the partitions is there from the first statement on. */
function withFirst(columns, target) {
  const isFirst = (column) => column.target === target;
  const [first] = inStatements(columns);
  const at = columns.findIndex(isFirst);
  if (at < first.length) return columns;
  return [columns[at], ...columns.filter((column) => !isFirst(column))];
}

/** @returns {string[][]} definitions, as many as one statement takes */
function inStatements(columns) {
  const parts = [];
  let size = Infinity;
  for (const { target, sqlType } of columns) {
    const definition = `${quoteDdl(target)} ${sqlType}`;
    size += Buffer.byteLength(definition) + 2;
    if (size > DEFINITION_BYTES) {
      parts.push([]);
      size = Buffer.byteLength(definition);
    }
    parts.at(-1).push(definition);
  }
  return parts;
}

module.exports = { Tables };
