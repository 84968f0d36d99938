'use strict';

const { randomUUID } = require('node:crypto');
const { ConnectorError } = require('../../Core/errors');
const common = require('../common');
const { dayOf, insertOf, namesOf } = common;
const { Widening } = require('./Widening');
const { withFunctions } = require('./longSql');
const { castTo, partitionBy, quote, typeFor, typeOfField } = require('./sql');

/** BigQuery changes at most 4,000 partitions in one job. */
const MOST_DAYS = 3000;
const NUMBERS = { tryCast: 'SAFE_CAST', double: 'FLOAT64' };

/** Brings staged rows into their table by one statement, which BigQuery does wholly or not at all. */
class Publication {
  #client;
  #table;
  #name;
  #plan;
  #staging;
  #names;

  /**
   * @param {import('@google-cloud/bigquery').BigQuery} client
   * @param {import('@google-cloud/bigquery').Table} table
   * @param {import('../../Core/AbstractStorage').Plan} plan
   * @param {import('./Staging').Staging} staging
   * @param {import('../ColumnNames').ColumnNames} names of the staged columns
   */
  constructor(client, table, plan, staging, names) {
    this.#client = client;
    this.#table = table;
    this.#plan = plan;
    this.#staging = staging;
    this.#names = names;
    this.#name = pathOf(table);
  }

  /** @returns {Promise<{ rows: number, duplicates: number, total: number }>} */
  async run(types) {
    const { replace, uniqueKeys } = this.#plan;
    const existing = await this.#describe();
    if (this.#staging.rowCount === 0) {
      if (existing && replace) await this.#query(`TRUNCATE TABLE ${this.#name}`);
      return { rows: 0, duplicates: 0, total: existing ? await this.#count() : 0 };
    }
    await common.settleSpellings(this.#staging.columns, types, (staged) => this.#areMerged(staged));
    const columns = this.#columns(types, replace ? null : existing);
    const { distinct, days } = await this.#check(columns, replace ? null : existing);
    const rows = uniqueKeys.length > 0 ? distinct : this.#staging.rowCount;
    if (existing === null || replace) await this.#create(columns, days, existing);
    else await this.#change(columns, existing);
    return { rows, duplicates: this.#staging.rowCount - rows, total: await this.#count() };
  }

  async #change(columns, existing) {
    const { uniqueKeys, dateColumn } = this.#plan;
    const query = (sql) => this.#query(sql);
    await new Widening(query, this.#name, this.#plan.name, existing).run(columns);
    await this.#add(columns.filter(({ isNew }) => isNew));
    if (uniqueKeys.length > 0) await this.#query(this.#merge(columns));
    else if (dateColumn !== null) await this.#replaceDays(columns);
    else await this.#query(this.#insert(columns));
  }

  /** @returns {Promise<object | null>} the table's metadata; null if there is none */
  async #describe() {
    const [exists] = await this.#table.exists();
    if (!exists) return null;
    const [metadata] = await this.#table.getMetadata();
    if (metadata.type !== 'TABLE') {
      throw new ConnectorError(
        `"${this.#plan.name}" is a ${metadata.type.toLowerCase()} and no table: choose another DestinationTableName`,
      );
    }
    return metadata;
  }

  #columns(types, existing) {
    const fields = existing?.schema?.fields ?? [];
    const have = fields.map((field) => [field.name.toLowerCase(), typeOfField(field)]);
    const dialect = { columnName: (source) => this.#names.nameOf(source), typeFor };
    const table = existing === null ? null : new Map(have);
    const planned = common.planColumns(this.#plan, this.#staging.columns, types, table, dialect);
    const columns = planned.map((column) => ({ ...column, name: quote(column.target) }));
    this.#checkRequired(fields, columns);
    return columns;
  }

  /** Columns that must have a value, and that the rows lack. */
  #checkRequired(fields, columns) {
    const come = new Set(columns.map(({ target }) => target.toLowerCase()));
    const missing = fields.filter(
      ({ name, mode, defaultValueExpression }) =>
        mode === 'REQUIRED' && !defaultValueExpression && !come.has(name.toLowerCase()),
    );
    if (missing.length === 0) return;
    const names = missing.map(({ name }) => `"${name}"`).join(', ');
    throw new ConnectorError(
      `Table "${this.#plan.name}" requires a value in ${names}, which the rows do not have: load ` +
        'these columns too, or take the requirement away (ALTER COLUMN … DROP NOT NULL)',
    );
  }

  /** Whether two staged texts of a column are one number. */
  async #areMerged(staged) {
    const [found] = await this.#query(
      `SELECT COUNT(*) AS merged FROM (SELECT 1 FROM ${this.#from()} ` +
        `GROUP BY CAST(${staged} AS FLOAT64) HAVING MIN(${staged}) <> MAX(${staged}))`,
    );
    return found.merged > 0;
  }

