'use strict';
// Acceptance cases 6, 9 to 17 and 20: other processes, dangerous system calls, sockets of unusual
// kinds. Each act is tried without isolation, too: there it must not be refused in the same way.

const assert = require('node:assert/strict');

const { layerOf, play, users } = require('../support/isolation');
const { lacks, testWith } = require('../support/machine');

const inStrict = testWith();
// all but the namespace
const withWalls = testWith('files', 'signals', 'unixSockets', 'systemCalls');

/** `isolation` without a PID namespace, in which the host could not even be named. */
const open = (mode) => ({ mode, layers: { processes: 'off' } });

const isRoot = (user) => user === 0;

const ACTS = `
  const host = Number(process.env.OW_HOST_PID);
  // --- other processes
  tryCall('kill', 'kill', host, 0);
  tryCall('kill of the supervisor', 'kill', process.ppid, 0);
  tryCall('tgkill', 'tgkill', host, host, 0);
  tryCall('sigqueue', 'rt_sigqueueinfo', host, 0, 'q:128');
  tryCall('pidfd_send_signal', 'pidfd_kill', host);
  tryCall('prlimit', 'prlimit64', host, 0, 0, 'z:16');
  tryCall('setpriority of a user', 'setpriority', 2, 12345, 0);
  tryCall('sched_setscheduler', 'sched_setscheduler', host, 0, 'z:8');
  tryCall('ioprio_set', 'ioprio_set', 1, host, (2 << 13) | 4);
  tryCall('ptrace', 'ptrace', 0, 0, 0, 0);
  tryCall('process_vm_readv', 'process_vm_readv', host, 0, 0, 0, 0, 0);
  tryCall('pidfd_getfd', 'pidfd_getfd_self');
  for (const name of ['environ', 'maps', 'mem'])
    act('/proc/HOST/' + name, () => void fs.closeSync(fs.openSync('/proc/' + host + '/' + name)));
  act('/proc/HOST/root', () => void fs.readdirSync('/proc/' + host + '/root'));
  act('/proc/HOST/cmdline', () => void fs.readFileSync('/proc/' + host + '/cmdline'));
  for (const name of ['environ', 'maps', 'mem'])
    act('/proc/1/' + name, () => void fs.closeSync(fs.openSync('/proc/1/' + name)));
  act('/proc/1/root', () => void fs.readdirSync('/proc/1/root'));
  // --- system calls
  tryCall('unshare', 'unshare', 0x10000000);
  tryCall('clone', 'clone_user_namespace');
  tryCall('mount', 'mount', 0, 0, 0, 0, 0);
  tryCall('bpf', 'bpf', 0, 0, 0);
  tryCall('keyctl', 'keyctl', 0, -3, 0);
  tryCall('userfaultfd', 'userfaultfd', 1);
  tryCall('perf_event_open', 'perf_event_open', 0, 0, -1, -1, 0);
  tryCall('open_by_handle_at', 'open_by_handle_at', -1, 0, 0);
  tryCall('io_uring_setup', 'io_uring_setup', 1, 0);
  tryCall('clone3', 'clone3', 0, 0);
  tryCall('shmget', 'shmget', 7777, 1, 0);
  tryCall('semget', 'semget', 7777, 1, 0);
  tryCall('msgget', 'msgget', 7777, 0);
  tryCall('mq_open', 'mq_open', 's:nope', 0, 0, 0);
  tryCall('TIOCSTI', 'ioctl', 0, 0x5412, 'z:8');
  tryCall('PR_SET_PDEATHSIG', 'prctl', 1, 0);
  tryCall('x32', 'x32');
  tryCall('i386', 'i386');
  tryCall('vsock', 'socket', 40, 1, 0);
  tryCall('packet', 'socket', 17, 3, 0);
  tryCall('alg', 'socket', 38, 5, 0);
  tryCall('raw', 'socket', 2, 3, 1);
  // --- what must go on working
  act('own priority', () => require('node:os').setPriority(0, require('node:os').getPriority(0)));
  tryCall('own signal', 'kill', 0, 0);
  tryCall('own limits', 'prlimit64', 0, 0, 0, 'z:16');
  tryCall('own name', 'prctl', 15, 's:renamed');
  tryCall('tcp', 'socket', 2, 1, 0);
  tryCall('udp', 'socket', 10, 2, 0);
  tryCall('routes', 'socket', 16, 3, 0);
  outcomes.status = fs.readFileSync('/proc/self/status', 'utf8').match(/^(Cap\\w+|NoNewPrivs):.*$/gm).join();
  show();
`;

/** What cannot be tried on a machine that was made to lack it. */
const canBeTried = (name) => !(lacks('pidfd') && name.startsWith('pidfd'));

/** What such a machine refuses itself, maybe with the same error. */
const isRefusedAnyway = (name) =>
  lacks('namespaces') && ['unshare', 'clone', 'clone3'].includes(name);

