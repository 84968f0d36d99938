'use strict';
// What storages have in common.

const { ConnectorError } = require('../Core/errors');
const { toText } = require('../Core/toText');

/** Columns that a message names. */
const MOST_MISFITS = 20;
/** Characters of a value that it shows. */
const MOST_SHOWN = 60;
/** Integers that each have a double of their own. */
const EXACT_AS_DOUBLE = 2n ** 53n;

/** Changes of a column's type that keep each value; `number` as long as doubles hold the integers. */
const LOSSLESS = new Set([
  'integer to number',
  'integer to string',
  'date to string',
  'date to timestamp',
  // What names no zone is in UTC, as within the rows of one run.
  'date to timestamptz',
  'timestamp to timestamptz',
]);

/**
 * Refuses values like YOUR_BUCKET_NAME, which examples have, before anything is sent.
 *
 * @param {import('../Core/AbstractConfig').AbstractConfig} config
 * @param {string[]} names of parameters
 * @throws {ConnectorError}
 */
function refusePlaceholders(config, names) {
  const found = names.filter((name) => /\bYOUR_[A-Z]|^<.*>$/.test(config.getValue(name) ?? ''));
  if (found.length === 0) return;
  throw new ConnectorError(
    `The example's values are still in ${found.join(', ')}: put your own there`,
  );
}

/**
 * The columns of a run that a table takes, with the type that each has or gets there.
 *
 * @param {import('../Core/AbstractStorage').Plan} plan
 * @param {Map<string, string>} staged the staging column by the rows' column
 * @param {Map<string, import('../Core/TypeInference').Column>} types
 * @param {Map<string, string> | null} existing the table's types by name in lower case
 * @param {object} dialect
 * @param {(source: string) => string} dialect.columnName
 * @param {(have: string | undefined, column: object) => string | null} dialect.typeFor
 * @throws {ConnectorError}
 */
function planColumns({ name, uniqueKeys, dateColumn, replace }, staged, types, existing, dialect) {
  for (const needed of [...uniqueKeys, ...(dateColumn === null ? [] : [dateColumn])]) {
    if (staged.has(needed)) continue;
    throw new ConnectorError(
      `The rows for table "${name}" have no column "${needed}": correct the unique keys and the date column`,
    );
  }
  const made = [];
  const misfits = [];
  for (const [source, column] of staged) {
    const inferred = types.get(source);
    const target = dialect.columnName(source);
    const have = existing?.get(target.toLowerCase());
    const isKey = uniqueKeys.includes(source);
    if (isKey && existing !== null && have === undefined && !replace)
      throw noKeyColumn(name, source);
    // A column gets its type with its first value: it could not be changed then.
    if (inferred.type === null && !inferred.hasEmpty && have === undefined && !isKey) continue;
    const sqlType = dialect.typeFor(have, inferred);
    if (sqlType === null) {
      misfits.push({ source, have, column: inferred });
      continue;
    }
    made.push({
      source,
      target,
      staged: column,
      sqlType,
      isKey,
      isNew: have === undefined,
      isWidened: have !== undefined && have !== sqlType,
      inferred,
    });
  }
  if (misfits.length > 0) throw misfit(name, misfits);
  return made;
}

/**
 * Keeps columns text of which two texts are one number, such as 3.1 and 3.10: as a number they could
 * not be told apart any more.
 *
 * @param {Map<string, string>} staged the staging column by the rows' column
 * @param {Map<string, import('../Core/Column').Column>} types
 * @param {(staged: string) => Promise<boolean>} areMerged whether two texts of a staged column are
 *   one number
 */
async function settleSpellings(staged, types, areMerged) {
  for (const [source, column] of types) {
    if (column.mayMerge && (await areMerged(staged.get(source)))) column.keepText();
  }
}

/**
 * @param {string} table
 * @param {{ source: string, have: string, column: import('../Core/Column').Column }[]} columns whose
 *   values do not fit: all of them, so that one run tells what there is to correct
 */
function misfit(table, columns) {
  const found = columns.slice(0, MOST_MISFITS).map(({ source, have, column }, at) => {
    const shown = column.example === undefined ? '' : `, such as "${shortened(column.example)}"`;
    const where = at === 0 ? `Column "${source}" of table "${table}"` : `column "${source}"`;
    return `${where} is ${have}, but the rows bring values of the type ${column.type}${shown}`;
  });
  if (columns.length > MOST_MISFITS) found.push(`and ${columns.length - MOST_MISFITS} more`);
  return new ConnectorError(
    `${found.join('; ')}: correct the values, declare the column's type, or run a FULL_REFRESH, ` +
      'which makes the table anew',
  );
}

