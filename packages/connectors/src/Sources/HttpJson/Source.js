'use strict';

const { AbstractSource } = require('../../Core/AbstractSource');
const { ConnectorError } = require('../../Core/errors');
const { stringify } = require('../../Core/exactJson');
const { fetchJson, shown } = require('../../Core/http');
const { toDay, today } = require('../../Core/dates');
const { firstPage, nextPage, valueAt } = require('./paging');
const manifest = require('./manifest.json');

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
      },
    ];
  }

  async *fetch({ dateColumn }, range) {
    const options = this.#options();
    const select = this.#selector();
    const seen = new Set();
    let page = firstPage(this.config, this.#address(range));
    while (page !== null) {
      if (seen.has(page.url)) {
        throw new ConnectorError(
          `${shown(page.url)} names itself as a page after it: check Paging`,
        );
      }
      seen.add(page.url);
      const answer = await fetchJson(page.url, options);
      const records = this.#records(answer.body, page.url);
      const rows = records.filter((record) => isInRange(record, dateColumn, range)).map(select);
      if (rows.length > 0) yield rows;
      page = nextPage(this.config, page, answer, records.length);
    }
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

  #options() {
    const { config } = this;
    const headers = { accept: 'application/json' };
    for (const header of config.getValue('Headers')) {
      const [, name, value] = /^([\w-]+)\s*:\s*(.*)$/s.exec(header) ?? [];
      if (name === undefined) {
        throw new ConnectorError('Headers has an entry without name: write it like "Name: value"');
      }
      headers[name.toLowerCase()] = value;
    }
    const token = config.getValue('BearerToken');
    if (token !== null) headers.authorization = `Bearer ${token}`;
    return {
      headers,
      attempts: config.getValue('MaxAttempts'),
      timeoutMs: config.getValue('TimeoutSeconds') * 1000,
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

  /** Picks the wanted fields of a record. */
  #selector() {
    const { config } = this;
    const fields = config.getValue('Fields');
    if (fields.includes('all')) return (record) => record;
    const dateColumn = config.getValue('DateColumn');
    const required = [
      ...config.getValue('UniqueKeys'),
      ...(dateColumn === null ? [] : [dateColumn]),
    ];
    const wanted = [...new Set([...required, ...fields])];
    return (record) => Object.fromEntries(wanted.map((name) => [name, record[name] ?? null]));
  }
}

/** An API need not keep to the days that it was asked for. */
function isInRange(record, dateColumn, { start, end }) {
  if (dateColumn === null || (start === null && end === null)) return true;
  const day = toDay(record[dateColumn] ?? null);
  if (day === null) {
    throw new ConnectorError(
      `A record has the ${dateColumn} ${stringify(record[dateColumn])}, which is no ISO date ` +
        'like 2024-01-31: choose another DateColumn',
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