  /** Refuses rows that cannot be published, and counts the others. */
  async #check(columns, existing) {
    const keys = columns.filter(({ isKey }) => isKey);
    const date = columns.find(({ source }) => source === this.#plan.dateColumn);
    const parts = keys.map(({ staged }, i) => `COUNTIF(${staged} IS NULL) AS k${i}`);
    if (keys.length > 0) {
      const values = keys.map(valueOf).join(', ');
      parts.push(`COUNT(DISTINCT TO_JSON_STRING(STRUCT(${values}))) AS distinct_rows`);
    }
    if (date) parts.push(`COUNT(DISTINCT ${dayOf(valueOf(date))}) AS days`);
    const fields = existing?.schema?.fields ?? [];
    const required = columns.filter(({ target }) => isRequired(fields, target));
    required.forEach((column, i) => parts.push(`COUNTIF(${valueOf(column)} IS NULL) AS r${i}`));
    const decimals = columns.filter(({ sqlType }) => common.isDecimal(sqlType));
    decimals.forEach(({ sqlType, staged }, i) =>
      parts.push(`COUNTIF(${common.isRounded(sqlType, staged, NUMBERS)}) AS d${i}`),
    );
    if (parts.length === 0) return { distinct: 0, days: 0 };
    const [row] = await this.#query(`SELECT ${parts.join(', ')} FROM ${this.#from()}`);
    keys.forEach(({ source }, i) => {
      if (row[`k${i}`] > 0) throw common.noKeyValue(source, row[`k${i}`]);
    });
    const empty = required.filter((_, i) => row[`r${i}`] > 0);
    if (empty.length > 0) throw noRequiredValue(this.#plan.name, empty);
    decimals.forEach((column, i) => {
      if (row[`d${i}`] > 0) throw common.tooExact(this.#plan.name, column, row[`d${i}`]);
    });
    return { distinct: row.distinct_rows ?? 0, days: row.days ?? 0 };
  }

  #from() {
    return pathOf(this.#staging.table);
  }

  /** The staged rows, typed; of equal keys the last. */
  #select(columns, valueOf) {
    const values = columns.map((column) => `${valueOf(column)} AS ${column.name}`).join(', ');
    const keys = columns.filter(({ isKey }) => isKey).map(valueOf);
    const last =
      keys.length === 0
        ? ''
        : ` WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY ${keys.join(', ')} ORDER BY n DESC) = 1`;
    return `SELECT ${values} FROM ${this.#from()}${last}`;
  }

  async #create(columns, days, existing) {
    const definitions = columns.map(({ name, sqlType }) => `${name} ${sqlType}`).join(', ');
    const date = columns.find(({ source }) => source === this.#plan.dateColumn);
    const unit = days > MOST_DAYS ? 'MONTH' : 'DAY';
    const by = date ? partitionBy(date, unitOf(existing, date) ?? unit) : '';
    await this.#query(
      withFunctions(
        columns,
        (value) =>
          `CREATE OR REPLACE TABLE ${this.#name} (${definitions})${by} AS ${this.#select(columns, value)}`,
      ),
    );
  }

