'use strict';

const { randomUUID } = require('node:crypto');
const { ConnectorError } = require('../../Core/errors');
const { dayOf, insertOf, namesOf, noKeyValue, planColumns, settleSpellings } = require('../common');
const { API_TYPES, castTo, quote, typeFor } = require('./sql');

/** BigQuery changes at most 4,000 partitions in one job. */
const MOST_DAYS = 3000;
const DIALECT = { title: 'BigQuery', columnName, typeFor };
const PARTITIONS = {
  DATE: (name, unit) => (unit === 'DAY' ? name : `DATE_TRUNC(${name}, ${unit})`),
  DATETIME: (name, unit) => `DATETIME_TRUNC(${name}, ${unit})`,
  TIMESTAMP: (name, unit) => `TIMESTAMP_TRUNC(${name}, ${unit})`,
};

/** Brings staged rows into their table by one statement, which BigQuery does wholly or not at all. */
class Publication {
  #client;
  #table;
  #name;
  #plan;
  #staging;

  constructor(client, table, plan, staging) {
    this.#client = client;
    this.#table = table;
    this.#plan = plan;
    this.#staging = staging;
    this.#name = pathOf(table);
  }

  /** @returns {Promise<{ rows: number, duplicates: number, total: number }>} */
  async run(types) {
    const { replace, uniqueKeys, dateColumn } = this.#plan;
    const existing = await this.#describe();
    if (this.#staging.rowCount === 0) {
      if (existing && replace) await this.#query(`TRUNCATE TABLE ${this.#name}`);
      return { rows: 0, duplicates: 0, total: existing ? await this.#count() : 0 };
    }
    await settleSpellings(this.#staging.columns, types, (staged) => this.#areMerged(staged));
    const columns = this.#columns(types, replace ? null : existing);
    const { distinct, days } = await this.#check(columns);
    const rows = uniqueKeys.length > 0 ? distinct : this.#staging.rowCount;
    const select = this.#select(columns);
    if (existing === null || replace) {
      await this.#create(columns, select, days);
    } else {
      await this.#add(columns.filter(({ isNew }) => isNew));
      if (uniqueKeys.length > 0) await this.#query(this.#merge(columns, select));
      else if (dateColumn !== null) await this.#replaceDays(columns, select);
      else await this.#query(`INSERT INTO ${this.#name} (${namesOf(columns)}) ${select}`);
    }
    return { rows, duplicates: this.#staging.rowCount - rows, total: await this.#count() };
  }

  /** @returns {Promise<Map<string, string> | null>} type by name in lower case; null if no table */
  async #describe() {
    const [exists] = await this.#table.exists();
    if (!exists) return null;
    const [{ type, schema }] = await this.#table.getMetadata();
    if (type !== 'TABLE') {
      throw new ConnectorError(
        `"${this.#plan.name}" is a ${type.toLowerCase()} and no table: choose another DestinationTableName`,
      );
    }
    const fields = schema?.fields ?? [];
    return new Map(
      fields.map((field) => [
        field.name.toLowerCase(),
        field.mode === 'REPEATED' ? 'ARRAY' : (API_TYPES[field.type] ?? field.type),
      ]),
    );
  }

  #columns(types, existing) {
    const { columns } = this.#staging;
    return planColumns(this.#plan, columns, types, existing, DIALECT).map((column) => ({
      ...column,
      name: quote(column.target),
      value: castTo(column.sqlType, column.staged, column.inferred),
    }));
  }

  /** Whether two staged texts of a column are one number. */
  async #areMerged(staged) {
    const [found] = await this.#query(
      `SELECT COUNT(*) AS merged FROM (SELECT 1 FROM ${this.#from()} ` +
        `GROUP BY CAST(${staged} AS FLOAT64) HAVING MIN(${staged}) <> MAX(${staged}))`,
    );
    return found.merged > 0;
  }

  async #check(columns) {
    const keys = columns.filter(({ isKey }) => isKey);
    const date = columns.find(({ source }) => source === this.#plan.dateColumn);
    const parts = keys.map(({ staged }, i) => `COUNTIF(${staged} IS NULL) AS k${i}`);
    if (keys.length > 0) {
      const values = keys.map(({ value }) => value).join(', ');
      parts.push(`COUNT(DISTINCT TO_JSON_STRING(STRUCT(${values}))) AS distinct_rows`);
    }
    if (date) parts.push(`COUNT(DISTINCT ${dayOf(date.value)}) AS days`);
    if (parts.length === 0) return { distinct: 0, days: 0 };
    const [row] = await this.#query(`SELECT ${parts.join(', ')} FROM ${this.#from()}`);
    keys.forEach(({ source }, i) => {
      if (row[`k${i}`] > 0) throw noKeyValue(source, row[`k${i}`]);
    });
    return { distinct: row.distinct_rows ?? 0, days: row.days ?? 0 };
  }

  #from() {
    return pathOf(this.#staging.table);
  }

  /** The staged rows, typed; of equal keys the last. */
  #select(columns) {
    const values = columns.map(({ name, value }) => `${value} AS ${name}`).join(', ');
    const keys = columns.filter(({ isKey }) => isKey).map(({ value }) => value);
    const last =
      keys.length === 0
        ? ''
        : ` WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY ${keys.join(', ')} ORDER BY n DESC) = 1`;
    return `SELECT ${values} FROM ${this.#from()}${last}`;
  }

  async #create(columns, select, days) {
    const definitions = columns.map(({ name, sqlType }) => `${name} ${sqlType}`).join(', ');
    const date = columns.find(({ source }) => source === this.#plan.dateColumn);
    const partition = date && PARTITIONS[date.sqlType];
    const by = partition
      ? ` PARTITION BY ${partition(date.name, days > MOST_DAYS ? 'MONTH' : 'DAY')}`
      : '';
    await this.#query(`CREATE OR REPLACE TABLE ${this.#name} (${definitions})${by} AS ${select}`);
  }

  async #add(columns) {
    if (columns.length === 0) return;
    const parts = columns.map(({ name, sqlType }) => `ADD COLUMN IF NOT EXISTS ${name} ${sqlType}`);
    await this.#query(`ALTER TABLE ${this.#name} ${parts.join(', ')}`);
  }

  #merge(columns, select) {
    const on = columns.filter(({ isKey }) => isKey).map(({ name }) => `t.${name} = s.${name}`);
    const others = columns.filter(({ isKey }) => !isKey).map(({ name }) => `${name} = s.${name}`);
    const update = others.length > 0 ? `WHEN MATCHED THEN UPDATE SET ${others.join(', ')} ` : '';
    return (
      `MERGE ${this.#name} AS t USING (${select}) AS s ON ${on.join(' AND ')} ${update}` +
      `WHEN NOT MATCHED THEN ${insertOf(columns)}`
    );
  }

  /** Without unique keys, the days that come again are replaced as a whole, "no day" among them. */
  async #replaceDays(columns, select) {
    const date = columns.find(({ source }) => source === this.#plan.dateColumn);
    if (date === undefined) {
      await this.#query(`INSERT INTO ${this.#name} (${namesOf(columns)}) ${select}`);
      return;
    }
    const days = await this.#query(
      `SELECT DISTINCT ${dayOf(date.value)} AS day FROM ${this.#from()}`,
    );
    const dated = days.filter(({ day }) => day !== null);
    const name = `t.${date.name}`;
    const orUndated = dated.length < days.length ? ` OR ${name} IS NULL` : '';
    await this.#query(
      `MERGE ${this.#name} AS t USING (${select}) AS s ON FALSE WHEN NOT MATCHED BY SOURCE AND ` +
        `(${dayOf(name)} IN UNNEST(@days)${orUndated}) THEN DELETE ` +
        `WHEN NOT MATCHED THEN ${insertOf(columns)}`,
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

/** BigQuery's names take letters, digits and few signs; any other becomes "_". */
function columnName(name) {
  return name.replace(/[^\p{L}\p{M}\p{N}\p{Pc}\p{Pd}&%=+:'<>#| ]/gu, '_');
}

module.exports = { Publication, pathOf };
