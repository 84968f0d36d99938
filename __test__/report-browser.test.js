'use strict';
// The report in a browser: layout, colours, print. Needs Chromium.
//   REPORT_PICTURES=DIR keeps a picture of each page.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');

const { ConnectorRunner } = require('@owox/connector-runner');
const { Browser, findBrowser } = require('./support/browser');
const { configOf, connectorsPackage } = require('./support/connectors');
const { tempFolder } = require('./support/temp');

const LONG = 'x'.repeat(300);

const sources = {
  Works: `async run() {
    const say = (type, fields) => console.log(JSON.stringify({ type, ...fields }));
    for (let day = 1; day <= 9; day += 1) {
      say('log', { message: 'day ' + day, progress: { table: 't', rows: day * 1234567 } });
      say('updateLastRequstedDate', { date: '2026-01-0' + day + 'T00:00:00.000Z' });
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    say('addWarningToCurrentStatus', { warning: ${JSON.stringify(LONG)} });
  }`,
  Fails: `run() {
    console.log(JSON.stringify({ type: 'error', error: ${JSON.stringify(LONG)} }));
    console.log('<script>document.title = "hostile"</script><img src="http://127.0.0.1:1/x">');
    throw new Error(${JSON.stringify(LONG)});
  }`,
  Hoards: `async run() {
    for (const all = []; ; all.push(Buffer.alloc(4 * 2 ** 20, 1))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }`,
  Waits: `run() {
    console.log('waiting');
    return new Promise(() => setInterval(() => {}, 1000));
  }`,
};

const SECTIONS = [
  'Time line',
  'Memory and CPU',
  'Rows and dates',
  'Warnings and errors',
  'Log',
  'Isolation',
  'Configuration',
];

/** Contrast of each text with what is behind it (WCAG 2), and which is lowest. */
const LOWEST_CONTRAST = `(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (numbers(backgroundColor)[3] !== 0) return backgroundColor;
    }
  };
  let lowest = { ratio: Infinity };
  for (const element of document.body.querySelectorAll('*')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || element.closest('svg')) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text: element.textContent.slice(0, 40) };
  }
  return lowest;
})()`;

const WIDEST = `[document.documentElement.scrollWidth, innerWidth,
  [...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .map((element) => element.outerHTML.slice(0, 80))]`;

const program = findBrowser();

