'use strict';

const { AbstractSource } = require('../../Core/AbstractSource');
const { ConnectorError } = require('../../Core/errors');
const { stringify } = require('../../Core/exactJson');
const { fetchJson, separateUser, shown } = require('../../Core/http');
const { declaredTypes } = require('../../Core/declaredTypes');
const { toDay, today } = require('../../Core/dates');
const { OAuth2 } = require('../../Core/OAuth2');
const { pagesOf } = require('../../Core/pages');
const { formatOf } = require('./formats');
const { Overlap } = require('./Overlap');
const { firstPage, nextPage } = require('./paging');
const { Selection } = require('./Selection');
const manifest = require('./manifest.json');

const NO_CONTENT = 204;
/** What servers answer to the number of a page that they do not have. */
const PAST_THE_LAST = [NO_CONTENT, 404];
/** Nothing new, and nothing after it. */
const LAST = { records: [], next: null };

/** Records of an HTTP API, page by page: memory holds one page. */
class HttpJsonSource extends AbstractSource {
  #oauth2;

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
    const asked = `${config.getValue('Url')} ${stringify(config.getValue('Body'))}`;
    // Otherwise each step would ask for all days.
    if (!asked.includes('{StartDate}') || !asked.includes('{EndDate}') || !this.hasDates) {
      throw new ConnectorError(
        'DaysPerStep needs an Url or Body with {StartDate} and {EndDate}, and a DateColumn: set them, or remove it',
      );
    }
    return Math.floor(days);
  }

  async *fetch({ dateColumn }, range) {
    const request = this.#request(range);
    const format = formatOf(this.config);
    const options = this.#options(request.authorization, format);
    const selection = new Selection(this.config);
    const overlap = new Overlap();
    let hasRecords = false;
    const ask = async (page) => {
      const isNumbered = page.number !== undefined;
      const ends = hasRecords ? (isNumbered ? PAST_THE_LAST : [NO_CONTENT]) : [];
      const answer = await fetchJson(page.url, { ...options, ...askFor(page), ends });
      if (answer.body === undefined) return LAST;
      const records = format.recordsOf(answer.body, page.url);
      hasRecords ||= records.length > 0;
      if (isNumbered && overlap.observe(records, page.url)) return LAST;
      return { records, next: nextPage(this.config, page, answer, records.length) };
    };
    for await (const records of pagesOf(firstPage(this.config, request), ask)) {
      const rows = records
        .filter((record) => Object.keys(record).length > 0)
        .map((record) => selection.take(record))
        .filter((row) => isInRange(row, dateColumn, range));
      if (rows.length > 0) yield rows;
    }
    this.#warn(overlap, selection);
  }

  #warn(overlap, selection) {
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
    const request = this.#request({ start: day, end: day });
    const format = formatOf(this.config);
    const page = firstPage(this.config, request);
    const options = this.#options(request.authorization, format, 1);
    const { body } = await fetchJson(page.url, { ...options, ...askFor(page) });
    const { length } = format.recordsOf(body, page.url);
    return `${shown(page.url)} answers, with ${length} records on its first page`;
  }

  /** What is asked for, with the days that a run loads; with a body it is a POST. */
  #request(range) {
    const { url, authorization } = separateUser(this.#address(range));
    const template = this.config.getValue('Body');
    if (template === null) return { url, authorization };
    return { url, authorization, body: withDays(template, range, 'Body') };
  }

  /** The address with the days that a run loads. */
  #address(range) {
    const url = this.config.getValue('Url');
    const address = withDays(url, range, 'Url');
    if (!/^https?:/i.test(address) || !URL.canParse(address)) {
      throw new ConnectorError(`Url "${shown(url)}" is no http(s) address: correct it`);
    }
    return address;
  }

  #options(authorization, format, attempts = this.config.getValue('MaxAttempts')) {
    const { config } = this;
    const headers = { accept: 'application/json', ...(authorization && { authorization }) };
    if (config.getValue('Body') !== null) headers['content-type'] = 'application/json';
    for (const header of config.getValue('Headers')) {
      const [, name, value] = /^([\w-]+)\s*:\s*(.*)$/s.exec(header) ?? [];
      if (name === undefined) {
        throw new ConnectorError('Headers has an entry without name: write it like "Name: value"');
      }
      headers[name.toLowerCase()] = headerValue('Headers', value);
    }
    const token = config.getValue('BearerToken');
    if (token !== null) headers.authorization = `Bearer ${headerValue('BearerToken', token)}`;
    const asking = {
      attempts,
      timeoutMs: config.getValue('TimeoutSeconds') * 1000,
      wait: (ms, reason) => config.wait(ms, reason),
    };
    const authorize = this.#authorize(asking);
    return { ...asking, headers, parse: format.parse, ...(authorize && { authorize }) };
  }

  /** One token for all tables and steps of a run. */
  #authorize(request) {
    const { config } = this;
    if (config.getValue('OAuth2') === 'none') return undefined;
    if (config.getValue('BearerToken') !== null) {
      throw new ConnectorError('There are both BearerToken and OAuth2: remove one');
    }
    this.#oauth2 ??= oauth2Of(config, request);
    return (isRefused) => this.#oauth2.headers(isRefused);
  }
}

