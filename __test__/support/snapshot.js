'use strict';
// Texts that are compared with files. `UPDATE_SNAPSHOTS=1` writes the files anew: look at the
// difference before it is committed.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const folder = path.join(__dirname, '..', 'snapshots');

/** What differs from run to run, and what stands for it. */
const VARIABLE = [
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?<!T00:00:00\.000Z)/g, '<TIME>'],
  [/^ {2}Isolated .*$/gm, '  Isolated <MODE>'],
  [/\b\d+(\.\d)? s\b/g, '<N> s'],
  [/\b[\d,]+ MB\b/g, '<N> MB'],
  [
    /("(?:pid|durationMs|queueMs|environmentMs|spawnMs|executionMs|cleanupMs|peakRssBytes|rssBytes|cpuMs)":)\d+/g,
    '$1<N>',
  ],
  [/("key":")[0-9a-f]+/g, '$1<KEY>'],
  [/-[0-9a-f]{12}\.json/g, '-<HASH>.json'],
];

/** A text in which `replaced` (text → name) and what always differs have fixed names. */
function normalised(text, replaced = {}) {
  let result = text;
  for (const [found, name] of Object.entries(replaced)) result = result.replaceAll(found, name);
  for (const [found, name] of VARIABLE) result = result.replace(found, name);
  return result;
}

/** What a command did, as one text. */
function transcript({ args, stdout, stderr, code }, replaced) {
  const part = (name, text) =>
    text ? `--- ${name}\n${text}${text.endsWith('\n') ? '' : '\n'}` : '';
  const all = `$ connector-runner ${args.join(' ')}\n${part('stdout', stdout)}${part('stderr', stderr)}--- exit code ${code}\n`;
  return normalised(all, replaced);
}

/** Compares with the file of this name. */
function matches(name, text) {
  const file = path.join(folder, `${name}.txt`);
  if (process.env.UPDATE_SNAPSHOTS) {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(file, text);
    return;
  }
  assert.ok(fs.existsSync(file), `there is no snapshot ${name}; UPDATE_SNAPSHOTS=1 writes it`);
  assert.equal(
    text,
    fs.readFileSync(file, 'utf8'),
    `snapshot ${name}; UPDATE_SNAPSHOTS=1 writes it anew`,
  );
}

/** The snapshots that no test has, so that none is left behind. */
function unused(names) {
  const known = new Set(names.map((name) => `${name}.txt`));
  return fs.readdirSync(folder).filter((file) => !known.has(file));
}

module.exports = { matches, normalised, transcript, unused };
