'use strict';
// Clocks, and samples that alternate between us and a rival.

const fs = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');

/** The middle of some numbers. */
function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds that some work takes. */
async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Blocks this thread. */
function block(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/**
 * Milliseconds of CPU that the main thread has used. `process.cpuUsage()` counts every thread,
 * and our work is meant to be on others, so this is the kernel's count for the thread.
 */
function mainThreadCpu() {
  block(1); // the kernel brings the count up to date when a thread is taken off its core
  return Number(fs.readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]) / 1e6;
}

/** Milliseconds of CPU that the main thread spends while some work goes on. */
async function cpuOf(work) {
  const before = mainThreadCpu();
  await work();
  return mainThreadCpu() - before;
}

/**
 * The longest time, in milliseconds, that the event loop did not come round while some work went
 * on. An idle loop shows about 1, which is the timer's period.
 */
async function stallOf(work) {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const settle = () => new Promise((resolve) => setTimeout(resolve, 30));
  delays.enable();
  await settle(); // what comes before the timer's first round is not counted
  await work();
  await settle();
  delays.disable();
  return delays.max / 1e6;
}

/**
 * Takes `count` samples of each variant, one of each in turn and each time in the other order,
 * after one round that does not count. Gives the samples by name.
 * @param {number} count
 * @param {Record<string, () => Promise<number>>} variants
 */
async function alternate(count, variants, { warmUp = true } = {}) {
  const names = Object.keys(variants);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = warmUp ? -1 : 0; round < count; round += 1) {
    for (const name of round % 2 ? [...names].reverse() : names) {
      const sample = await variants[name]();
      if (round >= 0) samples[name].push(sample);
    }
  }
  return samples;
}

/** Runs `work` over and over, so many at a time, for some milliseconds; how often a second. */
async function rate(ms, width, work) {
  const start = performance.now();
  let done = 0;
  const lane = async () => {
    do {
      await work();
      done += 1;
    } while (performance.now() - start < ms);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return (done * 1000) / (performance.now() - start);
}

module.exports = { alternate, block, cpuOf, median, rate, stallOf, timed };
