'use strict';
// The command, many times in this process, or in one of its own that can be killed.

const { AsyncLocalStorage } = require('node:async_hooks');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');

const { ConnectorRunnerCli } = require('@owox/connector-runner');
const { root } = require('../host');
const { until } = require('../processes');

const printed = new AsyncLocalStorage();
let isPatched = false;

/** What a run here prints is the run's. The events of its connector come without its context. */
function patch() {
  if (isPatched) return;
  isPatched = true;
  for (const name of ['stdout', 'stderr']) {
    const stream = process[name];
    const write = stream.write.bind(stream);
    stream.write = (text, ...rest) => {
      const store = printed.getStore();
      const isEvent = /^\{"type":"(?:start|step|spawn|message|usage|result)"/.test(text);
      if (store === undefined && !isEvent) return write(text, ...rest);
      if (store !== undefined) store[name] += text;
      rest.at(-1)?.();
      return true;
    };
  }
}

/** What became of it: the exit code and the last event of `--json`. */
function told(code, stdout, stderr) {
  const last = stdout.trimEnd().split('\n').at(-1);
  let event;
  try {
    event = JSON.parse(last);
  } catch {
    event = {};
  }
  return { code, event: event.type === 'result' ? event : {}, stdout, stderr };
}

/** Runs the command in this process. */
async function here(args) {
  patch();
  const store = { stdout: '', stderr: '' };
  const code = await printed.run(store, () =>
    new ConnectorRunnerCli().run([process.execPath, 'cli', ...args]),
  );
  process.exitCode = 0;
  return told(code, store.stdout, store.stderr);
}

/** Runs it in a process of its own, which is killed when the file is there. */
async function killed(args, file, env) {
  const child = spawn(process.execPath, [path.join(root, 'src/cli-wrapper.js'), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => void (texts[name] += text));
  }
  const end = once(child, 'close');
  await until(() => fs.existsSync(file) || child.exitCode !== null, 'the end', 60_000);
  child.kill('SIGKILL');
  const [code] = await end;
  return told(code, texts.stdout, texts.stderr);
}

module.exports = { here, killed };
