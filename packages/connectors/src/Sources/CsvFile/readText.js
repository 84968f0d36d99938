'use strict';

const { createReadStream } = require('node:fs');
const { isAbsolute } = require('node:path');
const { fileURLToPath } = require('node:url');
const { ConnectorError } = require('../../Core/errors');
const { shown } = require('../../Core/http');
const { isolationRemedy } = require('../../Core/isolation');
const { Download } = require('./download');
const { unzipped } = require('./unzip');

/**
 * The text of a file or an http(s) address in chunks, unpacked where gzip has compressed it; a byte
 * order mark is left out.
 *
 * @param {string} location absolute path, or http, https or file URL
 * @param {string | null} encoding a label that `TextDecoder` knows; without one a byte order mark
 *   tells it, then the server, and then it is UTF-8
 * @param {object} options see `Download`
 * @param {(warning: string) => void} [options.warn]
 * @returns {AsyncGenerator<string>}
 * @throws {ConnectorError}
 */
async function* readText(location, encoding, options) {
  const file = openFile(location, options);
  let decoder = encoding === null ? null : decoderFor(encoding);
  let start = null;
  const decode = (bytes, how) => {
    try {
      return decoder.decode(bytes, how);
    } catch (cause) {
      const remedy = remedyFor(start) ?? 'set Encoding, for example to windows-1252';
      const named = encoding ?? decoder.encoding;
      throw new ConnectorError(`${shown(location)} is not encoded in ${named}: ${remedy}`, {
        cause,
      });
    }
  };
  for await (const bytes of unzipped(file.bytes, shown(location))) {
    start ??= bytes;
    decoder ??= decoderOf(bytes, file.charset(), options.warn);
    yield decode(bytes, { stream: true });
  }
  if (decoder !== null) yield decode();
}

const MARKS = [
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
];

/** By the byte order mark of what comes first, or the encoding that a server names. */
function decoderOf(bytes, charset, warn = () => {}) {
  const mark = MARKS.find(([start]) => start.every((byte, at) => bytes[at] === byte))?.[1];
  const label = mark ?? charset;
  // ASCII is what many call what is UTF-8; TextDecoder would read windows-1252.
  if (label === null || /^(?:us-)?ascii$/i.test(label)) return decoderFor('utf-8');
  let decoder;
  try {
    decoder = new TextDecoder(label, { fatal: true });
  } catch {
    return decoderFor('utf-8');
  }
  if (!/^utf/.test(decoder.encoding) && isUtf8(bytes)) {
    warn(
      `The server says that the file is encoded in ${label}, but it looks like UTF-8: where texts are ` +
        'wrong, set Encoding to utf-8',
    );
  }
  return decoder;
}

/** Not what is ASCII only. */
function isUtf8(bytes) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return /[^\0-\x7f]/.test(text);
  } catch {
    return false;
  }
}

/** What begins so is no text, or one in another encoding. */
const BEGINNINGS = [
  [[0xff, 0xfe], 'set Encoding to utf-16le'],
  [[0xfe, 0xff], 'set Encoding to utf-16be'],
  [[0x50, 0x4b, 3, 4], 'it is a ZIP archive, as those of spreadsheets are, save it as CSV'],
];

function remedyFor(bytes) {
  const found = BEGINNINGS.find(([start]) => start.every((byte, index) => bytes[index] === byte));
  return found?.[1];
}

/** Fatal, because replacing bytes that do not fit would be silent corruption. */
function decoderFor(encoding) {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new ConnectorError(
      `Encoding "${encoding}" is unknown: use for example utf-8, utf-16le or windows-1252`,
      { cause },
    );
  }
}

/** What is there to read, and the encoding that is named for it, once the first bytes came. */
function openFile(location, options) {
  if (/^https?:/i.test(location)) {
    const download = new Download(location, options);
    return { bytes: download.bytes(), charset: () => download.charset };
  }
  const charset = () => null;
  if (/^file:/i.test(location)) return { bytes: readFile(pathOf(location)), charset };
  if (isAbsolute(location)) return { bytes: readFile(location), charset };
  throw new ConnectorError(
    `Path "${location}" is relative, but a run has a folder of its own: give the absolute path`,
  );
}

function pathOf(url) {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new ConnectorError(`Path "${url}" names no file of this machine: correct it`, { cause });
  }
}

const FILE_ERRORS = {
  ENOENT: 'there is no such file: check Path',
  EACCES: 'it may not be read: change its permissions',
  EPERM: 'it may not be read: change its permissions',
  EISDIR: 'it is a folder: name a file in it',
};

async function* readFile(path) {
  try {
    yield* createReadStream(path);
  } catch (cause) {
    if (cause.syscall === undefined && cause.code !== 'ERR_ACCESS_DENIED') throw cause;
    const isRefused = ['EACCES', 'EPERM', 'ERR_ACCESS_DENIED'].includes(cause.code);
    const byIsolation = isRefused ? isolationRemedy(path, 'read') : null;
    const reason = byIsolation ?? FILE_ERRORS[cause.code] ?? cause.message;
    throw new ConnectorError(`Cannot read ${path}: ${reason}`, { cause });
  }
}

module.exports = { readText };
