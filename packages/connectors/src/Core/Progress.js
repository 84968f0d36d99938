'use strict';

/** Between two signs of life, and how many of them also come as a sentence. */
const PROGRESS_EVERY_MS = 1000;
const SENTENCE_EVERY = 10;

/** Tells a person, and a host that waits for output, that a long run is alive. */
class Progress {
  phase = 'reading';
  #rows = 0;
  #timer;

  /**
   * @param {import('./AbstractConfig').AbstractConfig} config
   * @param {string} table
   */
  constructor(config, table) {
    let signs = 0;
    this.#timer = setInterval(() => {
      const { phase } = this;
      const rows = this.#rows;
      config.isInProgress(true, { progress: { table, phase, rows } });
      signs += 1;
      if (signs % SENTENCE_EVERY > 0) return;
      config.log(`Table "${table}": ${phase}, ${rows.toLocaleString('en-US')} rows so far`);
    }, PROGRESS_EVERY_MS);
    this.#timer.unref();
  }

  add(rows) {
    this.#rows += rows;
  }

  stop() {
    clearInterval(this.#timer);
  }
}

module.exports = { Progress };
