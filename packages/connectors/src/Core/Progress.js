'use strict';

/** Between two signs of life, and how many of them also come as a sentence. */
const PROGRESS_EVERY_MS = 1000;
const SENTENCE_EVERY = 10;

/** Tells a person, and a host that waits for output, that a long run is alive. */
class Progress {
  #phase = 'reading';
  #rows = 0;
  #timer;
  #say;

  /**
   * @param {import('./AbstractConfig').AbstractConfig} config
   * @param {string} table
   */
  constructor(config, table) {
    let signs = 0;
    this.#timer = setInterval(() => {
      this.#say();
      signs += 1;
      if (signs % SENTENCE_EVERY > 0) return;
      const { phase } = this;
      const rows = this.#rows;
      // With its progress, so that it is no more of a sign of life than that.
      config.log(`Table "${table}": ${phase}, ${rows.toLocaleString('en-US')} rows so far`, {
        progress: { table, phase, rows },
      });
    }, PROGRESS_EVERY_MS);
    this.#timer.unref();
    this.#say = () =>
      config.isInProgress(true, { progress: { table, phase: this.#phase, rows: this.#rows } });
  }

  get phase() {
    return this.#phase;
  }

  /** Said at once: whether rows may have been saved depends on it. */
  set phase(phase) {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#say();
  }

  add(rows) {
    this.#rows += rows;
  }

  stop() {
    clearInterval(this.#timer);
  }
}

module.exports = { Progress };
