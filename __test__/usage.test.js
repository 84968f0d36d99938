'use strict';
// onUsage: what the processes of a run use, while it runs.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, test } = require('node:test');

const { ConnectorRunner } = require('@owox/connector-runner');
const { configOf, connectorsPackage } = require('./support/connectors');
const { tempFolder } = require('./support/temp');

const sources = {
  // two processes, the second with 64 MB, until the file is there
  Family: `run() {
    const { value } = JSON.parse(process.env.OW_CONFIG).source.config.Until;
    const wait = (more) => more + ';const until = ' + JSON.stringify(value) + ';'
      + 'setInterval(() => require("fs").existsSync(until) && process.exit(0), 20)';
    const { spawn } = require('child_process');
    const child = spawn(process.execPath, ['-e', wait('const kept = Buffer.alloc(64e6, 1)')]);
    return new Promise((resolve) => child.once('exit', resolve));
  }`,
};
const runner = new ConnectorRunner({
  connectorsPackage: connectorsPackage({ after }, { sources }),
  runsDir: tempFolder({ after }),
});

test('onUsage tells of the whole tree while it runs', async (t) => {
  const until = path.join(tempFolder(t), 'enough');
  const seen = [];
  const onUsage = (usage) => {
    seen.push(usage);
    if (usage.processes === 2 && usage.rssBytes > 64e6) fs.writeFileSync(until, '');
  };
  const config = configOf('Family', { Until: until });
  const result = await runner.run('mart', 'run', config, {}, 'ignore', { onUsage });
  const last = seen.at(-1);
  assert.ok(last.cpuMs > 0 && last.cpuMs <= result.resources.cpuMs + 1000, JSON.stringify(last));
  assert.ok(last.rssBytes <= result.resources.peakRssBytes);
  const cpu = seen.map(({ cpuMs }) => cpuMs);
  assert.deepEqual(
    cpu,
    [...cpu].sort((a, b) => a - b),
  );
});

test('onUsage must be a function', async () => {
  await assert.rejects(
    runner.run('mart', 'run', configOf('Family'), {}, 'ignore', { onUsage: 1 }),
    {
      code: 'INVALID_CONFIG',
      message: /onUsage must be a function/,
    },
  );
});