describe('the report in a browser', { skip: program ? false : 'there is no Chromium' }, () => {
  let browser;
  after(() => browser?.close()); // before the folder is removed that it writes into
  const folder = tempFolder({ after });
  const profile = tempFolder({ after });
  const options = {
    connectorsPackage: connectorsPackage({ after }, { sources }),
    runsDir: tempFolder({ after }),
  };
  const reports = {};

  before(async () => {
    const runner = new ConnectorRunner(options);
    const run = (source, given, stdio = 'ignore') => {
      reports[source] = path.join(folder, `${source}.html`);
      const parameters = {
        [LONG]: LONG,
        AccessToken: { value: 'tok-abcdefgh' },
        AuthType: { oauth2: { ClientId: 'client' } },
      };
      const config = { ...configOf(source, parameters), name: `Daily ${source}` };
      const asked = { ...given, report: reports[source] };
      return runner.run('mart', 'run-7', config, {}, stdio, asked).catch(({ code }) => code);
    };
    const controller = new AbortController();
    const cancel = { logCapture: { onStdout: () => controller.abort() } };
    await run('Works', {});
    assert.equal(await run('Fails', {}), 'CONNECTOR_FAILED');
    assert.equal(await run('Hoards', { memoryLimitMb: 128 }), 'MEMORY_LIMIT');
    assert.equal(await run('Waits', { signal: controller.signal }, cancel), 'ABORT_ERR');
    browser = new Browser(program, profile);
  });

  /** Keeps a picture where somebody wants to look at it. */
  async function keep(page, name) {
    const folder = process.env.REPORT_PICTURES;
    if (folder) fs.writeFileSync(path.join(folder, `${name}.png`), await page.picture());
  }

  for (const [source, said] of [
    ['Works', 'Succeeded'],
    ['Fails', 'Failed'],
    ['Hoards', 'Out of memory'],
    ['Waits', 'Cancelled'],
  ]) {
    for (const dark of [false, true]) {
      for (const width of [360, 1200]) {
        const manner = `${width} px, ${dark ? 'dark' : 'light'}`;
        test(`${source} at ${manner} fits, is readable, loads nothing`, async () => {
          const isPhone = width < 500;
          const page = await browser.open(reports[source], { width, dark, isPhone });
          await keep(page, `${source}-${width}-${dark ? 'dark' : 'light'}`);
          assert.equal(await page.evaluate('document.title'), `${said}: Daily ${source}`);
          const [scroll, inner, wide] = await page.evaluate(WIDEST);
          assert.deepEqual([scroll, inner, wide], [width, width, []], 'nothing is wider than it');
          const lowest = await page.evaluate(LOWEST_CONTRAST);
          assert.ok(lowest.ratio >= 4.5, JSON.stringify(lowest));
          const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
          assert.equal(background, dark ? 'rgb(15, 20, 25)' : 'rgb(255, 255, 255)');
          const sections = await page.evaluate(
            '[...document.querySelectorAll("h2")].map((one) => one.textContent)',
          );
          assert.deepEqual(sections, SECTIONS);
          assert.equal(page.requests.filter((url) => !url.startsWith('file:')).length, 0);
          assert.deepEqual(page.problems, []);
          await page.close();
        });
      }
    }
  }

  test('charts have a size, a title and a description; all that is not text has one', async () => {
    const page = await browser.open(reports.Works, { width: 360, isPhone: true });
    const charts = await page.evaluate(`[...document.querySelectorAll('figure svg')].map((svg) => {
      const box = (svg.querySelector('.line') ?? svg.querySelector('.dots')).getBoundingClientRect();
      const names = svg.getAttribute('aria-labelledby').split(' ');
      const named = names.map((id) => document.getElementById(id).textContent);
      return { width: box.width, named, height: svg.getBoundingClientRect().height };
    })`);
    assert.equal(charts.length, 4, 'memory, CPU, rows, dates');
    for (const { width, height, named } of charts) {
      assert.ok(width > 100 && height > 100, `${width} by ${height}`);
      assert.ok(named.length === 2 && named.every((text) => text.length > 5), String(named));
    }
    const bare = await page.evaluate(
      `[...document.querySelectorAll('svg')].filter((svg) => svg.getAttribute('role') !== 'img' || !svg.querySelector('title, desc')).length`,
    );
    assert.equal(bare, 0);
    const ids = await page.evaluate('[...document.querySelectorAll("[id]")].map((one) => one.id)');
    assert.equal(new Set(ids).size, ids.length, 'ids are unique');
    await page.close();
  });

  test('a warning leads to its place in the log', async () => {
    const page = await browser.open(reports.Works, { width: 1200 });
    const found = await page.evaluate(
      `document.querySelector(document.querySelector('.events a').getAttribute('href')).textContent`,
    );
    assert.match(found, /warning: x+/);
    await page.close();
  });

  test('in print all sections are there, in dark ink on white', async () => {
    const page = await browser.open(reports.Fails, { width: 794, dark: true });
    await page.media('print');
    const hidden = await page.evaluate(`[...document.querySelectorAll('section, section *')]
      .filter((element) => !element.closest('svg') && element.textContent.trim())
      .filter((element) => element.getBoundingClientRect().height === 0)
      .map((element) => element.outerHTML.slice(0, 80))`);
    assert.deepEqual(hidden, []);
    const sections = await page.evaluate('document.querySelectorAll("section h2").length');
    assert.equal(sections, SECTIONS.length);
    const [ink, paper] = await page.evaluate(
      '[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]',
    );
    assert.deepEqual([ink, paper], ['rgb(27, 31, 36)', 'rgb(255, 255, 255)']);
    const pdf = await page.pdf();
    assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');
    assert.ok(pdf.toString('latin1').match(/\/Type\s*\/Page\b/g).length >= 2, 'pages');
    await page.close();
  });

  test('text of a connector does nothing in the page', async () => {
    const page = await browser.open(reports.Fails, { width: 1200 });
    const counts = await page.evaluate('[document.scripts.length, document.images.length]');
    assert.deepEqual(counts, [0, 0]);
    await page.close();
  });
});
