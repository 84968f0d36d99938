'use strict';

const { createReadStream } = require('node:fs');
const { isAbsolute } = require('node:path');
const { fileURLToPath } = require('node:url');
const { ConnectorError } = require('../../Core/errors');
const { shown } = require('../../Core/http');
const { isolationRemedy } = require('../../Core/isolation');
const { Download } = require('./download');

/**
 * The text of a file or an http(s) address in chunks; a byte order mark is left out.
 *
 * @param {string} location absolute path, or http, https or file URL
 * @param {string} encoding a label that `TextDecoder` knows
 * @param {object} options see `Download`
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
      const remedy = remedyFor(start) ?? 'set Encoding, for example to windows-1252';
      throw new ConnectorError(`${shown(location)} is not encoded in ${encoding}: ${remedy}`, {
        cause,
      });
    }
  };
  for await (const bytes of readBytes(location, options)) {
    start ??= bytes;
    yield decode(bytes, { stream: true });
  }
  yield decode();
}

/** What begins so is no text, or one in another encoding. */
const BEGINNINGS = [
  [[0xff, 0xfe], 'set Encoding to utf-16le'],
  [[0xfe, 0xff], 'set Encoding to utf-16be'],
  [[0x1f, 0x8b], 'it is compressed with gzip, unpack it first'],
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

function readBytes(location, options) {
  if (/^https?:/i.test(location)) return new Download(location, options).bytes();
  if (/^file:/i.test(location)) return readFile(pathOf(location));
  if (isAbsolute(location)) return readFile(location);
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
