'use strict';
// Machines that lack a part of what isolation stands on: runs succeed, and what the report claims
// of each layer is what a connector finds. All tests on such machines: npm run test:degraded.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const { spawn } = require('node:child_process');

const { build, on } = require('../scripts/degraded');
const { ended, root } = require('./support/host');
const { layerOf, play } = require('./support/isolation');
const { missing } = require('./support/machine');
const { mark } = require('./support/processes');
const { tempFolder } = require('./support/temp');

const skip = missing ? `the machine lacks ${missing} already` : false;

/** What a connector tries. OW_OUTSIDE is a folder that nothing grants. */
const ACTS = `
  const outside = process.env.OW_OUTSIDE;
  const host = Number(process.env.OW_HOST_PID);
  const sh = (command) => {
    const { status } = spawnSync('sh', ['-c', command], { stdio: 'ignore' });
    if (status !== 0) throw Object.assign(new Error(), { code: 'refused' });
  };
  act('inside', () => fs.writeFileSync('own', ''));
  act('write', () => fs.writeFileSync(outside + '/by-javascript', ''));
  act('write by a child', () => sh('echo > ' + outside + '/by-a-child'));
  act('signal', () => process.kill(host, 0) && undefined);
  act('host in /proc', () => (fs.existsSync('/proc/' + host) ? 'ok' : 'hidden'));
  tryCall('mount', 'mount');
  act('left behind', () => sh('setsid sleep 1000 > /dev/null 2>&1 &'));
  show();`;

/** What of each layer is left on these machines, and by what; all else is there in full. */
const EXPECTED = {
  'landlock:ENOSYS': { files: ['partial', /seat belt/], signals: ['full', /PID namespace/] },
  'landlock:EPERM': { files: ['partial', /seat belt/], signals: ['full', /PID namespace/] },
  'namespaces:EPERM': { processes: ['partial', /takes in orphans/] },
  'pidfd:ENOSYS': {},
  'close_range:EPERM': {},
  // Landlock has no rules for mode and times
  'seccomp:EPERM': { systemCalls: ['none', /none/], files: ['partial', /Landlock/] },
  'all:ENOSYS': {
    processes: ['partial', /takes in orphans/],
    files: ['partial', /seat belt/],
    signals: ['none', /none/],
  },
};
/** What is said to help where a part is missing. */
const REMEDIES = {
  namespaces: 'Allow user namespaces',
  landlock: 'lsm=landlock',
  seccomp: 'CONFIG_SECCOMP_FILTER',
};
const IN_STANDARD = ['processes', 'privileges', 'files', 'signals', 'systemCalls'];

describe('machines that lack something', { skip }, () => {
  let tool;
  before(() => {
    tool = build();
  });

  const through = (machine) => (command) => {
    const { file, args, variables } = on(machine, tool, command);
    const assigned = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    return ['env', ...assigned, file, ...args];
  };

  async function tries(t, machine, isolation) {
    const outside = tempFolder(t);
    const marked = mark(t);
    const env = { ...marked.variables, OW_OUTSIDE: outside };
    const how = { isolation, env, through: machine ? through(machine) : undefined };
    const played = await play(t, ACTS, how);
    assert.deepEqual(marked.processes(), [], 'nothing is left of the run');
    return { ...played, written: fs.readdirSync(outside).sort() };
  }

  it('control: with isolation none everything that is tried goes', async (t) => {
    const { outcomes, written, output } = await tries(t, undefined, 'none');
    const { mount, ...others } = outcomes;
    assert.deepEqual([...new Set(Object.values(others))], ['ok'], output.stderr);
    assert.notEqual(mount, 'EPERM', 'it fails for its arguments only');
    assert.deepEqual(written, ['by-a-child', 'by-javascript']);
  });

  for (const [machine, expected] of Object.entries(EXPECTED)) {
    it(`${machine}: what is reported is what a connector finds`, async (t) => {
      const { result, outcomes, written, message, output } = await tries(t, machine, 'standard');
      assert.equal(result?.status, 'success', `${message} ${output.stderr}`);
      assert.equal(output.stderr, '', 'the connector said nothing, and nor does anybody for it');
      for (const name of IN_STANDARD) {
        const { enforced, mechanism, reason } = layerOf(result, name);
        const [level, by] = expected[name] ?? ['full', /./];
        assert.equal(enforced, level, `${name}: ${mechanism}, ${reason}`);
        assert.match(mechanism, by);
        if (enforced !== 'full') assert.ok(reason, `${name} says why`);
      }
      const is = (name) => layerOf(result, name).enforced;
      assert.equal(outcomes.inside, 'ok');
      const { mechanism } = layerOf(result, 'files');
      const byKernel = mechanism.includes('Landlock');
      assert.equal(outcomes.write, byKernel ? 'EACCES' : 'ERR_ACCESS_DENIED');
      assert.equal(outcomes['write by a child'], byKernel ? 'refused' : 'ok');
      assert.deepEqual(written, byKernel ? [] : ['by-a-child']);
      const hidden = is('processes') === 'full';
      assert.equal(outcomes['host in /proc'], hidden ? 'hidden' : 'ok');
      const refused = hidden ? 'ESRCH' : 'EPERM';
      assert.equal(outcomes.signal, is('signals') === 'full' ? refused : 'ok');
      if (is('systemCalls') === 'full') assert.equal(outcomes.mount, 'EPERM');
    });

    it(`${machine}: strict starts with all of it, or says which layer is missing`, async (t) => {
      const { result, code, message, output, written } = await tries(t, machine, 'strict');
      assert.deepEqual(written, []);
      const lacking = Object.keys(expected).filter((name) => expected[name][0] !== 'full');
      if (lacking.length === 0) {
        assert.equal(result?.status, 'success', `${message} ${output?.stderr}`);
        return;
      }
      assert.equal(code, 'ISOLATION_UNAVAILABLE');
      // all that is missing, with the remedies for it and no others
      const bySeccomp = machine.startsWith('seccomp');
      if (bySeccomp) lacking.push('unixSockets');
      const [, named] = /the layers? (.*?) cannot be enforced/.exec(message);
      assert.deepEqual(named.split(', ').sort(), lacking.sort(), message);
      if (bySeccomp) assert.match(named, /^systemCalls/, 'the one that is missing comes first');
      for (const [part, remedy] of Object.entries(REMEDIES)) {
        const isMissing =
          machine.startsWith(part) || (machine.startsWith('all') && part !== 'seccomp');
        assert.equal(message.includes(remedy), isMissing, message);
      }
      assert.deepEqual(output, { stdout: '', stderr: '' }, 'nothing was started');
    });
  }

  it('the quickstart runs where everything is missing', async (t) => {
    const folder = tempFolder(t);
    const config = JSON.parse(
      fs.readFileSync(path.join(root, 'examples', 'quickstart.json'), 'utf8'),
    );
    config.source.config.Path = path.join(root, 'examples', config.source.config.Path);
    fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
    const script = path.join(root, 'src', 'cli-wrapper.js');
    const command = [process.execPath, script, path.join(folder, 'config.json'), '--no-state'];
    const [file, ...args] = through('all:ENOSYS')(command);
    const { code, stderr } = await ended(spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /7,126 saved, 7,126 in the table now/);
  });
});