/** What `fetchJson` needs of a page. */
function askFor({ body }) {
  return body === undefined ? {} : { method: 'POST', body: stringify(body) };
}

/** A text, or each text in an object, with the days that a run loads. */
function withDays(template, { start, end }, parameter) {
  if (typeof template === 'string') {
    if (template.includes('{StartDate}') && start === null) {
      throw new ConnectorError(`${parameter} asks for a {StartDate}: set StartDate, or a state`);
    }
    return template.replaceAll('{StartDate}', start ?? '').replaceAll('{EndDate}', end ?? today());
  }
  if (typeof template !== 'object' || template === null) return template;
  const within = (value) => withDays(value, { start, end }, parameter);
  if (Array.isArray(template)) return template.map(within);
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, within(value)]));
}

function oauth2Of(config, request) {
  const value = (name) => config.getValue('OAuth2', name);
  const entries = (value('More') ?? []).map((entry) => {
    const [, name, text] = /^([^:=]+)[:=]\s*(.*)$/s.exec(entry) ?? [];
    if (name !== undefined) return [name.trim(), text];
    throw new ConnectorError('OAuth2.More has an entry without name: write it like "audience: …"');
  });
  return new OAuth2({
    tokenUrl: value('TokenUrl'),
    clientId: value('ClientId'),
    clientSecret: value('ClientSecret'),
    refreshToken: value('RefreshToken'),
    scope: value('Scope'),
    isBasic: value('InHeader'),
    more: Object.fromEntries(entries),
    mask: (secret) => config.maskSecret(secret),
    onRefreshToken: (token) => {
      config.print('updateCredentials', { credentials: { RefreshToken: token } });
      config.addWarningToCurrentStatus(
        'The server gave a new refresh token in place of the one in OAuth2: a host finds it in ' +
          'updateCredentials, and has to save it for the next run',
      );
    },
    request,
  });
}

/** What copying leaves around it is cut off; what no header can hold is refused. */
function headerValue(parameter, text) {
  const value = text.trim();
  if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return value;
  throw new ConnectorError(`${parameter} has characters that no header can hold: correct it`);
}

/** An API need not keep to the days that it was asked for. Without a date it is as in CsvFile. */
function isInRange(record, dateColumn, { start, end }) {
  if (dateColumn === null) return true;
  const date = record[dateColumn];
  if (date === undefined || date === null || date === '') return start === null && end === null;
  const day = toDay(date);
  if (day === null) {
    throw new ConnectorError(
      `A record has the ${dateColumn} ${stringify(date)}, which is no ISO date like 2024-01-31: ` +
        'set DateFormat, or choose another DateColumn',
    );
  }
  return (start === null || day >= start) && (end === null || day <= end);
}

module.exports = { HttpJsonSource };
