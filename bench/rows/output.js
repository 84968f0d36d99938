'use strict';
// What taking a connector's output costs.

const { spawn } = require('node:child_process');
const readline = require('node:readline');

const { NodeJsEnvironment } = require('@owox/connector-runner');
const { inFreshProcess } = require('../lib/fork');
const { alternate, cpuOf, stallOf, timed } = require('../lib/measure');
const { spawned } = require('../lib/rivals');
const { scriptFolder } = require('../lib/space');

const MEGABYTE = 2 ** 20;
const TEXT = 60; // characters of a message's text
const LINES = {
  JSON: `${JSON.stringify({ type: 'log', at: '2026-01-05T10:00:00.000Z', message: 'x'.repeat(TEXT) })}\n`,
  text: `${'x'.repeat(119)}\n`,
};

/** A main.js that writes so many megabytes of such lines. */
function writer(kind, megabytes) {
  return scriptFolder(
    `const { writeSync } = require('node:fs');
     const chunk = Buffer.from(${JSON.stringify(LINES[kind])}.repeat(500));
     const all = ${megabytes} * ${MEGABYTE};
     for (let sent = 0; sent < all; ) {
       for (let from = 0; from < chunk.length; ) from += writeSync(1, chunk, from);
       sent += chunk.length;
     }`,
  );
}

/** Ends with an error where less arrived than was written: then the figure is worth nothing. */
async function counted(megabytes, work) {
  let bytes = 0;
  await work((text) => {
    bytes += text.length; // the lines are ASCII
  });
  if (bytes < megabytes * MEGABYTE) throw new Error(`only ${bytes} bytes arrived`);
}

const environment = new NodeJsEnvironment();

function captured(directory, onStdout) {
  return environment.executeConnector(directory, undefined, { logCapture: { onStdout } });
}

function chunks(directory, onText) {
  return spawned(process.execPath, ['main.js'], { cwd: directory }, (chunk) =>
    onText(chunk.toString()),
  );
}

function byReadline(directory, onLine) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['main.js'], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.on('error', reject);
    readline
      .createInterface({ input: child.stdout })
      .on('line', (line) => onLine(`${line}\n`))
      .on('close', resolve);
  });
}

/** CPU of the main thread for a gigabyte of output. */
async function captureCpu({ count, megabytes, kind }) {
  const directory = writer(kind, megabytes);
  const perGigabyte = (work) => async () =>
    ((await cpuOf(() => counted(megabytes, (onText) => work(directory, onText)))) * 1024) /
    megabytes;
  const samples = await alternate(count, {
    ours: perGigabyte(captured),
    rival: perGigabyte(chunks),
  });
  return [{ label: `${kind} lines`, unit: 'ms/GB', samples }];
}

/** Megabytes a second, in whole lines. */
async function wholeLines({ count, megabytes, kind }) {
  const directory = writer(kind, megabytes);
  const speed = (work) => async () =>
    (megabytes * 1000) /
    (await timed(() => counted(megabytes, (onText) => work(directory, onText))));
  const samples = await alternate(count, { ours: speed(captured), rival: speed(byReadline) });
  return [{ label: `${kind} lines`, unit: 'MB/s', samples }];
}

/** Megabytes a second of messages, as objects. */
async function messages({ count, megabytes }) {
  const directory = writer('JSON', megabytes);
  const whole = LINES.JSON.length;
  const ours = (onText) =>
    environment.executeConnector(directory, undefined, 'ignore', {
      onMessage: ({ message }) => onText({ length: message.length + whole - TEXT }),
    });
  const rival = (onText) =>
    byReadline(directory, (line) => {
      const { message } = JSON.parse(line);
      onText({ length: message.length + whole - TEXT });
    });
  const speed = (work) => async () =>
    (megabytes * 1000) / (await timed(() => counted(megabytes, work)));
  const samples = await alternate(count, { ours: speed(ours), rival: speed(rival) });
  return [{ label: 'JSON lines', unit: 'MB/s', samples }];
}

/** One sample: the loop's longest pause and the growth of the host where each call takes 1 ms. */
async function slowHost({ ours, megabytes }) {
  const work = ours ? captured : chunks;
  await work(writer('JSON', 8), () => {});
  globalThis.gc();
  const before = process.memoryUsage.rss();
  let peak = before;
  const directory = writer('JSON', megabytes);
  const slowly = (count) => (text) => {
    const end = performance.now() + 1;
    while (performance.now() < end); // busy, as a host that parses and stores
    peak = Math.max(peak, process.memoryUsage.rss());
    count(text);
  };
  const stall = await stallOf(() => counted(megabytes, (count) => work(directory, slowly(count))));
  return { stall, growth: (peak - before) / MEGABYTE };
}

async function slowCallback({ count, megabytes }) {
  const stalls = { ours: [], rival: [] };
  const growths = { ours: [], rival: [] };
  const sample = (name) => async () => {
    const input = { ours: name === 'ours', megabytes };
    const { stall, growth } = await inFreshProcess('output', 'slowHost', input, 120_000);
    stalls[name].push(stall);
    growths[name].push(growth);
    return stall;
  };
  await alternate(count, { ours: sample('ours'), rival: sample('rival') }, { warmUp: false });
  return [
    { label: `stall, ${megabytes} MB`, unit: 'ms', samples: stalls },
    { label: `growth, ${megabytes} MB`, unit: 'MB', samples: growths, judge: 'growth' },
  ];
}

module.exports = { cases: { captureCpu, messages, slowCallback, slowHost, wholeLines } };
