'use strict';
// Where each table of the reference package goes on, in memory: nothing may be skipped in silence.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { memoryRun } = require('./support/memory');

const START = '2024-01-01';
const END = '2024-06-30';
const RANGE = { StartDate: START, EndDate: END };
const stamp = (day) => `${day}T00:00:00.000Z`;
const today = () => new Date().toISOString().slice(0, 10);

/** A day so many days before or after another. */
function shifted(day, days) {
  return new Date(Date.parse(day) + days * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
}

const daysOf = (from, to) => {
  const days = [];
  for (let day = from; day <= to; day = shifted(day, 1)) days.push(day);
  return days;
};

/**
 * A source whose tables serve the days they are given, into tables that last as long as `store`,
 * which holds sets of days by table. Gives what was asked for, printed, and how it ended.
 */
async function load(store, served, { parameters = {}, runConfig, ...more } = {}) {
  const { connector, config, source, storage } = memoryRun(
    { ...RANGE, DestinationTableName: 'x_', ...parameters },
    runConfig,
  );
  const asked = [];
  source.tables = () =>
    Object.keys(served).map((name) => ({
      name,
      uniqueKeys: ['day'],
      dateColumn: 'day',
      daysPerStep: more.daysPerStep,
    }));
  source.fetch = async function* fetch({ name }, { start, end }) {
    asked.push([name, start, end]);
    await more.onFetch?.(name, start);
    const isIn = (day) => (start === null || day >= start) && (end === null || day <= end);
    const rows = served[name].filter(isIn).map((day) => ({ day }));
    if (rows.length > 0) yield rows;
  };
  let plan;
  let staged;
  storage.begin = async (given) => void ([plan, staged] = [given, []]);
  storage.write = async (rows) => void staged.push(...rows.map(({ day }) => day));
  storage.commit = async () => {
    const table = new Set(plan.replace ? [] : store[plan.name]);
    for (const day of staged) table.add(day);
    if (table.size > 0 || store[plan.name]) store[plan.name] = table;
    await more.onCommit?.(plan.name);
    return { rows: staged.length, duplicates: 0, total: table.size, location: 'memory' };
  };
  if (!more.cannotTell) storage.hasRows = async (name) => (store[name]?.size ?? 0) > 0;
  let error = null;
  await connector.run().catch((thrown) => (error = thrown));
  const printed = config.of('updateLastRequstedDate').map(({ date, tables }) => ({ date, tables }));
  const reached = config.of('isInProgress').flatMap((message) => message.reached ?? []);
  const warnings = config.of('addWarningToCurrentStatus').map(({ warning }) => warning);
  return { asked, config, error, printed, reached, warnings, state: printed.at(-1) };
}

const starts = ({ asked }) => Object.fromEntries(asked.map(([name, start]) => [name, start]));

test('each table goes on from its own date, and the date of all is the earliest', async () => {
  const store = {};
  const served = { fast: ['2024-06-01'], late: ['2024-05-01'] };
  const first = await load(store, served);
  assert.deepEqual(first.state, {
    date: stamp('2024-05-01'),
    tables: { x_fast: { date: stamp('2024-06-01') }, x_late: { date: stamp('2024-05-01') } },
  });
  served.late.push('2024-05-10');
  const second = await load(store, served, { runConfig: { state: first.state } });
  assert.deepEqual(starts(second), { fast: '2024-06-01', late: '2024-05-01' });
  assert.ok(store.x_late.has('2024-05-10'), 'the late row is there');
  assert.equal(second.state.tables.x_late.date, stamp('2024-05-10'));
});

test('hosts that keep only the date lose nothing, by the state or by LastRequestedDate', async () => {
  for (const host of ['state', 'LastRequestedDate', 'both']) {
    const store = {};
    const served = { fast: ['2024-06-01'], late: ['2024-05-01'] };
    const { state } = await load(store, served);
    served.late.push('2024-05-10');
    served.fast.push('2024-05-03');
    const parameters = host === 'state' ? {} : { LastRequestedDate: state.date.slice(0, 10) };
    const kept = { date: state.date };
    const runConfig = host === 'LastRequestedDate' ? {} : { state: kept };
    const second = await load(store, served, { parameters, runConfig });
    assert.deepEqual(starts(second), { fast: '2024-05-01', late: '2024-05-01' }, host);
    assert.ok(store.x_late.has('2024-05-10') && store.x_fast.has('2024-05-03'), host);
  }
});

test("LastRequestedDate that is the state's own date leaves the tables theirs; another one wins", async () => {
  const store = {};
  const served = { fast: ['2024-06-01'], late: ['2024-05-01'] };
  const { state } = await load(store, served);
  const asked = async (LastRequestedDate) =>
    starts(await load(store, served, { parameters: { LastRequestedDate }, runConfig: { state } }));
  assert.deepEqual(await asked('2024-05-01'), { fast: '2024-06-01', late: '2024-05-01' });
  assert.deepEqual(await asked('2024-03-01'), { fast: '2024-03-01', late: '2024-03-01' });
  assert.deepEqual(await asked('2024-06-15'), { fast: '2024-06-15', late: '2024-06-15' });
});

test('a table without rows counts with the beginning of the range', async () => {
  const served = { fast: ['2024-06-01'], none: [] };
  const first = await load({}, served);
  assert.deepEqual(first.state, {
    date: stamp(START),
    tables: { x_fast: { date: stamp('2024-06-01') }, x_none: { date: stamp(START) } },
  });
  // without a beginning there is no date that would not skip something
  const open = await load({}, served, { parameters: { StartDate: null } });
  assert.deepEqual(open.printed, []);
  assert.deepEqual(open.reached.at(-1), { tables: { x_fast: { date: stamp('2024-06-01') } } });
});

test('a table that is added later begins at the beginning; one that comes back goes on', async () => {
  for (const cannotTell of [false, true]) {
    const store = {};
    const served = { fast: ['2024-06-01'], late: ['2024-05-01'] };
    const { state } = await load(store, served);
    const three = { ...served, added: ['2024-02-02'] };
    const third = await load(store, three, { runConfig: { state }, cannotTell });
    assert.deepEqual(starts(third), { fast: '2024-06-01', late: '2024-05-01', added: START });
    assert.ok(store.x_added.has('2024-02-02'));
    assert.deepEqual(third.warnings, []);

    // its state is gone with it: back again, it is loaded from the beginning
    const { fast, added } = three;
    const without = await load(store, { fast, added }, { runConfig: { state: third.state } });
    assert.deepEqual(Object.keys(without.state.tables), ['x_fast', 'x_added']);
    const back = [...served.late, '2024-03-03'];
    const again = { fast, added, late: back };
    await load(store, again, { runConfig: { state: without.state }, cannotTell });
    assert.ok(store.x_late.has('2024-03-03'), 'what came while it was away is not skipped');
  }
});

test('a table that is gone is loaded from the beginning, and it alone, with a warning', async () => {
  const empty = (store) => store.x_late.clear();
  const remove = (store) => delete store.x_late;
  for (const lose of [empty, remove]) {
    const store = {};
    const served = { fast: ['2024-06-01'], late: ['2024-02-01', '2024-05-01'] };
    const { state } = await load(store, served);
    lose(store);
    const second = await load(store, served, { runConfig: { state } });
    assert.deepEqual(starts(second), { fast: '2024-06-01', late: START });
    assert.deepEqual([...store.x_late], served.late);
    assert.deepEqual(second.warnings, [
      'Table "x_late" is missing or empty, though it was loaded up to 2024-05-01: it is loaded from ' +
        '2024-01-01 again',
    ]);
    // and for a host that has only the date
    lose(store);
    const parameters = { LastRequestedDate: '2024-05-01' };
    const third = await load(store, served, { parameters });
    assert.deepEqual(starts(third), { fast: '2024-05-01', late: START });
    assert.deepEqual([...store.x_late], served.late);
  }
});

test('where LastRequestedDate is the only beginning, it stays, and the warning says so', async () => {
  const parameters = { StartDate: null, LastRequestedDate: '2024-05-01' };
  const { asked, warnings } = await load({}, { a: ['2024-05-02'] }, { parameters });
  assert.deepEqual(asked, [['a', '2024-05-01', END]]);
  assert.match(warnings[0], /rows before 2024-05-01 are not loaded; set StartDate/);
});

test('a storage that cannot tell is believed, and the summary says so', async () => {
  const state = { date: stamp('2024-05-01') };
  const { asked, config, warnings } = await load(
    {},
    { a: ['2024-05-02'] },
    { runConfig: { state }, cannotTell: true },
  );
  assert.deepEqual([asked, warnings], [[['a', '2024-05-01', END]], []]);
  const { summary } = config.messages.findLast((message) => message.summary);
  assert.equal(summary.isUnchecked, true);
});

test('a state that cannot be read is an error, by table', async () => {
  const state = { date: stamp(START), tables: { x_a: { date: 'soon' } } };
  const { error } = await load({}, { a: [] }, { runConfig: { state } });
  assert.match(error.message, /state's date of table "x_a" "soon" is no date/);
});

test('a table in steps is committed and told after each, and asked for one day at a time', async () => {
  const store = {};
  const days = daysOf(START, '2024-01-05');
  const served = { a: days, b: ['2024-01-02'] };
  const parameters = { EndDate: '2024-01-05' };
  const run = await load(store, served, { parameters, daysPerStep: 1 });
  const each = (name) => days.map((day) => [name, day, day]);
  assert.deepEqual(run.asked, [...each('a'), ...each('b')]);
  const dates = run.printed.map(({ tables }) => tables.x_a.date.slice(0, 10));
  assert.deepEqual(dates.slice(0, 4), days.slice(0, 4), 'after each day but the last');
  assert.deepEqual(run.state, {
    date: stamp('2024-01-02'),
    tables: { x_a: { date: stamp('2024-01-05') }, x_b: { date: stamp('2024-01-02') } },
  });
  assert.deepEqual(
    run.printed.map(({ date }) => date).filter((date) => date > stamp('2024-01-02')),
    [],
    'never later than what all tables have',
  );
  const { summary } = run.config.messages.find((message) => message.summary);
  assert.deepEqual([summary.rows, summary.total], [5, 5]);
});

test('an interrupted load goes on after its last complete day', async () => {
  const store = {};
  const days = daysOf(START, '2024-01-30');
  const parameters = { EndDate: '2024-01-30', ReimportLookbackWindow: 2 };
  for (const type of ['INCREMENTAL', 'MANUAL_BACKFILL', 'CUSTOM']) {
    delete store.x_a;
    const data = [
      { configField: 'StartDate', value: START },
      { configField: 'EndDate', value: '2024-01-30' },
    ];
    const runConfig = { type, data: type === 'INCREMENTAL' ? [] : data };
    const more = { parameters, daysPerStep: 1 };
    const onFetch = (_, start) => {
      if (start === '2024-01-11') throw new Error('broken off');
    };
    const first = await load(store, { a: days }, { ...more, runConfig, onFetch });
    assert.match(first.error.message, /broken off/);
    const checkpoint = type === 'INCREMENTAL' ? first.state : first.reached.at(-1);
    assert.deepEqual(checkpoint, {
      date: stamp('2024-01-10'),
      tables: { x_a: { date: stamp('2024-01-10'), reachedAt: stamp(today()) } },
    });
    if (type !== 'INCREMENTAL') assert.deepEqual(first.printed, [], 'a cursor must not move');
    const resumed = { ...runConfig, state: checkpoint };
    const second = await load(store, { a: days }, { ...more, runConfig: resumed });
    assert.deepEqual(second.asked[0], ['a', '2024-01-11', '2024-01-11'], type);
    assert.deepEqual([...store.x_a], days);
    if (type === 'INCREMENTAL') {
      assert.deepEqual(second.state.tables, { x_a: { date: stamp('2024-01-30') } });
    }
  }
});

test('on a later day, what could still change when it was loaded is loaded again', async () => {
  const asked = async (date, reachedAt, lookback) => {
    const state = { tables: { x_a: { date: stamp(date), reachedAt: stamp(reachedAt) } } };
    const parameters = { EndDate: null, ReimportLookbackWindow: lookback };
    const store = { x_a: new Set([date]) };
    return starts(await load(store, { a: [] }, { parameters, runConfig: { state } })).a;
  };
  assert.equal(await asked('2024-03-10', '2024-06-01', 2), '2024-03-11');
  assert.equal(await asked('2024-05-31', '2024-06-01', 2), '2024-05-30');
  assert.equal(await asked('2024-05-31', '2024-06-01', 0), '2024-06-01');
  assert.equal(await asked(shifted(today(), -1), today(), 2), today());
  assert.equal(await asked(today(), today(), 2), today(), 'today is not over');
});

test('a backfill that is not resumed begins at its beginning, whatever the state', async () => {
  const state = { date: stamp('2024-05-01'), tables: { x_a: { date: stamp('2024-05-01') } } };
  const data = [{ configField: 'StartDate', value: '2024-02-01' }];
  const runConfig = { type: 'MANUAL_BACKFILL', data, state };
  const { asked, printed, reached } = await load({}, { a: ['2024-02-03'] }, { runConfig });
  assert.deepEqual([asked, printed], [[['a', '2024-02-01', null]], []]);
  assert.deepEqual(reached.at(-1).date, stamp('2024-02-03'));
});

test('a table that an interrupted run had finished is not asked for again', async () => {
  const store = { x_a: new Set([END]), x_b: new Set() };
  const tables = { x_a: { date: stamp(END), reachedAt: stamp(today()) } };
  const runConfig = { state: { tables } };
  const { asked, state } = await load(store, { a: [END], b: ['2024-02-02'] }, { runConfig });
  assert.deepEqual(asked, [['b', START, END]]);
  assert.deepEqual(Object.keys(state.tables), ['x_a', 'x_b']);
});

test('a full refresh is one step, and its state is what it has loaded', async () => {
  const store = { x_a: new Set(['2023-01-01']) };
  const state = { date: stamp('2024-06-01'), tables: { x_a: { date: stamp('2024-06-01') } } };
  const runConfig = { type: 'FULL_REFRESH', state };
  const run = await load(store, { a: ['2024-02-02'] }, { runConfig, daysPerStep: 1 });
  assert.deepEqual(run.asked, [['a', START, END]]);
  assert.deepEqual([...store.x_a], ['2024-02-02']);
  assert.deepEqual(
    run.printed.map(({ date }) => date),
    [stamp('2024-02-02')],
  );
});

test('dates in the future neither make endless steps nor move the state past today', async () => {
  const day = today();
  const parameters = { StartDate: shifted(day, -2), EndDate: '9999-12-31' };
  const served = { a: [shifted(day, -1), shifted(day, 4)] };
  const { asked, state } = await load({}, served, { parameters, daysPerStep: 1 });
  assert.deepEqual(
    asked.map(([, , end]) => end),
    [shifted(day, -2), shifted(day, -1), '9999-12-31'],
  );
  assert.equal(state.date, stamp(day));
});

const fresh = ({ config }) => config.of('isInProgress').flatMap((message) => message.fresh ?? []);

// A state that a host keeps would leave out what another run has not loaded there.
test('tables that begin anew are told of before anything is saved, whatever the type', async () => {
  const store = {};
  const served = { t: ['2024-01-02', '2024-02-03'] };
  const first = await load(store, served);
  assert.deepEqual(fresh(first), ['x_t']);
  const at = first.config.messages.findIndex((message) => message.fresh !== undefined);
  const summary = first.config.messages.findIndex((message) => message.summary !== undefined);
  assert.ok(at >= 0 && at < summary);
  assert.deepEqual(fresh(await load(store, served, { runConfig: { state: first.state } })), []);
  delete store.x_t;
  const data = { StartDate: '2024-02-01' };
  const backfill = { type: 'MANUAL_BACKFILL', data };
  assert.deepEqual(fresh(await load(store, served, { runConfig: backfill })), ['x_t']);
  assert.deepEqual(fresh(await load(store, served, { runConfig: { type: 'FULL_REFRESH' } })), [
    'x_t',
  ]);
});

test('a table that is gone is loaded again by one commit: a part would look like all of it', async () => {
  const served = { t: ['2024-01-02', '2024-02-03', '2024-03-04'] };
  const state = (await load({}, served)).state;
  const store = {};
  let commits = 0;
  const onCommit = () => void (commits += 1);
  const again = await load(store, served, { runConfig: { state }, daysPerStep: 10, onCommit });
  assert.equal(commits, 1);
  assert.deepEqual([...store.x_t], served.t);
  assert.deepEqual(again.state, state);
});
