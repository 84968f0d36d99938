'use strict';
// A headless Chromium of the system's, driven through pipes by its own protocol (CDP).

const { spawn } = require('node:child_process');
const { accessSync, constants } = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

/** How long the browser may take for one thing. */
const PATIENCE_MS = 60_000;

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser's program; undefined where there is none. `CHROMIUM` names another. */
function findBrowser() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders
    .flatMap((folder) => NAMES.map((name) => path.join(folder, name)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

class Browser {
  #child;
  #pending = new Map();
  #listeners = new Set();
  #number = 0;

  /** Starts it, with a folder for what it keeps. */
  constructor(program, profile) {
    const arguments_ = [
      '--headless=new',
      '--remote-debugging-pipe',
      '--no-sandbox', // tests may run as root, in a container
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--hide-scrollbars',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-breakpad',
      '--disable-crash-reporter',
      `--user-data-dir=${profile}`,
    ];
    this.#child = spawn(program, arguments_, {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    const gone = (why) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`the browser ${why}`));
      this.#pending.clear();
    };
    this.#child.once('error', (error) => gone(`did not start: ${error.message}`));
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        gone(`ended with ${signal ?? code}`);
        resolve();
      });
    });
    this.#child.stdio[3].on('error', () => {}); // told by `close`
    let rest = '';
    this.#child.stdio[4].setEncoding('utf8').on('data', (text) => {
      const messages = (rest + text).split('\0');
      rest = messages.pop();
      messages.forEach((message) => this.#take(JSON.parse(message)));
    });
  }

  #take(message) {
    const asked = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.error) asked?.reject(new Error(message.error.message));
    else asked?.resolve(message.result);
    if (message.method) this.#listeners.forEach((listener) => listener(message));
  }

  send(method, params = {}, sessionId = undefined) {
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Error(`the browser did not answer to ${method}`));
      }, PATIENCE_MS);
      const settled = (settle) => (value) => {
        clearTimeout(late);
        settle(value);
      };
      this.#pending.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Calls `listener` with each event until the function that is returned is called. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Opens a file as a page of this size in CSS pixels, with a phone's or a screen's manners. */
  async open(file, { width, height = 800, dark = false, isPhone = false }) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const send = (method, params) => this.send(method, params, sessionId);
    const requests = [];
    const problems = [];
    const stop = this.listen(({ sessionId: of, method, params }) => {
      if (of !== sessionId) return;
      if (method === 'Network.requestWillBeSent') requests.push(params.request.url);
      if (method === 'Log.entryAdded') problems.push(params.entry.text);
      if (method === 'Runtime.exceptionThrown') problems.push(params.exceptionDetails.text);
    });
    for (const domain of ['Page', 'Network', 'Log', 'Runtime']) await send(`${domain}.enable`);
    await send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: isPhone,
    });
    await send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
    });
    await send('Page.navigate', { url: pathToFileURL(file).href });
    await send('Runtime.evaluate', {
      expression: `document.readyState === 'complete' || new Promise((resolve) => addEventListener('load', resolve))`,
      awaitPromise: true,
    });
    return {
      requests,
      problems,
      /** The value of an expression in the page. */
      async evaluate(expression) {
        const { result, exceptionDetails } = await send('Runtime.evaluate', {
          expression,
          returnByValue: true,
          awaitPromise: true,
        });
        if (exceptionDetails) throw new Error(exceptionDetails.exception.description);
        return result.value;
      },
      /** A picture of the whole page, or of a part of it: PNG. */
      async picture(clip) {
        const what = { captureBeyondViewport: true, ...(clip && { clip: { scale: 1, ...clip } }) };
        const { data } = await send('Page.captureScreenshot', what);
        return Buffer.from(data, 'base64');
      },
      /** As for the printer. */
      media: (media) => send('Emulation.setEmulatedMedia', { media }),
      async pdf() {
        const { data } = await send('Page.printToPDF', {});
        return Buffer.from(data, 'base64');
      },
      async close() {
        stop();
        await this.closeTarget();
      },
      closeTarget: () => this.send('Target.closeTarget', { targetId }),
    };
  }

  async close() {
    // its helpers end with it only where it ends by itself
    await this.send('Browser.close').catch(() => {});
    const late = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    await this.ended;
    clearTimeout(late);
    this.#child.stdio.forEach((pipe) => pipe?.destroy()); // a helper may hold the other end
  }
}

module.exports = { Browser, findBrowser };
