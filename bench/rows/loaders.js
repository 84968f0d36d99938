'use strict';
// One large CSV file into DuckDB: our connector, dlt by its reader of CSV files and by Arrow, and
// DuckDB's own reader as the limit. The others need Python.

const { execFile, execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');

const { ConnectorRunner } = require('@owox/connector-runner');
const { referencePackage } = require('../../__test__/support/duckdb');
const { alternate } = require('../lib/measure');
const { folder, remove } = require('../lib/space');

const PACKAGES = path.join(__dirname, '..', 'lib', 'loaders.txt');
const SCRIPT = path.join(__dirname, '..', 'lib', 'loaders.py');
const ROWS_AT_ONCE = 10_000;

/** A Python that has the loaders, in the user's cache folder; `null` where none can be made. */
function python() {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache');
  const key = createHash('sha256').update(fs.readFileSync(PACKAGES)).digest('hex').slice(0, 16);
  const home = path.join(cache, 'owox-connector-runner-tests', `loaders-${key}`);
  const program = path.join(home, 'bin', 'python');
  if (fs.existsSync(path.join(home, 'complete'))) return program;
  try {
    execFileSync(process.env.PYTHON || 'python3', ['-m', 'venv', home], { stdio: 'pipe' });
    const install = ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', '-r', PACKAGES];
    execFileSync(program, install, { stdio: 'pipe' });
    fs.writeFileSync(path.join(home, 'complete'), '');
    return program;
  } catch (error) {
    const reason = `${error.stderr ?? ''}`.trim().split('\n').at(-1) || error.message;
    console.error(`loaders are left out, since they need Python 3 with venv and pip: ${reason}`);
    return null;
  }
}

/** About 120 bytes a row: numbers, decimals, a date, a moment, texts in two scripts, quotes. */
function writeCsv(file, rows) {
  const out = fs.openSync(file, 'w');
  fs.writeSync(out, 'id,day,moment,amount,price,quantity,name,country,note\n');
  for (let from = 0; from < rows; from += ROWS_AT_ONCE) {
    const lines = Array.from({ length: Math.min(ROWS_AT_ONCE, rows - from) }, (_, offset) => {
      const id = from + offset;
      const time = new Date(Date.UTC(2020, 0, 1 + (id % 1000), id % 24, id % 60, id % 59));
      const moment = time.toISOString().slice(0, 19);
      const price = ((id % 10_000) / 100).toFixed(2);
      return (
        `${id},${moment.slice(0, 10)},${moment}Z,${id / 8},${price},${id % 977},"Назва ${id}",` +
        `${['UA', 'DE', 'US', 'PL'][id % 4]},"note of the row ${id % 97}, ${'n'.repeat(20)}"\n`
      );
    });
    fs.writeSync(out, lines.join(''));
  }
  fs.closeSync(out);
}

/** Our connector: a function that loads a file, and gives what it took. */
function connector() {
  const storeDir = folder('store');
  const runner = new ConnectorRunner({
    connectorsPackage: referencePackage,
    runsDir: folder('runs'),
    storeDir,
  });
  const load = async (file, key) => {
    const UniqueKeys = key === '' ? [] : [key];
    const place = folder('database');
    const config = {
      datamartId: 'bench',
      name: 'bench',
      source: { name: 'CsvFile', config: { Path: file, UniqueKeys } },
      storage: {
        name: 'DuckDb',
        config: { DatabasePath: path.join(place, 'loaded.duckdb'), DestinationTableName: 't' },
      },
    };
    const capture = { logCapture: { onStdout() {}, onStderr() {} } };
    const { resources, timings } = await runner.run('bench', 'run', config, {}, capture);
    fs.rmSync(place, { recursive: true });
    return {
      wall: timings.executionMs / 1000,
      cpu: resources.cpuMs / 1000,
      memory: resources.peakRssBytes / 2 ** 20,
    };
  };
  return { load, end: () => remove(storeDir) };
}

/** Another loader: the same. dlt sends nobody what it does. */
async function loadElsewhere(program, how, file, key, rows) {
  const place = folder('database');
  const env = {
    ...process.env,
    RUNTIME__DLTHUB_TELEMETRY: 'false',
    RUNTIME__LOG_LEVEL: 'CRITICAL',
  };
  const { stdout } = await promisify(execFile)(program, [SCRIPT, how, file, place, key], { env });
  fs.rmSync(place, { recursive: true });
  const taken = JSON.parse(stdout.trim().split('\n').at(-1));
  if (taken.rows !== rows) throw new Error(`${how} has loaded ${taken.rows} rows of ${rows}`);
  return taken;
}

/** One file by our connector and by another loader, with a key or (`''`) without. */
async function load({ rows, key, against, count }) {
  const program = python();
  if (program === null) return [];
  const file = path.join(folder('rows'), 'rows.csv');
  writeCsv(file, rows);
  const { load: ours, end } = connector();
  const all = { ours: [], rival: [] };
  const kept = (name, work) => async () => all[name].push(await work());
  try {
    await ours(file, key); // installs
    const variants = {
      ours: kept('ours', () => ours(file, key)),
      rival: kept('rival', () => loadElsewhere(program, against, file, key, rows)),
    };
    await alternate(count, variants, { warmUp: false });
  } finally {
    end();
    fs.rmSync(file);
  }
  const line = (name, unit) => ({
    label: `${rows} rows, ${key === '' ? 'no key' : 'by a key'}, ${name}`,
    unit,
    rival: against,
    samples: { ours: all.ours.map((one) => one[name]), rival: all.rival.map((one) => one[name]) },
    judge: name === 'wall' ? undefined : name,
  });
  return [line('wall', 's'), line('cpu', 's'), line('memory', 'MB')];
}

module.exports = { cases: { load } };
