'use strict';

const { AbstractSource } = require('../../Core/AbstractSource');
const { ConnectorError } = require('../../Core/errors');
const { stringify } = require('../../Core/exactJson');
const { fetchJson, separateUser, shown } = require('../../Core/http');
const { declaredTypes } = require('../../Core/declaredTypes');
const { toDay, today } = require('../../Core/dates');
const { Overlap } = require('./Overlap');
const { firstPage, nextPage, valueAt } = require('./paging');
const manifest = require('./manifest.json');

const NO_CONTENT = 204;
/** What servers answer to the number of a page that they do not have. */
const PAST_THE_LAST = [NO_CONTENT, 404];

/** Records of an HTTP API, page by page: memory holds one page. */
class HttpJsonSource extends AbstractSource {
  constructor(config) {
    super(config, manifest);
  }

  get hasDates() {
    return this.config.getValue('DateColumn') !== null;
  }

  tables() {
    const { config } = this;
    return [
      {
        name: config.getValue('TableName'),
        uniqueKeys: config.getValue('UniqueKeys'),
        dateColumn: config.getValue('DateColumn'),
        daysPerStep: this.#daysPerStep(),
        types: declaredTypes(config),
      },
    ];
  }

  #daysPerStep() {
    const { config } = this;
    const days = config.getValue('DaysPerStep');
    if (days === null) return undefined;
    const url = config.getValue('Url');
    // Otherwise each step would ask for all days.
    if (!url.includes('{StartDate}') || !url.includes('{EndDate}') || !this.hasDates) {
      throw new ConnectorError(
        'DaysPerStep needs an Url with {StartDate} and {EndDate}, and a DateColumn: set them, or remove it',
      );
    }
    return Math.floor(days);
  }

  async *fetch({ dateColumn }, range) {
    const { url, authorization } = separateUser(this.#address(range));
    const options = this.#options(authorization);
    const selection = this.#selection();
    const seen = new Set();
    const overlap = new Overlap();
    let page = firstPage(this.config, url);
    let hasRecords = false;
    while (page !== null) {
      if (seen.has(page.url)) {
        throw new ConnectorError(
          `${shown(page.url)} names itself as a page after it: check Paging`,
        );
      }
      seen.add(page.url);
      const isNumbered = page.number !== undefined;
      const ends = hasRecords ? (isNumbered ? PAST_THE_LAST : [NO_CONTENT]) : [];
      const answer = await fetchJson(page.url, { ...options, ends });
      if (answer.body === undefined) break;
      const records = this.#records(answer.body, page.url);
      hasRecords ||= records.length > 0;
      if (isNumbered && overlap.observe(records, page.url)) break;
      const rows = records
        .filter((record) => Object.keys(record).length > 0)
        .map((record) => selection.take(record))
        .filter((row) => isInRange(row, dateColumn, range));
      if (rows.length > 0) yield rows;
      page = nextPage(this.config, page, answer, records.length);
    }
    if (overlap.moved > 0 && this.config.getValue('UniqueKeys').length === 0) {
      this.config.addWarningToCurrentStatus(
        `${overlap.moved} records came on two pages, as it is where new ones come meanwhile, and are ` +
          'loaded twice: set UniqueKeys',
      );
    }
    if (selection.missing.length > 0) {
      this.config.addWarningToCurrentStatus(
        `No record has the field ${selection.missing.join(', ')}: check the names in Fields`,
      );
    }
  }

  /** Asks for the first page, of one day where the address asks for days. */
  async check() {
    const day = this.config.getValue('StartDate') ?? today();
    const { url, authorization } = separateUser(this.#address({ start: day, end: day }));
    const page = firstPage(this.config, url);
    const { body } = await fetchJson(page.url, { ...this.#options(authorization), attempts: 1 });
    const { length } = this.#records(body, page.url);
    return `${shown(page.url)} answers, with ${length} records on its first page`;
  }

  /** The address with the days that a run loads. */
  #address({ start, end }) {
    const url = this.config.getValue('Url');
    if (url.includes('{StartDate}') && start === null) {
      throw new ConnectorError('Url asks for a {StartDate}: set StartDate, or a state');
    }
    const address = url
      .replaceAll('{StartDate}', start ?? '')
      .replaceAll('{EndDate}', end ?? today());
    if (!/^https?:/i.test(address) || !URL.canParse(address)) {
      throw new ConnectorError(`Url "${shown(url)}" is no http(s) address: correct it`);
    }
    return address;
  }

  #options(authorization) {
    const { config } = this;
    const headers = { accept: 'application/json', ...(authorization && { authorization }) };
    for (const header of config.getValue('Headers')) {
      const [, name, value] = /^([\w-]+)\s*:\s*(.*)$/s.exec(header) ?? [];
      if (name === undefined) {
        throw new ConnectorError('Headers has an entry without name: write it like "Name: value"');
      }
      headers[name.toLowerCase()] = headerValue('Headers', value);
    }
    const token = config.getValue('BearerToken');
    if (token !== null) headers.authorization = `Bearer ${headerValue('BearerToken', token)}`;
    return {
      headers,
      attempts: config.getValue('MaxAttempts'),
      timeoutMs: config.getValue('TimeoutSeconds') * 1000,
      wait: (ms, reason) => config.wait(ms, reason),
    };
  }

  #records(body, url) {
    const path = this.config.getValue('RecordsPath');
    const records = path === null ? body : valueAt(body, path);
    if (!Array.isArray(records)) {
      const where = path === null ? 'The answer' : `${path} in the answer`;
      throw new ConnectorError(
        `${where} of ${shown(url)} is ${kindOf(records)} and no list: correct RecordsPath`,
      );
    }
    const odd = records.find((record) => kindOf(record) !== 'an object');
    if (odd !== undefined) {
      throw new ConnectorError(
        `A record of ${shown(url)} is ${kindOf(odd)} and no object: correct RecordsPath`,
      );
    }
    return records;
  }

  #selection() {
    const { config } = this;
    const fields = config.getValue('Fields');
    const dateColumn = config.getValue('DateColumn');
    const required = [
      ...config.getValue('UniqueKeys'),
      ...(dateColumn === null ? [] : [dateColumn]),
    ];
    const types = declaredTypes(config);
    const isAll = fields.some((field) => field.toLowerCase() === 'all');
    return new Selection(isAll ? null : [...new Set([...required, ...fields])], {
      paths: [...required, ...Object.keys(types)].filter((name) => name.includes('.')),
      nullValues: new Set(config.getValue('NullValues')),
      json: Object.keys(types).filter((name) => types[name] === 'json'),
    });
  }
}

