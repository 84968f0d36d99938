'use strict';

const { createReadStream } = require('node:fs');
const { isAbsolute } = require('node:path');
const { fileURLToPath } = require('node:url');
const { ConnectorError } = require('../../Core/errors');
const { shown } = require('../../Core/http');
const { Download } = require('./download');

/**
 * The text of a file or an http(s) address in chunks; a byte order mark is left out.
 *
 * @param {string} location absolute path, or http, https or file URL
 * @param {string} encoding a label that `TextDecoder` knows
 * @param {{ attempts: number }} options see `Download`
 * @returns {AsyncGenerator<string>}
 * @throws {ConnectorError}
 */
async function* readText(location, encoding, options) {
  const decoder = decoderFor(encoding);
  let start = null;
  const decode = (bytes, options) => {
    try {
      return decoder.decode(bytes, options);
    } catch (cause) {
      throw new ConnectorError(
        `${shown(location)} is not encoded in ${encoding}: set Encoding, for example to ${likely(start)}`,
        { cause },
      );
    }
  };
  for await (const bytes of readBytes(location, options)) {
    start ??= bytes;
    yield decode(bytes, { stream: true });
  }
  yield decode();
}

/** What the first bytes of a file that is no UTF-8 speak for. */
function likely([first, second]) {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'windows-1252';
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

function readBytes(location, options) {
  if (/^https?:/i.test(location)) return new Download(location, options).bytes();
  if (/^file:/i.test(location)) return readFile(fileURLToPath(location));
  if (isAbsolute(location)) return readFile(location);
  throw new ConnectorError(
    `Path "${location}" is relative, but a run has a folder of its own: give the absolute path`,
  );
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
    if (cause.syscall === undefined) throw cause;
    const reason = FILE_ERRORS[cause.code] ?? cause.message;
    throw new ConnectorError(`Cannot read ${path}: ${reason}`, { cause });
  }
}

module.exports = { readText };