  async #add(columns) {
    if (columns.length === 0) return;
    const parts = columns.map(({ name, sqlType }) => `ADD COLUMN IF NOT EXISTS ${name} ${sqlType}`);
    await this.#query(`ALTER TABLE ${this.#name} ${parts.join(', ')}`);
  }

  #insert(columns) {
    return withFunctions(
      columns,
      (value) => `INSERT INTO ${this.#name} (${namesOf(columns)}) ${this.#select(columns, value)}`,
    );
  }

  #merge(columns) {
    const on = columns.filter(({ isKey }) => isKey).map(({ name }) => `t.${name} = s.${name}`);
    const others = columns.filter(({ isKey }) => !isKey).map(({ name }) => `${name} = s.${name}`);
    const update = others.length > 0 ? `WHEN MATCHED THEN UPDATE SET ${others.join(', ')} ` : '';
    return withFunctions(
      columns,
      (value) =>
        `MERGE ${this.#name} AS t USING (${this.#select(columns, value)}) AS s ` +
        `ON ${on.join(' AND ')} ${update}WHEN NOT MATCHED THEN ${insertOf(columns)}`,
    );
  }

  /** Without unique keys, the days that come again are replaced as a whole, "no day" among them. */
  async #replaceDays(columns) {
    const date = columns.find(({ source }) => source === this.#plan.dateColumn);
    if (date === undefined) {
      await this.#query(this.#insert(columns));
      return;
    }
    const days = await this.#query(
      `SELECT DISTINCT ${dayOf(valueOf(date))} AS day FROM ${this.#from()}`,
    );
    const dated = days.filter(({ day }) => day !== null);
    const name = `t.${date.name}`;
    const orUndated = dated.length < days.length ? ` OR ${name} IS NULL` : '';
    await this.#query(
      withFunctions(
        columns,
        (value) =>
          `MERGE ${this.#name} AS t USING (${this.#select(columns, value)}) AS s ON FALSE ` +
          `WHEN NOT MATCHED BY SOURCE AND (${dayOf(name)} IN UNNEST(@days)${orUndated}) THEN DELETE ` +
          `WHEN NOT MATCHED THEN ${insertOf(columns)}`,
      ),
      { days: dated.map(({ day: { value } }) => this.#client.date(value)) },
      { days: ['DATE'] },
    );
  }

  async #count() {
    const [{ total }] = await this.#query(`SELECT COUNT(*) AS total FROM ${this.#name}`);
    return total;
  }

  async #query(query, params, types) {
    const jobId = `owox_${randomUUID()}`;
    const job = await this.#client.createQueryJob({ query, params, types, jobId }).then(
      ([created]) => created,
      (cause) => {
        // The answer was lost and the client asked again: the job is there, and may be done.
        if (cause.code !== 409) throw cause;
        return this.#client.job(jobId, { location: this.#client.location });
      },
    );
    const [rows] = await job.getQueryResults();
    return rows;
  }
}

function pathOf({ dataset, id }) {
  return quote(`${dataset.projectId}.${dataset.id}.${id}`);
}

/** The staged text of a column in its type, as SQL. */
function valueOf({ sqlType, staged, inferred }) {
  return castTo(sqlType, staged, inferred);
}

function isRequired(fields, target) {
  return fields.some(
    ({ name, mode }) => mode === 'REQUIRED' && name.toLowerCase() === target.toLowerCase(),
  );
}

/** BigQuery does not replace a table by one that is partitioned otherwise. */
function unitOf(existing, { target }) {
  const { type, field } = existing?.timePartitioning ?? {};
  return field?.toLowerCase() === target.toLowerCase() ? type : undefined;
}

function noRequiredValue(table, columns) {
  const names = columns.map(({ source }) => `"${source}"`).join(', ');
  return new ConnectorError(
    `Table "${table}" requires a value in ${names}, which some rows do not have: correct the rows, or ` +
      'take the requirement away (ALTER COLUMN … DROP NOT NULL)',
  );
}

module.exports = { Publication, pathOf };
