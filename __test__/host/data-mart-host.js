'use strict';
// A long-lived host as a NestJS application is one: services made once, runs one after another
// with the same run id, processes registered by pid, and a graceful shutdown on SIGTERM.
// argv: JSON { connectorsPackage, runsDir, sources }. Reports by messages to its parent.

const { Config, ConnectorRunner, RunConfig, SourceConfig, StorageConfig } = require('../..');

const { connectorsPackage, runsDir, sources } = JSON.parse(process.argv[2]);

/** JSON objects back to back, with nothing else between them than white space. */
function parseObjects(text) {
  const objects = [];
  let depth = 0;
  let inString = false;
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      depth -= 1;
      if (depth === 0) {
        objects.push(JSON.parse(text.slice(start, at + 1)));
        start = at + 1;
      }
    }
  }
  if (text.slice(start).trim() !== '') throw new SyntaxError('not JSON objects back to back');
  return objects;
}

class ProcessRegistry {
  #pids = new Set();

  register(pid) {
    this.#pids.add(pid);
  }

  forget(pid) {
    this.#pids.delete(pid);
  }

  stopAll() {
    for (const pid of this.#pids) process.kill(-pid, 'SIGTERM');
  }
}

class ConnectorService {
  #runner = new ConnectorRunner({ connectorsPackage, runsDir });
  #registry = new ProcessRegistry();
  #current = Promise.resolve();
  #isStopping = false;

  async #runOne(name) {
    const report = { name, messages: [], text: [], errors: [] };
    let pid;
    const config = new Config({
      name,
      datamartId: 'data-mart',
      source: new SourceConfig({ name, config: { Note: 'x' } }),
      storage: new StorageConfig({ name: 'Null', config: {} }),
    });
    const onStdout = (message) => {
      process.send({ event: 'output', name });
      try {
        report.messages.push(...parseObjects(message));
      } catch {
        report.text.push(message);
      }
    };
    const stdio = {
      logCapture: {
        onStdout,
        onStderr: (message) => report.errors.push(message),
        passThrough: false,
      },
      onSpawn: (spawned) => {
        pid = spawned;
        this.#registry.register(pid);
        process.send({ event: 'spawned', pid });
      },
    };
    const runConfig = new RunConfig({ type: 'INCREMENTAL', data: [], state: {} });
    try {
      report.result = await this.#runner.run('data-mart', 'one-run-id', config, runConfig, stdio);
    } catch (error) {
      report.failure = { code: error.code, message: error.message, result: error.result };
    } finally {
      this.#registry.forget(pid);
    }
    process.send({ event: 'ended', report });
  }

  async start() {
    for (const name of sources) {
      if (this.#isStopping) break;
      this.#current = this.#runOne(name);
      await this.#current;
    }
  }

  async onApplicationShutdown() {
    this.#isStopping = true;
    this.#registry.stopAll();
    await this.#current;
  }
}

const service = new ConnectorService();
process.once('SIGTERM', async () => {
  await service.onApplicationShutdown();
  process.send({ event: 'stopped' });
  process.disconnect(); // nothing else may keep this process alive
});
service.start();
