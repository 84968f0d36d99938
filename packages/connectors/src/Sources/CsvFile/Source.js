'use strict';

const { AbstractSource } = require('../../Core/AbstractSource');
const { ConnectorError } = require('../../Core/errors');
const { declaredTypes } = require('../../Core/declaredTypes');
const { toDay } = require('../../Core/dates');
const { shown, unescape } = require('../../Core/http');
const { TextRows } = require('../../Core/TextRows');
const { CsvLayout } = require('./CsvLayout');
const { CsvParser } = require('./CsvParser');
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
            '2024-01-31: correct it, or choose another DateColumn',
        );
      }
      return (start === null || day >= start) && (end === null || day <= end);
    };

    const delimiter = this.#delimiter();
    let layout = null;
    let dateAt = -1;
    for await (const records of this.#records()) {
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
    const value = (name) => this.config.getValue(name);
    const parser = new CsvParser({ delimiter: this.#delimiter() });
    const found = ({ fields, line }) => {
      this.#layoutOf({ fields, line });
      return `${shown(value('Path'))} can be read, and its first line has ${fields.length} columns`;
    };
    for await (const chunk of readText(value('Path'), value('Encoding'), { attempts: 1 })) {
      const [first] = parser.write(chunk);
      if (first !== undefined) return found(first);
    }
    const [first] = parser.end();
    if (first !== undefined) return found(first);
    throw new ConnectorError('The CSV file is empty, without even a header: check Path');
  }

  async *#records() {
    const parser = new CsvParser({ delimiter: this.#delimiter() });
    const value = (name) => this.config.getValue(name);
    const text = readText(value('Path'), value('Encoding'), {
      attempts: value('MaxAttempts'),
      wait: (ms, reason) => this.config.wait(ms, reason),
    });
    for await (const chunk of text) yield parser.write(chunk);
    yield parser.end();
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
    if (hasHeader) this.#checkHeader(fields);
    const names = hasHeader ? fields : fields.map((_, index) => `column${index + 1}`);
    const dateColumn = config.getValue('DateColumn');
    return new CsvLayout(given ?? names, {
      fields: config.getValue('Fields'),
      nullValues: config.getValue('NullValues'),
      required: [...config.getValue('UniqueKeys'), ...(dateColumn === null ? [] : [dateColumn])],
      known: Object.keys(declaredTypes(this.config)),
    });
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

/** "exchange rates" for https://host/exchange%20rates.csv?x=1 */
function tableNameOf(location) {
  const path =
    /^(?:https?|file):/i.test(location) && URL.canParse(location)
      ? unescape(new URL(location).pathname)
      : location;
  const file = path.split(/[\\/]/).at(-1);
  return file.replace(/\.[^.]*$/, '') || 'csv';
}

module.exports = { CsvFileSource };
