'use strict';

const { AbstractSource } = require('../../Core/AbstractSource');
const { ConnectorError } = require('../../Core/errors');
const { declaredTypes } = require('../../Core/declaredTypes');
const { dateFormats } = require('../../Core/DateFormat');
const { toDay } = require('../../Core/dates');
const { shown, unescape } = require('../../Core/http');
const { TextRows } = require('../../Core/TextRows');
const { CsvLayout } = require('./CsvLayout');
const { CsvParser } = require('./CsvParser');
const { Edges } = require('./Edges');
const { numberReader } = require('./numbers');
const { readText } = require('./readText');
const manifest = require('./manifest.json');

/** Rows of a CSV file. The file is always read from its beginning: it has no index of dates. */
class CsvFileSource extends AbstractSource {
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
        name: tableNameOf(config.getValue('Path')),
        uniqueKeys: config.getValue('UniqueKeys'),
        dateColumn: config.getValue('DateColumn'),
        types: declaredTypes(this.config),
        isText: true,
      },
    ];
  }

  /** Rows without a date are left out as soon as the run has a first or last day. */
  async *fetch({ dateColumn }, { start, end }) {
    const isInRange = (value, line) => {
      if (value === null) return start === null && end === null;
      const day = toDay(value);
      if (day === null) {
        throw new ConnectorError(
          `Line ${line} has the ${dateColumn} "${value}", which is no ISO date like ` +
            '2024-01-31: correct it, set DateFormat, or choose another DateColumn',
        );
      }
      return (start === null || day >= start) && (end === null || day <= end);
    };

    let layout = null;
    let dateAt = -1;
    for await (const { records, parser } of this.#records()) {
      const { delimiter } = parser;
      const rows = [];
      const lines = [];
      const texts = [];
      for (const record of records) {
        if (layout === null) {
          layout = this.#layoutOf(record);
          dateAt = dateColumn === null ? -1 : layout.columns.indexOf(dateColumn);
          if (this.config.getValue('HasHeader')) continue;
        }
        const values = layout.valuesOf(record);
        if (!isInRange(dateAt === -1 ? null : values[dateAt], record.line)) continue;
        rows.push(values);
        lines.push(record.line);
        texts.push(layout.rawOf(record));
      }
      if (rows.length > 0) yield new TextRows(layout.columns, rows, lines, { texts, delimiter });
    }
    if (layout === null) {
      throw new ConnectorError('The CSV file is empty, without even a header: check Path');
    }
  }

  /** Reads no further than the first line, by which a server is known to let it be read, too. */
  async check() {
    const path = this.config.getValue('Path');
    const found = ({ fields, line }) => {
      this.#layoutOf({ fields, line });
      return `${shown(path)} can be read, and its first line has ${fields.length} columns`;
    };
    for await (const { records } of this.#parsed({ attempts: 1 })) {
      if (records.length > 0) return found(records[0]);
    }
    throw new ConnectorError('The CSV file is empty, without even a header: check Path');
  }

  async *#records() {
    const value = (name) => this.config.getValue(name);
    let blank = null;
    const options = {
      attempts: value('MaxAttempts'),
      wait: (ms, reason) => this.config.wait(ms, reason),
      warn: (warning) => this.config.addWarningToCurrentStatus(warning),
    };
    for await (const { records, parser } of this.#parsed(options)) {
      ({ blank } = parser);
      yield { records, parser };
    }
    if (blank === null || blank.count === 0) return;
    this.config.addWarningToCurrentStatus(
      `Lines of delimiters only were left out, ${blank.count} in all; the first is line ${blank.line}`,
    );
  }

  /** The records of the file, and the parser that gives them. */
  async *#parsed(options) {
    const value = (name) => this.config.getValue(name);
    const edges = new Edges({
      skip: Math.floor(value('SkipLines')),
      skipAtEnd: Math.floor(value('SkipLinesAtEnd')),
    });
    const given = this.#delimiter();
    const isGiven = this.config.Delimiter.value !== undefined;
    const shape = { ...this.#shape(), keepsEmpty: value('KeepQuotedEmpty') };
    let parser = null;
    const parse = (text) => {
      const delimiter = (isGiven ? null : edges.delimiter) ?? given;
      parser ??= new CsvParser({ ...shape, delimiter, line: edges.line });
      return { records: parser.write(text), parser };
    };
    for await (const chunk of readText(value('Path'), value('Encoding'), options)) {
      const text = edges.write(chunk);
      if (text !== '') yield parse(text);
    }
    yield parse(edges.end());
    yield { records: parser.end(), parser };
  }

  #shape() {
    const comment = this.config.getValue('Comment');
    const escape = this.config.getValue('Escape');
    if (escape !== null && (escape.length !== 1 || /["\r\n\w]/.test(escape))) {
      throw new ConnectorError(
        `Escape "${escape}" must be one character, and no quote, letter or digit: correct it`,
      );
    }
    return { comment, escape };
  }

  #delimiter() {
    const given = this.config.getValue('Delimiter');
    const delimiter = given === '\\t' ? '\t' : given;
    if (delimiter.length !== 1 || '"\r\n'.includes(delimiter)) {
      throw new ConnectorError(
        `Delimiter "${given}" must be one character, and no quote or line end: correct it`,
      );
    }
    return delimiter;
  }

  #layoutOf({ fields, line }) {
    const { config } = this;
    const hasHeader = config.getValue('HasHeader');
    const given = config.getValue('Columns');
    if (given !== null && given.length !== fields.length) {
      throw new ConnectorError(
        `Columns names ${given.length} columns, but line ${line} of the file has ` +
          `${fields.length}: name them all, or check Delimiter`,
      );
    }
    if (hasHeader) this.#checkHeader(fields.map((field) => field ?? ''));
    const names = hasHeader ? fields : fields.map((_, index) => `column${index + 1}`);
    const dateColumn = config.getValue('DateColumn');
    const formats = dateFormats(config);
    return new CsvLayout(given ?? names, {
      fields: config.getValue('Fields'),
      nullValues: config.getValue('NullValues'),
      required: [...config.getValue('UniqueKeys'), ...(dateColumn === null ? [] : [dateColumn])],
      known: [...Object.keys(declaredTypes(config)), ...formats.keys()],
      keepsEmpty: config.getValue('KeepQuotedEmpty'),
      readerOf: this.#readers(formats),
    });
  }

  /** What reads the values of a column: dates by their format, numbers as the file writes them. */
  #readers(formats) {
    const { config } = this;
    const types = declaredTypes(config);
    const keys = config.getValue('UniqueKeys');
    const number = numberReader(config);
    return (column) => {
      const format = formats.get(column);
      if (format !== undefined) return (text, line) => dateIn(format, text, { column, line });
      const type = types[column] ?? (keys.includes(column) ? 'string' : 'number');
      if (number === null || !['number', 'integer'].includes(type)) return null;
      return (text, line) => number(text, column, line);
    };
  }

  #checkHeader(fields) {
    if (/^\s*<(?:!doctype\s+)?html/i.test(fields[0])) {
      throw new ConnectorError(
        'The file is a web page and no CSV file: check Path, and whether it can be read without login',
      );
    }
    if (fields.some((field) => field.includes('\0'))) {
      throw new ConnectorError(
        'The header has NUL characters, as text in another encoding has: set Encoding, for example ' +
          'to utf-16le',
      );
    }
    const other = fields.length === 1 ? /[,;\t|]/.exec(fields[0])?.[0] : undefined;
    if (other === undefined) return;
    const shown = other === '\t' ? '\\t' : other;
    this.config.addWarningToCurrentStatus(
      `The file has one column only, "${fields[0]}": if that is not so, set Delimiter to ${shown}`,
    );
  }
}

function dateIn(format, text, { column, line }) {
  const date = format.read(text);
  if (date !== null) return date;
  throw new ConnectorError(
    `Line ${line} has the ${column} "${text}", which is not in the format ${format}: correct ` +
      'DateFormat, or name the value in NullValues',
  );
}

/** "exchange rates" for https://host/exchange%20rates.csv?x=1 */
function tableNameOf(location) {
  const path =
    /^(?:https?|file):/i.test(location) && URL.canParse(location)
      ? unescape(new URL(location).pathname)
      : location;
  const file = path.split(/[\\/]/).at(-1);
  return file.replace(/\.gz$/i, '').replace(/\.[^.]*$/, '') || 'csv';
}

module.exports = { CsvFileSource };
