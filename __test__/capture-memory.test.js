'use strict';
// Bounded memory: output waits for slow callbacks instead of piling up in the host.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { runHost } = require('./support/host');
const { scriptFolder } = require('./support/temp');

const MEGABYTE = 2 ** 20;

/** A connector that writes 200 MB to a descriptor. */
function flood(t, fd, line) {
  return scriptFolder(
    t,
    `const { writeSync } = require('node:fs');
     const chunk = Buffer.from(${JSON.stringify(line)}.repeat(1024));
     for (let sent = 0; sent < 200 * ${MEGABYTE};) sent += writeSync(${fd}, chunk);`,
  );
}

/** Runs it in a host that watches its own resident memory; gives growth and bytes delivered. */
async function measure(t, folder, stdio) {
  const { stdout, stderr, code } = await runHost(
    t,
    `const environment = new runner.NodeJsEnvironment();
     let delivered = 0;
     let calls = 0;
     let peak = 0;
     const watch = () => {
       if (calls++ % 20 === 0) gc();
       peak = Math.max(peak, process.memoryUsage.rss());
     };
     // one text after the other, as a consumer that stores each would take them
     let busy = Promise.resolve();
     const slowly = (text) => {
       busy = busy.then(async () => {
         await new Promise((resolve) => setTimeout(resolve, 1));
         delivered += Buffer.byteLength(text);
         watch();
       });
       return busy;
     };
     (async () => {
       const idle = ${JSON.stringify(scriptFolder(t, `console.log('warm')`))};
       await environment.executeConnector(idle, undefined, ${stdio});
       gc();
       delivered = 0;
       const before = process.memoryUsage.rss();
       const timer = setInterval(watch, 5);
       await environment.executeConnector(${JSON.stringify(folder)}, undefined, ${stdio});
       clearInterval(timer);
       require('node:fs').writeSync(2, JSON.stringify({ growth: peak - before, delivered }));
     })();`,
    { flags: ['--expose-gc'] },
  );
  assert.equal(code, 0, stderr);
  assert.equal(stdout, '');
  return JSON.parse(stderr);
}

const json = `${JSON.stringify({ type: 'log', message: 'x'.repeat(100) })}\n`;
const CASES = {
  'plain lines on stdout': [1, `${'x'.repeat(120)}\n`],
  'JSON lines on stdout': [1, json],
  'Cyrillic lines on stderr': [2, `${'ж'.repeat(60)}\n`],
};

for (const [name, [fd, line]] of Object.entries(CASES)) {
  test(`200 MB of ${name} with slow callbacks grow the host by less than 64 MB`, async (t) => {
    const stdio = '{ logCapture: { onStdout: slowly, onStderr: slowly } }';
    const { growth, delivered } = await measure(t, flood(t, fd, line), stdio);
    assert.ok(delivered >= 200 * MEGABYTE, `${delivered} bytes were delivered`);
    assert.ok(growth < 64 * MEGABYTE, `grew by ${Math.round(growth / MEGABYTE)} MB`);
  });
}

test('200 MB that nobody reads grow the host by less than 64 MB', async (t) => {
  const { growth } = await measure(t, flood(t, 1, json), "'pipe'");
  assert.ok(growth < 64 * MEGABYTE, `grew by ${Math.round(growth / MEGABYTE)} MB`);
});
