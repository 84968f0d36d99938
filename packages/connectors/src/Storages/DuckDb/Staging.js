'use strict';

const { mkdir, open, rm } = require('node:fs/promises');
const path = require('node:path');

const { ConnectorError } = require('../../Core/errors');
const { TextStaging } = require('../TextStaging');

/** What DuckDB takes as it is in the lines of a source. */
const DELIMITERS = [',', ';', '\t', '|'];

/** DuckDB reads a file in buffers of this size, and more where a line is longer. */
const BUFFER_BYTES = 64 * 1024;

/**
 * The rows of a run in CSV files beside the database, each small enough to be worked with in memory.
 * DuckDB's own temporary tables would fill its memory up to the limit.
 */
class Staging extends TextStaging {
  #folder;
  #maxFileSize;
  #files = [];
  #fileSize = Infinity;
  /** @type {import('node:fs/promises').FileHandle | null} of the last file */
  #handle = null;
  /** What is being written, while the next rows come. */
  #written = Promise.resolve();
  /** @type {string | null} of all lines; the first ones decide */
  #delimiter = null;
  /** of a line, in bytes; or more */
  #longestLine = 0;
  /** of a line that was not sent yet */
  #mostCharacters = 0;
  #isFinished = false;

  /**
   * @param {string} folder for the files, which must not be there yet
   * @param {object} options
   * @param {number} options.maxRows of a batch
   * @param {number} options.maxFileSize in bytes, beyond which a new file is begun
   */
  constructor(folder, { maxRows, maxFileSize }) {
    super(maxRows);
    this.#folder = folder;
    this.#maxFileSize = maxFileSize;
  }

  /** As SQL, the rows in the order of `n` in parts. */
  get parts() {
    return this.partsOf(1);
  }

  /** As SQL, the same in parts of so many files. */
  partsOf(count) {
    const starts = this.#files.map((_, at) => at).filter((at) => at % count === 0);
    return starts.map((at) => this.#read(this.#files.slice(at, at + count)));
  }

  /** How many files nothing is added to any more. */
  get fullFiles() {
    return this.#isFinished ? this.#files.length : Math.max(0, this.#files.length - 1);
  }

  /** As SQL, the rows of the files from one to another, that one left out. */
  partBetween(from, to) {
    return this.#read(this.#files.slice(from, to));
  }

  /** As SQL, all rows. */
  get relation() {
    return this.#read(this.#files);
  }

  /** A value is in quotes, so that an empty text differs from no value. */
  lineOf(n, texts) {
    this.#delimiter ??= ',';
    let line = `${n}`;
    for (const text of texts) {
      line += this.#delimiter;
      if (isNothing(text)) continue;
      line += text.includes('"') ? `"${text.replaceAll('"', '""')}"` : `"${text}"`;
    }
    return this.#ended(line);
  }

  takesRaw(delimiter) {
    if (DELIMITERS.includes(delimiter)) this.#delimiter ??= delimiter;
    return this.#delimiter === delimiter;
  }

  /** A line as the source has it, which is most of the work saved. */
  lineOfRaw(n, raw) {
    return this.#ended(`${n}${this.#delimiter}${raw}`);
  }

  #ended(line) {
    if (line.length >= this.#mostCharacters) this.#mostCharacters = line.length + 1;
    return `${line}\n`;
  }

  async send(text) {
    const bytes = Buffer.from(text);
    // A character has one byte where all have, and else at most three: those with more are two
    const longest = this.#mostCharacters * (bytes.length === text.length ? 1 : 3);
    this.#longestLine = Math.max(this.#longestLine, longest);
    this.#mostCharacters = 0;
    await this.#settled();
    try {
      if (this.#fileSize + bytes.length > this.#maxFileSize) await this.#beginFile();
    } catch (cause) {
      throw cannotStage(cause);
    }
    this.#written = this.#handle.appendFile(bytes);
    this.#written.catch(() => {}); // told by what waits for it
    this.#fileSize += bytes.length;
  }

  async #settled() {
    try {
      await this.#written;
    } catch (cause) {
      throw cannotStage(cause);
    }
  }

  /** Stages what is still in memory; nothing can be written after it. */
  async finish() {
    await this.flush();
    await this.#settled();
    await this.#handle?.close();
    this.#isFinished = true;
  }

  async drop() {
    await this.#written.catch(() => {});
    await this.#handle?.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #beginFile() {
    await this.#handle?.close();
    if (this.#files.length === 0) await mkdir(this.#folder, { mode: 0o700 });
    const file = path.join(this.#folder, `${this.#files.length}.csv`);
    this.#handle = await open(file, 'wx');
    this.#files.push(file);
    this.#fileSize = 0;
  }

  #read(files) {
    const columns = [...this.columns.values()].map((name) => `${name}: 'VARCHAR'`);
    const options = [
      `[${files.map(literal).join(', ')}]`,
      `columns = {n: 'BIGINT', ${columns.join(', ')}}`,
      'auto_detect = false, header = false, parallel = false',
      `delim = '${this.#delimiter}', quote = '"', escape = '"', new_line = '\\n', comment = ''`,
      // Lines lack the columns that had not come yet.
      `nullstr = '', allow_quoted_nulls = false, null_padding = true`,
      `max_line_size = ${this.#longestLine}`,
      `buffer_size = ${Math.max(BUFFER_BYTES, 2 * this.#longestLine)}`,
    ];
    return `read_csv(${options.join(', ')})`;
  }
}

function cannotStage(cause) {
  return new ConnectorError(`Cannot stage rows beside the database: ${cause.message}`, { cause });
}

function isNothing(text) {
  return text === null || text === undefined;
}

function literal(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

module.exports = { Staging };
