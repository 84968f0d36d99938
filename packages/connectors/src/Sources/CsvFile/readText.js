'use strict';

const { createReadStream } = require('node:fs');
const { isAbsolute } = require('node:path');
const { fileURLToPath } = require('node:url');
const { ConnectorError } = require('../../Core/errors');
const { reasonOf, remedyFor, shown } = require('../../Core/http');

const CHUNK_BYTES = 256 * 1024;

/**
 * The text of a file or an http(s) address in chunks; a byte order mark is left out.
 *
 * @param {string} location absolute path, or http, https or file URL
 * @param {string} encoding a label that `TextDecoder` knows
 * @returns {AsyncGenerator<string>}
 * @throws {ConnectorError}
 */
async function* readText(location, encoding) {
  const decoder = decoderFor(encoding);
  const decode = (bytes, options) => {
    try {
      return decoder.decode(bytes, options);
    } catch (cause) {
      throw new ConnectorError(
        `${shown(location)} is not encoded in ${encoding}: set Encoding, for example to windows-1252`,
        { cause },
      );
    }
  };
  for await (const bytes of readBytes(location)) yield decode(bytes, { stream: true });
  yield decode();
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

function readBytes(location) {
  if (/^https?:/i.test(location)) return download(location);
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
    yield* createReadStream(path, { highWaterMark: CHUNK_BYTES });
  } catch (cause) {
    if (cause.syscall === undefined) throw cause;
    const reason = FILE_ERRORS[cause.code] ?? cause.message;
    throw new ConnectorError(`Cannot read ${path}: ${reason}`, { cause });
  }
}

async function* download(url) {
  let bytes = 0;
  let response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new ConnectorError(
      `Cannot reach ${shown(url)}: ${reasonOf(cause)}; check the address and the network`,
      { cause },
    );
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new ConnectorError(
      `${shown(url)} answered ${response.status} ${response.statusText}: ${remedyFor(response.status, 'check that the address may be read without login')}`,
    );
  }
  const body = response.body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await nextOf(
        body,
        () => `${shown(url)} broke off after ${bytes} bytes`,
      );
      if (done) return;
      bytes += value.length;
      yield value;
    }
  } finally {
    await body.return?.();
  }
}

async function nextOf(iterator, description) {
  try {
    return await iterator.next();
  } catch (cause) {
    throw new ConnectorError(`${description()} (${reasonOf(cause)}): run again`, { cause });
  }
}

module.exports = { readText };
