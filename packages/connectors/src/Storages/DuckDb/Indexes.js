'use strict';

const { quote } = require('./sql');

const CREATE = /^CREATE TABLE (?:(?:"(?:[^"]|"")*"|[^\s("]+)\.?)+\s*\(/;

/** What others have put on a table: indexes, primary keys and unique constraints. */
class Indexes {
  #connection;
  #rows;
  #name;

  /**
   * @param {import('@duckdb/node-api').DuckDBConnection} connection
   * @param {(sql: string, values: unknown[]) => Promise<unknown[][]>} rows
   * @param {string} name of the table
   */
  constructor(connection, rows, name) {
    this.#connection = connection;
    this.#rows = rows;
    this.#name = name;
  }

  /** @returns {Promise<boolean>} whether a row may be there once only: one that is deleted still is */
  async isUnique() {
    const [[unique]] = await this.#rows(
      `SELECT (SELECT count(*) FROM duckdb_indexes() WHERE ${OF_TABLE} AND is_unique) + ` +
        `(SELECT count(*) FROM duckdb_constraints() WHERE ${OF_TABLE} ` +
        "AND constraint_type IN ('PRIMARY KEY', 'UNIQUE'))",
      [this.#name],
    );
    return unique > 0n;
  }

  /**
   * Gives columns another type. DuckDB changes no table that has an index, so one takes its place
   * there.
   *
   * @param {string} table as SQL
   * @param {{ name: string, sqlType: string }[]} columns
   */
  async retype(table, columns) {
    const indexes = await this.#rows(`SELECT sql FROM duckdb_indexes() WHERE ${OF_TABLE}`, [
      this.#name,
    ]);
    if (indexes.length === 0) {
      await this.#alter(table, columns);
      return;
    }
    const [[sql, name]] = await this.#rows(
      `SELECT sql, table_name FROM duckdb_tables() WHERE ${OF_TABLE}`,
      [this.#name],
    );
    const copy = quote(`owox_copy_${name}`);
    await this.#connection.run(sql.replace(CREATE, () => `CREATE TABLE ${copy}(`));
    await this.#alter(copy, columns);
    await this.#connection.run(`INSERT INTO ${copy} SELECT * FROM ${table}`);
    await this.#connection.run(`DROP TABLE ${table}`);
    await this.#connection.run(`ALTER TABLE ${copy} RENAME TO ${quote(name)}`);
    for (const [index] of indexes) await this.#connection.run(index);
  }

  async #alter(table, columns) {
    for (const { name, sqlType } of columns) {
      await this.#connection.run(`ALTER TABLE ${table} ALTER ${name} TYPE ${sqlType}`);
    }
  }
}

const OF_TABLE =
  "database_name = current_database() AND schema_name = 'main' AND lower(table_name) = lower($1)";

module.exports = { Indexes };
