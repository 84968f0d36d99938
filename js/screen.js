'use strict';
// Writes to stdout and stderr, and keeps a line below what is printed that changes.

/** Between two pictures of the line, ms. */
const REDRAW_MS = 200;

const CLEAR_LINE = '\r\u001b[2K';

/** Why a stream takes nothing more. */
const failures = new Map();

/** A stream that fails must not end the program, and with it a run that is going on. */
function outlive(stream) {
  if (failures.has(stream)) return;
  failures.set(stream, undefined);
  stream.on('error', (error) => failures.set(stream, failures.get(stream) ?? error));
}

/** Writes and waits until the stream takes more. */
function send(stream, text) {
  if (!text || failures.get(stream)) return undefined;
  return new Promise((resolve) => {
    stream.write(text, () => resolve());
  });
}

class Screen {
  #lineAt;
  #begun = Date.now();
  #timer;
  #isDrawn = false;
  #isAtStart = true;

  /** `lineAt(elapsedMs, columns)` gives the line; without it there is none. */
  constructor(lineAt) {
    outlive(process.stdout);
    outlive(process.stderr);
    this.#lineAt = lineAt;
    if (lineAt) this.#timer = setInterval(() => this.#draw(), REDRAW_MS).unref();
  }

  #draw() {
    if (!this.#isAtStart) return; // the connector has begun a line of its own
    const line = this.#lineAt(Date.now() - this.#begun, process.stderr.columns || 80);
    process.stderr.write(CLEAR_LINE + line);
    this.#isDrawn = true;
  }

  #clear() {
    if (this.#isDrawn) process.stderr.write(CLEAR_LINE);
    this.#isDrawn = false;
  }

  #remember(stream, text) {
    if (text && stream.isTTY) this.#isAtStart = text.endsWith('\n');
  }

  /** Writes what the connector printed, for stdout and for stderr; waits for slow readers. */
  async write([stdout, stderr]) {
    if (stdout || stderr) this.#clear();
    this.#remember(process.stdout, stdout);
    this.#remember(process.stderr, stderr);
    await send(process.stdout, stdout);
    await send(process.stderr, stderr);
  }

  /** The same for what the runner says, which always begins a line. */
  say([stdout, stderr]) {
    const isBroken = stderr && process.stderr.isTTY && !this.#isAtStart;
    return this.write([stdout, isBroken ? `\n${stderr}` : stderr]);
  }

  /** Why output is lost, as on a full disk; a reader who has gone has read what they wanted. */
  get loss() {
    const failure = failures.get(process.stdout);
    return failure?.code === 'EPIPE' ? undefined : failure;
  }

  /** There is no line any more. */
  stop() {
    clearInterval(this.#timer);
    this.#clear();
  }
}

module.exports = { Screen };