/** The wanted fields of records, as the storage gets them. */
class Selection {
  #wanted;
  #paths;
  #nullValues;
  #json;
  #missing;
  #hasRecords = false;

  /**
   * @param {string[] | null} wanted fields; `null`: all
   * @param {object} options
   * @param {string[]} options.paths of fields within fields that become columns of their own
   * @param {Set<string>} options.nullValues texts that mean "no value"
   * @param {string[]} options.json columns that are JSON whatever their values are
   */
  constructor(wanted, { paths, nullValues, json }) {
    this.#wanted = wanted;
    this.#paths = paths;
    this.#nullValues = nullValues;
    this.#json = json;
    this.#missing = new Set(wanted ?? []);
  }

  /** Names that no record had, where there were any. */
  get missing() {
    return this.#hasRecords ? [...this.#missing] : [];
  }

  take(record) {
    this.#hasRecords = true;
    for (const name of this.#missing) {
      if (findField(record, name) !== undefined) this.#missing.delete(name);
    }
    const names = this.#wanted ?? this.#paths;
    const own = names.map((name) => [name, fieldOf(record, name)]);
    const isAsItIs = this.#wanted === null && own.length === 0;
    const row = isAsItIs
      ? { ...record }
      : Object.fromEntries([...(this.#wanted === null ? Object.entries(record) : []), ...own]);
    if (this.#nullValues.size > 0) {
      for (const name of Object.keys(row)) if (this.#nullValues.has(row[name])) row[name] = null;
    }
    // A text in a JSON column has to be JSON, too.
    for (const name of this.#json) {
      if (typeof row[name] === 'string' && row[name] !== '') row[name] = stringify(row[name]);
    }
    return row;
  }
}

/** What copying leaves around it is cut off; what no header can hold is refused. */
function headerValue(parameter, text) {
  const value = text.trim();
  if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return value;
  throw new ConnectorError(`${parameter} has characters that no header can hold: correct it`);
}

/** A field of a record, or by a path such as `a.b` one within it; not what every object has. */
function findField(record, name) {
  return Object.hasOwn(record, name) ? record[name] : valueAt(record, name);
}

function fieldOf(record, name) {
  return findField(record, name) ?? null;
}

/** An API need not keep to the days that it was asked for. Without a date it is as in CsvFile. */
function isInRange(record, dateColumn, { start, end }) {
  if (dateColumn === null) return true;
  const date = fieldOf(record, dateColumn);
  if (date === null || date === '') return start === null && end === null;
  const day = toDay(date);
  if (day === null) {
    throw new ConnectorError(
      `A record has the ${dateColumn} ${stringify(date)}, which is no ISO date like 2024-01-31: ` +
        'choose another DateColumn',
    );
  }
  return (start === null || day >= start) && (end === null || day <= end);
}

function kindOf(value) {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

module.exports = { HttpJsonSource };
