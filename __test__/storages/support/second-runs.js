'use strict';
// A column of each type meets a value of each kind in the next run. The outcomes are those that
// docs/storages/second-runs.md states, which is read here.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { roughServer } = require('../../support/rough-server');
const { tempFolder } = require('../../support/temp');
const { target } = require('./targets');

const ROOT = path.join(__dirname, '..', '..', '..');
const TABLE = 't';
/** As many as a message names. */
const MOST_REFUSED = 20;

const BEFORE = {
  string: 'word',
  integer: 1,
  number: 1.5,
  boolean: true,
  date: '2024-01-01',
  timestamp: '2024-01-01T01:02:03',
  timestamptz: '2024-01-01T01:02:03Z',
  json: { a: 1 },
  'no value': null,
};
const AFTER = {
  null: null,
  '""': '',
  'a word': 'other',
  'a whole number': 2,
  'a decimal': 2.5,
  'true or false': false,
  'a date': '2024-02-02',
  'a timestamp': '2024-02-02T01:02:03',
  'one with a zone': '2024-02-02T01:02:03Z',
  'an object': { b: [2] },
};

/** @returns {Map<string, { before: string, after: string, outcome: string }>} by the column's name */
function documented(storage) {
  const text = fs.readFileSync(path.join(ROOT, 'docs', 'storages', 'second-runs.md'), 'utf8');
  const section = text.split(`## ${storage}\n`)[1].split('\n## ')[0];
  const lines = section.split('\n').filter((line) => line.startsWith('|'));
  const [head, , ...rows] = lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
  assert.deepEqual(head.slice(1), Object.keys(AFTER));
  assert.deepEqual(
    rows.map(([type]) => type),
    Object.keys(BEFORE),
  );
  const cells = new Map();
  rows.forEach(([type, ...outcomes], row) =>
    outcomes.forEach((outcome, at) =>
      cells.set(`c${row}_${at}`, { before: type, after: head[at + 1], outcome }),
    ),
  );
  return cells;
}

/** The type of a column after the second run; `undefined` where there is none. */
function kindOf({ before: type, outcome }, { types }) {
  const kind = outcome.startsWith('→') ? outcome.slice(1).trim() : type;
  if (kind === 'no value') return undefined;
  return types[kind] === types.string ? 'string' : kind;
}

/** How a value comes back from a column of a type. */
function shown(value, kind) {
  if (value === null || (value === '' && kind !== 'string')) return null;
  if (kind === 'json') return value;
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  if (kind === 'number') return Number(text);
  if (kind === 'boolean') return value;
  if (kind === 'timestamp' || kind === 'timestamptz') {
    const [day, time = '00:00:00'] = text.replace('Z', '').split('T');
    return `${day}T${time}.000000${kind === 'timestamptz' ? 'Z' : ''}`;
  }
  return text;
}

async function loader(t, to) {
  const folder = tempFolder(t);
  let rows = [];
  const { origin } = await roughServer(t, (_, response) => response.end(JSON.stringify(rows)));
  const connectorsPackage = path.join(ROOT, 'packages', 'connectors');
  const runner = new ConnectorRunner({ connectorsPackage, runsDir: folder });
  const storage = to.storage('second', { DestinationTableName: TABLE });
  const source = { name: 'HttpJson', config: { Url: `${origin}/`, UniqueKeys: ['id'] } };
  const stdio = { logCapture: { onStdout() {}, onStderr() {} } };
  return (row) => {
    rows = [row];
    const config = new Config({ name: 'test', source, storage });
    const request = new RunConfig({ type: 'INCREMENTAL', data: [], state: {} });
    return runner.run('id', 'run', config, request, stdio).catch((error) => error);
  };
}

function secondRuns(name) {
  const { options, target: to } = target(name, { before, after });

  test(`${name}: a column of each type meets each value in the next run`, options, async (t) => {
    const cells = documented(name);
    const load = await loader(t, to);
    const rowOf = (id, chosen, valueOf) => ({
      id,
      ...Object.fromEntries(chosen.map(([column, cell]) => [column, valueOf(cell)])),
    });
    const all = [...cells];
    const first = await load(rowOf(1, all, ({ before: type }) => BEFORE[type]));
    assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
    const made = await to.typesOf('second', TABLE);

    const refused = all.filter(([, { outcome }]) => outcome === 'refused');
    for (let at = 0; at < refused.length; at += MOST_REFUSED) {
      const some = refused.slice(at, at + MOST_REFUSED);
      const failed = await load(rowOf(2, some, ({ after: value }) => AFTER[value]));
      assert.equal(failed.code, 'CONNECTOR_FAILED', JSON.stringify(some));
      for (const [column] of some) assert.match(failed.stderrTail, new RegExp(`"${column}"`));
      assert.match(failed.stderrTail, /declare the column's type, or run a FULL_REFRESH/);
    }
    assert.deepEqual(await to.typesOf('second', TABLE), made);
    assert.equal(await to.count('second', TABLE), 1);

    const taken = all.filter(([, { outcome }]) => outcome !== 'refused');
    const second = await load(rowOf(2, taken, ({ after: value }) => AFTER[value]));
    assert.equal(second.status, 'success', `${second.message} ${second.stderrTail}`);
    const types = await to.typesOf('second', TABLE);
    const kinds = { id: 'integer' };
    for (const [column, cell] of taken) {
      const kind = kindOf(cell, to);
      const expected = kind === undefined ? undefined : to.types[kind];
      assert.equal(types[column], expected, `${column}: ${JSON.stringify(cell)}`);
      if (kind !== undefined) kinds[column] = kind;
    }
    const rows = await to.read('second', TABLE, kinds);
    const expected = ['before', 'after'].map((which, at) => ({
      id: String(at + 1),
      ...Object.fromEntries(
        taken
          .filter(([, cell]) => kindOf(cell, to) !== undefined)
          .map(([column, cell]) => {
            const value = (which === 'before' ? BEFORE : AFTER)[cell[which]];
            return [column, shown(value, kindOf(cell, to))];
          }),
      ),
    }));
    assert.deepEqual(rows, expected);
  });
}

module.exports = { secondRuns };