/** Refused by the filter or by Landlock, whoever the user is. */
const EPERM = [
  ...['kill', 'tgkill', 'sigqueue', 'pidfd_send_signal', 'kill of the supervisor'],
  ...['prlimit', 'setpriority of a user'],
  ...['sched_setscheduler', 'ioprio_set', 'ptrace', 'process_vm_readv', 'pidfd_getfd'],
  ...['unshare', 'clone', 'mount', 'bpf', 'keyctl', 'userfaultfd', 'perf_event_open'],
  ...['open_by_handle_at', 'shmget', 'semget', 'msgget', 'mq_open', 'TIOCSTI', 'PR_SET_PDEATHSIG'],
  ...['vsock', 'packet', 'alg', 'raw'],
].filter(canBeTried);

/** Where there is a PID namespace, there is nobody to get them. */
const SIGNALS = ['kill', 'tgkill', 'sigqueue', 'pidfd_send_signal'].filter(canBeTried);

/** What the kernel itself refuses to those without capabilities, with the same error. */
const REFUSED_TO_NOBODY = ['mount', 'bpf', 'perf_event_open', 'open_by_handle_at', 'packet', 'raw'];

const WORKS = ['own priority', 'own signal', 'own limits', 'own name', 'tcp', 'udp', 'routes'];

const OF_THE_HOST = ['environ', 'maps', 'mem', 'root'].map((name) => `/proc/HOST/${name}`);

for (const user of users) {
  withWalls(`what concerns other processes and the kernel is refused (user ${user})`, async (t) => {
    const control = (await play(t, ACTS, { user, isolation: 'none' })).outcomes;
    const refused = EPERM.filter((act) => isRoot(user) || !REFUSED_TO_NOBODY.includes(act));
    const isFree = (act) => !isRefusedAnyway(act);
    for (const name of refused.filter(isFree))
      assert.notEqual(control[name], 'EPERM', `${name} is not refused without isolation`);
    for (const name of ['io_uring_setup', 'clone3'].filter(isFree))
      assert.notEqual(control[name], 'ENOSYS', name);
    for (const name of ['x32', 'i386']) assert.notEqual(control[name], 'SIGSYS', name);
    for (const name of [...OF_THE_HOST, '/proc/HOST/cmdline', ...WORKS])
      assert.equal(control[name], 'ok', name);

    for (const mode of ['standard', 'strict']) {
      const { outcomes, result } = await play(t, ACTS, { user, isolation: open(mode) });
      for (const name of EPERM) assert.equal(outcomes[name], 'EPERM', `${mode}: ${name}`);
      for (const name of ['io_uring_setup', 'clone3'])
        assert.equal(outcomes[name], 'ENOSYS', `${mode}: ${name}`);
      for (const name of ['x32', 'i386'])
        assert.equal(outcomes[name], 'SIGSYS', `${mode}: ${name}`);
      for (const name of OF_THE_HOST) assert.equal(outcomes[name], 'EACCES', `${mode}: ${name}`);
      // reading is free in standard, and without a namespace this is a file like others
      const readable = mode === 'strict' ? 'EACCES' : 'ok';
      assert.equal(outcomes['/proc/HOST/cmdline'], readable, mode);
      for (const name of WORKS) assert.equal(outcomes[name], 'ok', `${mode}: ${name}`);
      // case 17: no capabilities, neither now nor by a program of root's
      const capabilities = outcomes.status.match(/Cap(Inh|Prm|Eff|Amb):\s*0+(,|$)/g);
      assert.equal(capabilities?.length, 4, outcomes.status);
      if (isRoot(user)) assert.match(outcomes.status, /CapBnd:\s*0+,/);
      assert.match(outcomes.status, /NoNewPrivs:\s*1/);
      for (const name of ['privileges', 'signals', 'systemCalls'])
        assert.equal(layerOf(result, name).enforced, 'full', name);
    }
  });

  inStrict(`in a PID namespace other processes are not even there (user ${user})`, async (t) => {
    for (const mode of ['standard', 'strict']) {
      const { outcomes, result } = await play(t, ACTS, { user, isolation: mode });
      assert.equal(layerOf(result, 'processes').enforced, 'full');
      for (const name of SIGNALS) assert.equal(outcomes[name], 'ESRCH', `${mode}: ${name}`);
      for (const name of [...OF_THE_HOST, '/proc/HOST/cmdline'])
        assert.equal(outcomes[name], 'ENOENT', `${mode}: ${name}`);
      // the namespace's first process is the runner's, and outside of the walls
      for (const name of ['environ', 'maps', 'mem', 'root'])
        assert.equal(outcomes[`/proc/1/${name}`], 'EACCES', `${mode}: ${name}`);
      const others = EPERM.filter((act) => ![...SIGNALS, 'kill of the supervisor'].includes(act));
      for (const name of others) assert.equal(outcomes[name], 'EPERM', `${mode}: ${name}`);
      const capabilities = outcomes.status.match(/Cap(Inh|Prm|Eff|Bnd|Amb):\s*0+(,|$)/g);
      assert.equal(capabilities?.length, 5, outcomes.status);
    }
  });
}
