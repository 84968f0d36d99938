'use strict';
// What programs do while they wait with @kaciras/deasync. Each case writes down what happened, in
// which order; started as `node deasync-cases.js MODULE CASE` it prints that.

const { AsyncLocalStorage } = require('node:async_hooks');
const { spawn } = require('node:child_process');
const crypto = require('node:crypto');
const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const { pipeline, Readable, Writable } = require('node:stream');
const { Worker } = require('node:worker_threads');
const zlib = require('node:zlib');

/** Each gets the module, writes with `log`, and ends when the program ends. */
const cases = {
  api(d, log) {
    log(Object.keys(d), typeof d, d.__esModule);
    for (const [name, value] of Object.entries(d)) log(name, typeof value);
    log(String(d.uvRun()), String(d.runLoopOnce()), String(d.loopWhile(() => false)));
    log(d.loopWhile.length, d.awaitSync.length, d.deasync.length, d.deasync(() => {}).length);
  },
  namedImports(d, log, file) {
    d.awaitSync(
      import(file).then((module) => log(Object.keys(module).sort(), typeof module.loopWhile)),
    );
  },
  predicateCalls(d, log) {
    let calls = 0;
    d.loopWhile(() => (calls += 1) < 4);
    log(calls);
    calls = 0;
    d.loopWhile(() => {
      calls += 1;
      return false;
    });
    log(calls);
    for (const value of [undefined, null, 0, '', NaN]) d.loopWhile(() => value);
    log('falsy ends');
  },
  ticksAndPromises(d, log) {
    let done = false;
    setImmediate(() => {
      log('immediate');
      process.nextTick(() => log('tick of immediate'));
      Promise.resolve().then(() => log('promise of immediate'));
      setImmediate(() => {
        log('second immediate');
        done = true;
      });
    });
    Promise.resolve()
      .then(() => log('promise'))
      .then(() => process.nextTick(() => log('tick of promise')))
      .then(() => log('third promise'));
    process.nextTick(() => {
      log('tick');
      queueMicrotask(() => log('microtask of tick'));
      process.nextTick(() => log('tick of tick'));
    });
    d.loopWhile(() => !done);
    log('done');
  },
  timers(d, log) {
    let left = 5;
    const count = (text) => () => {
      log(text);
      left -= 1;
    };
    setTimeout(count('30'), 30);
    setTimeout(count('10'), 10);
    setTimeout(() => {
      count('20')();
      setTimeout(count('20 + 20'), 20);
    }, 20);
    const every = setInterval(() => {
      clearInterval(every);
      count('interval')();
    }, 5);
    d.loopWhile(() => left > 0);
  },
  timersOfOneMoment(d, log) {
    let left = 3;
    for (const name of ['first', 'second', 'third']) {
      setTimeout(() => {
        log(name);
        process.nextTick(() => log(`tick of ${name}`));
        Promise.resolve().then(() => log(`promise of ${name}`));
        left -= 1;
      }, 5);
    }
    d.loopWhile(() => left > 0);
    log('waited');
    d.loopWhile(() => false);
  },
  unrefed(d, log) {
    let done = false;
    setTimeout(() => log('unrefed timer'), 5).unref();
    setImmediate(() => log('unrefed immediate')).unref();
    setTimeout(() => {
      done = true;
    }, 20);
    d.loopWhile(() => !done);
    log('done');
  },
  nested(d, log) {
    const emitter = new EventEmitter();
    const starts = {
      immediate: (enter) => setImmediate(enter),
      timer: (enter) => setTimeout(enter, 2),
      file: (enter) => fs.readFile(__filename, enter),
      tick: (enter) => process.nextTick(enter),
      event: (enter) => setImmediate(() => emitter.once('x', enter).emit('x')),
      stream: (enter) => fs.createReadStream(__filename).once('data', enter),
      worker: (enter) => new Worker('', { eval: true }).once('exit', enter),
    };
    for (const [name, start] of Object.entries(starts)) {
      let isOver = false;
      start(() => {
        log(name, 'enters');
        // timers do not fire within a timer, with the real one either
        for (const next of name === 'timer' ? [setImmediate] : [setImmediate, setTimeout]) {
          let done = false;
          next(() => {
            done = true;
          });
          d.loopWhile(() => !done);
        }
        log(name, d.awaitSync(fs.promises.stat(__filename)).isFile());
        isOver = true;
      });
      d.loopWhile(() => !isOver);
      log(name, 'is over');
    }
  },
  deadlock(d, log) {
    let isOver = false;
    setTimeout(() => {
      let [done, asked] = [false, 0];
      setTimeout(() => {
        done = true;
      });
      d.loopWhile(() => !done && (asked += 1) < 20);
      log('a timer within a timer', done, asked);
      isOver = true;
    });
    d.loopWhile(() => !isOver);
  },
  nestedDeep(d, log) {
    const deep = (depth) => {
      if (depth === 0) return 'bottom';
      return d.awaitSync(
        new Promise((resolve) => {
          setImmediate(() => resolve(`${depth} ${deep(depth - 1)}`));
        }),
      );
    };
    log(deep(6));
  },
  withinPromise(d, log) {
    Promise.resolve().then(() => {
      let [done, fired, asked] = [false, false, 0];
      Promise.resolve().then(() => {
        done = true;
      });
      setTimeout(() => {
        fired = true;
      }, 5);
      d.loopWhile(() => !fired);
      d.loopWhile(() => !done && (asked += 1) < 40);
      log('a timer', fired, 'a promise', done, asked);
    });
  },
  results(d, log) {
    log(d.awaitSync(1), d.awaitSync(undefined), d.awaitSync(Promise.resolve('value')));
    log(d.awaitSync({ then: (resolve) => setImmediate(resolve, 'thenable') }));
    log(d.awaitSync({ then: (resolve) => resolve('at once') }));
    const caught = (work) => {
      try {
        return ['no error', work()];
      } catch (error) {
        return [error instanceof Error, error?.message ?? error];
      }
    };
    log(...caught(() => d.awaitSync(Promise.reject(new TypeError('rejected')))));
    // eslint-disable-next-line prefer-promise-reject-errors
    log(...caught(() => d.awaitSync(Promise.reject(undefined))));
    log(...caught(() => d.deasync((callback) => setImmediate(callback, new Error('failed')))()));
    log(...caught(() => d.deasync((callback) => callback('text'))()));
    log(...caught(() => d.deasync((callback) => callback(null, 'value', 'more'))()));
    log(...caught(() => d.deasync((callback) => callback(0))()));
    log(
      ...caught(() =>
        d.deasync(() => {
          throw new RangeError('thrown');
        })(),
      ),
    );
    const object = {
      base: 40,
      add: d.deasync(function add(a, b, callback) {
        setTimeout(callback, 2, null, this.base + a + b);
      }),
    };
    log(object.add(1, 1), d.deasync(fs.readFile)(__filename).length > 0);
  },
  throwingPredicate(d, log) {
    let asked = 0;
    try {
      d.loopWhile(() => {
        if ((asked += 1) === 5) throw new Error('predicate');
        return true;
      });
    } catch (error) {
      log(error.message, asked);
    }
    log(d.awaitSync(new Promise((resolve) => setTimeout(resolve, 5, 'goes on'))));
  },
  caughtByHandlers(d, log) {
    process.on('uncaughtException', (error, origin) => log(origin, error.message));
    process.on('unhandledRejection', (error) => log('unhandledRejection', error.message));
    let done = false;
    setImmediate(() => {
      setTimeout(() => {
        done = true;
      }, 20);
    });
    process.nextTick(() => {
      Promise.reject(new Error('unhandled'));
    });
    setTimeout(() => {
      throw new Error('in a timer');
    }, 5);
    d.loopWhile(() => !done);
    log('done');
  },
  uncaught(d, log) {
    process.on('exit', (code) => log('exit', code));
    setTimeout(() => {
      throw new Error('uncaught');
    }, 5);
    d.loopWhile(() => true);
  },
  unhandled(d, log) {
    process.on('exit', (code) => log('exit', code));
    setTimeout(() => void Promise.reject(new Error('unhandled')), 5);
    d.loopWhile(() => true);
  },
  exits(d, log) {
    process.on('exit', (code) => log('exit', code));
    setTimeout(() => process.exit(7), 5);
    d.loopWhile(() => true);
  },
  afterwards(d, log) {
    process.on('beforeExit', () => log('beforeExit'));
    d.awaitSync(new Promise((resolve) => setTimeout(resolve, 5)));
    log('waited');
    setImmediate(() => {
      log('an immediate afterwards');
      setTimeout(() => log('a timer afterwards'), 5);
    });
    Promise.resolve().then(() => log('a promise afterwards'));
  },
  oneTurn(d, log) {
    let [immediate, promise, later] = [false, false, false];
    setImmediate(() => {
      immediate = true;
    });
    setTimeout(() => {
      later = true;
    }, 100_000).unref();
    d.uvRun();
    log('uvRun', immediate);
    Promise.resolve().then(() => {
      promise = true;
    });
    d.runLoopOnce();
    log('runLoopOnce', promise, later);
    let turns = 0;
    const every = setInterval(() => (turns += 1), 1);
    const isEnough = () => turns >= 5;
    while (!isEnough()) d.runLoopOnce();
    clearInterval(every);
    log('turns', turns);
  },
  streams(d, log) {
    const digest = crypto.createHash('sha256');
    const input = Buffer.alloc(3_000_000, 'streams ');
    let error;
    pipeline(
      Readable.from([input.subarray(0, 1_000_000), input.subarray(1_000_000)]),
      zlib.createGzip(),
      zlib.createGunzip(),
      new Writable({
        write(chunk, _, callback) {
          digest.update(chunk);
          setImmediate(callback);
        },
      }),
      (cause) => {
        error = cause ?? null;
      },
    );
    d.loopWhile(() => error === undefined);
    const same = crypto.createHash('sha256').update(input).digest('hex') === digest.digest('hex');
    log(error, same);
    log(d.deasync(crypto.pbkdf2)('a', 'b', 10, 8, 'sha1').toString('hex'));
    log(d.awaitSync(fs.promises.readFile(__filename)).length === fs.statSync(__filename).size);
  },
  sockets(d, log) {
    const server = http.createServer((incoming, response) => {
      incoming.resume().on('end', () => response.end(`${incoming.method} ${incoming.url}`));
    });
    d.awaitSync(new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)));
    const get = (path) => {
      let body;
      const options = { port: server.address().port, path, method: 'POST', agent: false };
      const outgoing = http.request(options, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk)).on('end', () => (body = text));
      });
      outgoing.end('x'.repeat(200_000));
      d.loopWhile(() => body === undefined);
      return body;
    };
    log(get('/1'), get('/2'));
    log(d.awaitSync(fetch(`http://127.0.0.1:${server.address().port}/f`).then((r) => r.text())));
    server.close();
    server.closeAllConnections();
  },
  processes(d, log) {
    const child = spawn(process.execPath, ['-p', '40 + 2']);
    let [text, code] = [''];
    child.stdout.on('data', (chunk) => (text += chunk));
    child.on('close', (exit) => (code = exit));
    d.loopWhile(() => code === undefined);
    log(text.trim(), code);
    let signals = 0;
    const onSignal = () => (signals += 1);
    process.on('SIGUSR2', onSignal);
    process.kill(process.pid, 'SIGUSR2');
    const alive = setTimeout(() => {}, 100_000);
    d.loopWhile(() => signals === 0);
    clearTimeout(alive);
    process.off('SIGUSR2', onSignal);
    log('signals', signals);
  },
  contexts(d, log) {
    const store = new AsyncLocalStorage();
    const seen = [];
    store.run('outer', () => {
      let done = false;
      store.run('inner', () => {
        setTimeout(() => {
          seen.push(store.getStore());
          done = true;
        }, 5);
      });
      Promise.resolve().then(() => seen.push(store.getStore()));
      d.loopWhile(() => !done);
      seen.push(store.getStore());
    });
    log(seen, store.getStore());
  },
  workers(d, log, file) {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       const d = require(${JSON.stringify(file)});
       const value = d.awaitSync(new Promise((resolve) => setTimeout(resolve, 5, 'waited')));
       let asked;
       parentPort.on('message', (text) => { asked = text; });
       d.loopWhile(() => !asked);
       parentPort.postMessage(value + ' ' + asked);
       parentPort.close();`,
      { eval: true },
    );
    let [answer, code] = [];
    worker.on('message', (text) => (answer = text));
    worker.on('exit', (exit) => (code = exit));
    worker.postMessage('and was asked');
    d.loopWhile(() => code === undefined);
    log(answer, code);
  },
  endedWorker(d, log, file) {
    const worker = new Worker(
      `const d = require(${JSON.stringify(file)});
       setTimeout(() => {}, 100_000);
       require('node:worker_threads').parentPort.postMessage('waits');
       d.loopWhile(() => true);`,
      { eval: true },
    );
    let code;
    worker.on('message', (text) => {
      log(text);
      worker.terminate();
    });
    worker.on('exit', (exit) => (code = exit));
    d.loopWhile(() => code === undefined);
    log('ended', code);
  },
  sharedMemory(d, log) {
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads');
       Atomics.wait(workerData, 0, 0, 30);
       Atomics.store(workerData, 0, 1);
       setTimeout(() => {}, 100_000);`,
      { eval: true, workerData: shared },
    );
    d.loopWhile(() => Atomics.load(shared, 0) === 0);
    log('seen');
    d.awaitSync(worker.terminate());
  },
  clocks(d, log) {
    const server = http.createServer().listen(0); // keeps the loop alive
    for (const ms of [1, 30]) {
      const end = performance.now() + ms;
      d.loopWhile(() => performance.now() < end);
      log('waited', performance.now() >= end);
      server.close();
    }
  },
  loadedTwice(d, log, file) {
    for (const name of Object.keys(require.cache)) {
      if (name.includes('deasync')) delete require.cache[name];
    }
    const again = require(file);
    log(again !== d, again.awaitSync(new Promise((resolve) => setTimeout(resolve, 5, 'again'))));
    log(d.awaitSync(new Promise((resolve) => setTimeout(resolve, 5, 'and the first'))));
  },
};

module.exports = { names: Object.keys(cases) };

if (require.main === module) {
  const [, , file, name] = process.argv;
  const print = (...values) => fs.writeSync(1, `${JSON.stringify(values)}\n`);
  cases[name](require(file), print, require.resolve(file));
}
