'use strict';

const { ConnectorError } = require('../../Core/errors');
const { EXACT_AS_DOUBLE, tooLongForDoubles } = require('../common');
const { partitionBy, quote, typeOfField } = require('./sql');

/**
 * Gives columns of a table a wider type, which keeps each value. Integers become decimals in place;
 * all else takes a statement that replaces the table by itself.
 */
class Widening {
  #query;
  #name;
  #title;
  #table;

  /**
   * @param {(sql: string) => Promise<object[]>} query
   * @param {string} name of the table as SQL
   * @param {string} title of it, for messages
   * @param {object} table its metadata
   */
  constructor(query, name, title, table) {
    this.#query = query;
    this.#name = name;
    this.#title = title;
    this.#table = table;
  }

  /** @param {object[]} columns as planned */
  async run(columns) {
    const widened = columns.filter(({ isWidened }) => isWidened);
    if (widened.length === 0) return;
    const numbers = widened.filter(({ sqlType }) => sqlType === 'FLOAT64');
    await this.#checkIntegers(numbers);
    const isInPlace = ({ sqlType, target }) => sqlType === 'FLOAT64' && !this.#isClustered(target);
    if (!widened.every(isInPlace)) {
      await this.#rewrite(widened);
      return;
    }
    const changes = widened.map(
      ({ name, sqlType }) => `ALTER COLUMN ${name} SET DATA TYPE ${sqlType}`,
    );
    await this.#query(`ALTER TABLE ${this.#name} ${changes.join(', ')}`);
  }

  async #checkIntegers(columns) {
    if (columns.length === 0) return;
    const counts = columns.map(
      ({ name }, i) =>
        `COUNTIF(${name} > ${EXACT_AS_DOUBLE} OR ${name} < -${EXACT_AS_DOUBLE}) AS i${i}`,
    );
    const [row] = await this.#query(`SELECT ${counts.join(', ')} FROM ${this.#name}`);
    columns.forEach(({ source }, i) => {
      if (row[`i${i}`] > 0) throw tooLongForDoubles(this.#title, source);
    });
  }

  #isClustered(target) {
    const fields = this.#table.clustering?.fields ?? [];
    return fields.some((field) => field.toLowerCase() === target.toLowerCase());
  }

  async #rewrite(widened) {
    this.#refuseWhatIsLost(widened);
    const { schema, clustering } = this.#table;
    const types = new Map(widened.map(({ target, sqlType }) => [target.toLowerCase(), sqlType]));
    const columns = schema.fields.map((field) => {
      const sqlType = types.get(field.name.toLowerCase());
      const name = quote(field.name);
      return {
        field,
        name,
        sqlType: sqlType ?? typeOfField(field),
        value: sqlType === undefined ? name : `CAST(${name} AS ${sqlType})`,
      };
    });
    const cluster = clustering ? ` CLUSTER BY ${clustering.fields.map(quote).join(', ')}` : '';
    // The statement's columns have the types already.
    const definitions = columns.some(({ field }) => hasMore(field))
      ? ` (${columns.map(definitionOf).join(', ')})`
      : '';
    await this.#query(
      `CREATE OR REPLACE TABLE ${this.#name}${definitions}` +
        `${this.#partition(columns)}${cluster}${optionsOf(this.#table)} AS ` +
        `SELECT ${columns.map(({ name, value }) => `${value} AS ${name}`).join(', ')} FROM ${this.#name}`,
    );
  }

  #partition(columns) {
    const { timePartitioning, rangePartitioning } = this.#table;
    if (timePartitioning) {
      const { field: name, type } = timePartitioning;
      return partitionBy(
        columns.find(({ field }) => field.name === name),
        type,
      );
    }
    if (!rangePartitioning) return '';
    const { field, range } = rangePartitioning;
    const steps = `GENERATE_ARRAY(${range.start}, ${range.end}, ${range.interval})`;
    return ` PARTITION BY RANGE_BUCKET(${quote(field)}, ${steps})`;
  }

  /** What a replaced table would not have any more, or could not be replaced for. */
  #refuseWhatIsLost(widened) {
    const { schema, timePartitioning, rangePartitioning } = this.#table;
    const isBy = ({ target }) => target.toLowerCase() === rangePartitioning?.field.toLowerCase();
    const reasons = [
      schema.fields.some(({ policyTags }) => policyTags?.names?.length > 0) && 'policy tags',
      timePartitioning && !timePartitioning.field && 'partitions by the time of loading',
      widened.some(isBy) && 'partitions by that column',
    ].filter(Boolean);
    if (reasons.length === 0) return;
    const columns = widened.map(({ source, sqlType }) => `"${source}" as ${sqlType}`).join(', ');
    throw new ConnectorError(
      `Table "${this.#title}" would have to be written anew to have ${columns}, but it has ` +
        `${reasons.join(' and ')}: correct the values, or change the table yourself`,
    );
  }
}

/** Whether a field has more than a name and a type, which a replaced table has to have as well. */
function hasMore({ mode, description, defaultValueExpression, precision, maxLength }) {
  return Boolean(
    mode === 'REQUIRED' || description || defaultValueExpression || precision || maxLength,
  );
}

function definitionOf({ field, name, sqlType }) {
  const isRequired = field.mode === 'REQUIRED' ? ' NOT NULL' : '';
  const by = field.defaultValueExpression;
  const options = field.description ? ` OPTIONS (description = ${text(field.description)})` : '';
  return `${name} ${sqlType}${by ? ` DEFAULT ${by}` : ''}${isRequired}${options}`;
}

function optionsOf({
  description,
  friendlyName,
  labels,
  expirationTime,
  timePartitioning,
  requirePartitionFilter = timePartitioning?.requirePartitionFilter,
}) {
  const labelled = Object.entries(labels ?? {});
  const options = [
    description && `description = ${text(description)}`,
    friendlyName && `friendly_name = ${text(friendlyName)}`,
    labelled.length > 0 &&
      `labels = [${labelled.map(([key, value]) => `(${text(key)}, ${text(value)})`).join(', ')}]`,
    expirationTime && `expiration_timestamp = TIMESTAMP_MILLIS(${expirationTime})`,
    requirePartitionFilter && 'require_partition_filter = TRUE',
    timePartitioning?.expirationMs &&
      `partition_expiration_days = ${Number(timePartitioning.expirationMs) / 86_400_000}`,
  ].filter(Boolean);
  return options.length > 0 ? ` OPTIONS (${options.join(', ')})` : '';
}

/** JSON's escapes are BigQuery's as well. */
function text(value) {
  return JSON.stringify(value);
}

module.exports = { Widening };
