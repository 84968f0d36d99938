'use strict';
// 1 GB of messages through onMessage: all of them, in order, and the host's memory stays flat.
//   node __test__/heavy/messages.js [MB]
// Not part of `npm test`, since it takes a while.

const assert = require('node:assert/strict');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorRunner } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('../support/connectors');
const { tempFolder } = require('../support/temp');

const megabytes = Number(process.argv[2] ?? 1024);
/** What the host may use beyond what it had when the first message came. */
const LIMIT_BYTES = 128 * 1024 * 1024;

for (const report of [undefined, 'run.html']) {
  const about = report ? ', with a report' : '';
  test(`${megabytes} MB of messages${about}`, () => manyMessages(report));
}

async function manyMessages(report) {
  const sources = {
    Many: `async run() {
      const line = (i) => JSON.stringify({ type: 'log', i, message: '}{ ж "' + 'x'.repeat(200) }) + '\\n';
      for (let i = 0, left = ${megabytes} * 2 ** 20; left > 0;) {
        let text = '';
        for (; text.length < 65536; i += 1) text += line(i);
        left -= Buffer.byteLength(text);
        if (!process.stdout.write(text)) {
          await new Promise((resolve) => process.stdout.once('drain', resolve));
        }
      }
    }`,
  };
  const options = {
    connectorsPackage: connectorsPackage({ after }, { sources }),
    runsDir: tempFolder({ after }),
  };
  let count = 0;
  let misplaced = 0;
  let base = 0;
  let peak = 0;
  const onMessage = ({ i }) => {
    if (i !== count) misplaced += 1; // what a callback throws would only be reported
    if (count % 10_000 === 0) {
      const { rss } = process.memoryUsage();
      base ||= rss;
      peak = Math.max(peak, rss);
    }
    count += 1;
  };
  const { timings } = await new ConnectorRunner(options).run(
    'heavy',
    'messages',
    configOf('Many'),
    { type: 'INCREMENTAL' },
    'ignore',
    { onMessage, ...(report && { report: path.join(tempFolder({ after }), report) }) },
  );
  assert.equal(misplaced, 0);
  assert.ok(count * 200 > megabytes * 2 ** 20 * 0.7, `${count} messages`);
  const growth = peak - base;
  console.log(
    `${count} messages, ${Math.round(megabytes / (timings.executionMs / 1000))} MB/s, ` +
      `${Math.round(growth / 2 ** 20)} MB more memory`,
  );
  assert.ok(growth < LIMIT_BYTES, `${growth} bytes`);
}