function shortened(value) {
  const text = toText(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

/** Rows that are there would have no value in it, and be neither found nor replaced. */
function noKeyColumn(table, source) {
  return new ConnectorError(
    `Table "${table}" has no column "${source}", which is a unique key of the rows: choose another ` +
      'table, or run a FULL_REFRESH, which makes it anew',
  );
}

/**
 * A staged date in the spelling that each database reads, `2024-01-31 01:02:03.456789+02:00`; what is
 * beyond microseconds is cut off. It is much text and work, so for columns that need it only.
 *
 * @param {string} staged
 * @param {{ hasZone: boolean }} options `hasZone`: what names no zone gets UTC's
 * @returns {string} SQL that BigQuery, DuckDB and Trino have in common
 */
function plainMoment(staged, { hasZone }) {
  // DuckDB gives an empty text where nothing is found, the others no value
  const found = (pattern) => `nullif(regexp_extract(substr(${staged}, 11), '${pattern}'), '')`;
  const clock = found('[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,6})?)?');
  const parts = [
    `replace(substr(${staged}, 1, 10), '/', '-')`,
    "' '",
    `coalesce(CASE WHEN length(${clock}) = 5 THEN ${clock} || ':00' ELSE ${clock} END, '00:00:00')`,
  ];
  if (hasZone) {
    const offset = found('[+-][0-9:]+$');
    const minutes = `CASE WHEN length(${offset}) = 3 THEN '00' ELSE substr(${offset}, length(${offset}) - 1) END`;
    parts.push(`coalesce(substr(${offset}, 1, 3) || ':' || ${minutes}, '+00:00')`);
  }
  return `(${parts.join(' || ')})`;
}

/**
 * A staged text as one to cast: an empty one has no value in a column of another type than text.
 *
 * @param {string} staged
 * @param {import('../Core/Column').Column} column
 * @returns {string} SQL
 */
function castable(staged, { hasEmpty }) {
  return hasEmpty ? `nullif(${staged}, '')` : staged;
}

/**
 * Tells of a column whether its dates have to be brought into one spelling.
 *
 * @param {import('../Core/Column').Column} column
 */
function hasManySpellings({ hasOddDates, isPartlyZoned }) {
  return hasOddDates || isPartlyZoned;
}

/**
 * Which type a run's column has or gets in a table.
 *
 * @param {Record<string, string>} sqlTypes by the columns' types
 * @returns {(have: string | undefined, column: import('../Core/Column').Column) => string | null}
 *   `have` is the table's type, `undefined` when it has no such column. It gives that type, or a
 *   wider one that holds what is there as well; `null` where the values do not fit
 */
function typesFor(sqlTypes) {
  // Where two have the same one, as in Athena, the first is meant.
  const typeOf = new Map(
    Object.entries(sqlTypes)
      .map(([type, sqlType]) => [sqlType, type])
      .reverse(),
  );
  return (have, column) => {
    const { type, narrow, hasBigInteger, jsonForm } = column;
    const wanted = sqlTypes[type ?? 'string'];
    if (have === undefined) return wanted;
    const fits =
      type === null ||
      have === wanted ||
      (narrow !== undefined && have === sqlTypes[narrow]) ||
      have === sqlTypes.string ||
      (have === sqlTypes.json && jsonForm !== null) ||
      (have === sqlTypes.number && type === 'integer' && !hasBigInteger) ||
      (have === sqlTypes.timestamp && type === 'date') ||
      (have === sqlTypes.timestamptz && (type === 'date' || type === 'timestamp')) ||
      (isDecimal(have) && isNumeric(column));
    if (fits) return have;
    return LOSSLESS.has(`${typeOf.get(have)} to ${typeOf.get(wanted)}`) ? wanted : null;
  };
}

/** Whether a table's type has so many decimals, which others make tables with. */
function isDecimal(sqlType) {
  return /^(?:big)?(?:numeric|decimal)\b/i.test(sqlType);
}

/** Whether a column's values are numbers, however they are written. */
function isNumeric({ type, narrow }) {
  return ['integer', 'number'].includes(type) || ['integer', 'number'].includes(narrow);
}

/**
 * The staged rows of which a decimal type does not hold a column's value: it would be rounded.
 *
 * @param {string} sqlType
 * @param {string} value staged text as SQL
 * @param {{ tryCast: string, double: string }} dialect
 * @returns {string} condition in SQL
 */
function isRounded(sqlType, value, { tryCast, double }) {
  const rounded = `CAST(${tryCast}(${value} AS ${sqlType}) AS ${double})`;
  return `${value} IS NOT NULL AND coalesce(${rounded} <> CAST(${value} AS ${double}), TRUE)`;
}

function tooExact(table, { source, sqlType }, rows) {
  return new ConnectorError(
    `Column "${source}" of table "${table}" is ${sqlType}, which does not hold the numbers of ${rows} ` +
      'rows without rounding them: round them at the source, or give the column a type with more digits',
  );
}

function tooLongForDoubles(table, source) {
  return new ConnectorError(
    `Column "${source}" of table "${table}" has integers that decimals cannot hold ` +
      'exactly, so it cannot take decimals: declare it as string, and run a FULL_REFRESH',
  );
}

function namesOf(columns) {
  return columns.map(({ name }) => name).join(', ');
}

/** What a MERGE does with rows of its source, which it calls s. */
function insertOf(columns) {
  return `INSERT (${namesOf(columns)}) VALUES (${columns.map(({ name }) => `s.${name}`).join(', ')})`;
}

/** Moments lie in days of UTC. */
function dayOf(value) {
  return `CAST(${value} AS date)`;
}

function noKeyValue(source, rows) {
  return new ConnectorError(
    `The unique key "${source}" has no value in ${rows} rows: choose other unique keys`,
  );
}

module.exports = {
  EXACT_AS_DOUBLE,
  LOSSLESS,
  castable,
  dayOf,
  hasManySpellings,
  insertOf,
  isDecimal,
  isNumeric,
  isRounded,
  misfit,
  namesOf,
  noKeyColumn,
  noKeyValue,
  plainMoment,
  planColumns,
  refusePlaceholders,
  settleSpellings,
  tooExact,
  tooLongForDoubles,
  typesFor,
};
