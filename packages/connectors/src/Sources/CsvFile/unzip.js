'use strict';

const { Readable } = require('node:stream');
const { createGunzip } = require('node:zlib');
const { ConnectorError } = require('../../Core/errors');

const GZIP = [0x1f, 0x8b];
/** So many bytes tell what a file is. */
const NEEDED = 4;

/**
 * Bytes, unpacked where they are those of a gzip file, which their beginning tells and no name.
 *
 * @param {AsyncIterable<Uint8Array>} bytes
 * @param {string} name for messages
 * @returns {AsyncGenerator<Uint8Array>}
 * @throws {ConnectorError} where the file is damaged
 */
async function* unzipped(bytes, name) {
  const chunks = bytes[Symbol.asyncIterator]();
  try {
    let start = Buffer.alloc(0);
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      start = start.length === 0 ? next.value : Buffer.concat([start, next.value]);
      if (start.length >= NEEDED) break;
    }
    const all = joined(start, chunks);
    if (GZIP.every((byte, at) => start[at] === byte)) yield* gunzipped(all, name);
    else yield* all;
  } finally {
    await chunks.return?.();
  }
}

async function* joined(start, chunks) {
  if (start.length > 0) yield start;
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
}

async function* gunzipped(bytes, name) {
  const source = Readable.from(bytes, { objectMode: true, highWaterMark: 1 });
  const gunzip = createGunzip();
  source.once('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    yield* gunzip;
  } catch (cause) {
    if (!/^Z_/.test(cause.code ?? '')) throw cause;
    const isCut = cause.code === 'Z_BUF_ERROR';
    throw new ConnectorError(
      `${name} is compressed by gzip and ${isCut ? 'ends in its middle' : `damaged (${cause.message})`}: ` +
        'make or fetch it again',
      { cause },
    );
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

module.exports = { unzipped };
