'use strict';
// Acceptance cases 18 to 21: ports and unix sockets. The servers are the tests' own, on loopback.

const assert = require('node:assert/strict');
const dgram = require('node:dgram');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');

const { layerOf, play, users, world } = require('../support/isolation');
const { testWith } = require('../support/machine');

const test = testWith();

/** A TCP server that greets; its port or path. */
async function server(t, at = { port: 0, host: '127.0.0.1' }) {
  const listening = net
    .createServer((socket) => socket.on('error', () => {}).end('hello'))
    .listen(at);
  t.after(() => listening.close());
  await once(listening, 'listening');
  return listening.address();
}

/** A UDP socket, and what arrives there. */
async function datagrams(t) {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  const received = [];
  socket.on('message', (message) => received.push(String(message)));
  t.after(() => socket.close());
  await once(socket, 'listening');
  return { port: socket.address().port, received };
}

const CONNECT = `
  const net = require('node:net');
  const connect = (name, options) => new Promise((resolve) => {
    let text = '';
    let socket;
    try {
      socket = net.connect(options);
    } catch (error) {
      outcomes[name] = error.code;
      return resolve();
    }
    socket.on('data', (data) => { text += data; })
      .on('error', (error) => { outcomes[name] = error.code; resolve(); })
      .on('end', () => { outcomes[name] = text; resolve(); });
  });`;

for (const user of users) {
  test(`with listed ports TCP reaches no other, by no way round (user ${user})`, async (t) => {
    const [listed, other] = [(await server(t)).port, (await server(t)).port];
    const udp = await datagrams(t);
    const acts = `${CONNECT}
      (async () => {
        await connect('listed', { port: ${listed}, host: '127.0.0.1' });
        await connect('other', { port: ${other}, host: '127.0.0.1' });
        tryCall('multipath TCP', 'socket', 2, 1, 262);
        tryCall('SCTP', 'socket', 2, 5, 132);
        tryCall('TCP Fast Open', 'tcp_fast_open', ${other});
        const socket = require('node:dgram').createSocket('udp4');
        await new Promise((resolve) => socket.send('by UDP', ${udp.port}, '127.0.0.1', (error) => {
          outcomes.UDP = error ? error.code : 'ok';
          socket.close(resolve);
        }));
        const server = net.createServer().listen(0, '127.0.0.1', () => { // sync-request does
          outcomes.listen = 'ok';
          server.close(show);
        });
      })();`;
    const control = (await play(t, acts, { user, isolation: 'none' })).outcomes;
    assert.deepEqual(
      [control.listed, control.other, control['TCP Fast Open']],
      ['hello', 'hello', 'ok'],
    );
    assert.notEqual(control['multipath TCP'], 'EPERM');
    const free = (await play(t, acts, { user })).outcomes;
    assert.deepEqual([free.listed, free.other], ['hello', 'hello'], 'standard lists no ports');

    for (const mode of ['standard', 'strict']) {
      const { outcomes, result } = await play(t, acts, {
        user,
        isolation: { mode, tcpPorts: [listed] },
      });
      assert.deepEqual(outcomes, {
        listed: 'hello',
        other: 'EACCES',
        'multipath TCP': 'EPERM',
        SCTP: 'EPERM',
        'TCP Fast Open': 'EPERM',
        UDP: 'ok',
        listen: 'ok',
      });
      const layer = layerOf(result, 'tcpPorts');
      assert.equal(layer.enforced, 'full');
      // this kernel has no rules for UDP, and the report must not keep that to itself
      assert.match(layer.reason, /UDP stays open/);
    }
    assert.deepEqual(udp.received, Array(4).fill('by UDP'));
    const none = await play(t, acts, { user, isolation: { mode: 'strict', tcpPorts: [] } });
    assert.equal(none.outcomes.listed, 'EACCES', 'an empty list allows none');
  });

  test(`strict has no unix sockets but pairs (user ${user})`, async (t) => {
    const folder = world(t, user);
    const socket = path.join(folder, 'docker.sock');
    await server(t, { path: socket });
    require('node:fs').chmodSync(socket, 0o777);
    const abstract = `\0isolation-test-${process.pid}-${user}`;
    // Node.js 20.4 and later knows names that begin with NUL
    await server(t, { path: abstract });
    const acts = `${CONNECT}
      (async () => {
        await connect('with a path', { path: ${JSON.stringify(socket)} });
        await connect('abstract', { path: ${JSON.stringify(abstract)} });
        tryCall('pair', 'socketpair', 1, 1, 0, 'z:8');
        tryCall('pair of datagrams', 'socketpair', 1, 2, 0, 'z:8');
        const { fork } = require('node:child_process');
        fs.writeFileSync('child.js', 'process.send("from the child")');
        fork('./child.js').on('message', (message) => { outcomes.fork = message; show(); });
      })();`;
    const open = { 'with a path': 'hello', abstract: 'hello' };
    const works = { pair: 'ok', fork: 'from the child' };
    for (const isolation of ['none', 'standard']) {
      const { outcomes } = await play(t, acts, { user, isolation });
      assert.deepEqual(outcomes, { ...open, ...works, 'pair of datagrams': 'ok' }, isolation);
    }
    const { outcomes, result } = await play(t, acts, { user, isolation: 'strict' });
    assert.deepEqual(outcomes, {
      ...{ 'with a path': 'EPERM', abstract: 'EPERM', 'pair of datagrams': 'EPERM' },
      ...works,
    });
    assert.equal(layerOf(result, 'unixSockets').enforced, 'full');
    const layers = { unixSockets: 'required' };
    const asked = await play(t, acts, { user, isolation: { layers } });
    assert.equal(asked.outcomes.abstract, 'EPERM', 'standard has it where it is asked for');
  });
}
