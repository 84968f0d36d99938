'use strict';
// Everything in examples/ runs, or is valid where it needs an account. quickstart.json runs in
// package.test.js, the TikTok configurations run in tiktok-ads-run.test.js.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { test } = require('node:test');

const { Config } = require('@owox/connector-runner');
const { Connectors, Core } = require('../packages/connectors');
const { query, referencePackage } = require('./support/duckdb');
const { root, runScript } = require('./support/host');
const { tempFolder, writeFiles } = require('./support/temp');

const EXAMPLES = path.join(root, 'examples');
const RATES = 7126;
const rowsOf = async (database, table) =>
  Number((await query(database, `SELECT count(*) FROM ${table}`))[0][0]);

/** What each script has to print, and the table that it leaves with all the rates. */
const SCRIPTS = {
  'config.js': {
    check: ({ stdout }) => {
      assert.match(stdout, /^TikTokAds 9 parameters\n/);
      assert.match(stdout, /"AuthType": \{\s+"value": "oauth2",\s+"items": \{\s+"AppId"/);
      assert.match(stdout, /"name": "GoogleBigQuery"/);
      assert.match(stdout, /INVALID_CONFIG Source configuration is required\n$/);
    },
  },
  'custom-environment.js': {
    table: 'custom_environment',
    check: ({ stderr }) =>
      assert.match(
        stderr,
        /^createEnvironment: \d+ ms\nexecuteConnector: \d+ ms\ncleanup: \d+ ms\n$/,
      ),
  },
  'log-capture.js': {
    table: 'log_capture',
    check: ({ stdout, stderr }) => {
      assert.match(stdout, /^process started\nupdateCurrentStatus: 1\n/);
      assert.match(stdout, /log: Loaded 7,126 rows into table "log_capture"/);
      assert.equal(stderr, '');
    },
  },
  'run-types.js': {
    table: 'run_types',
    check: ({ stdout }) =>
      assert.deepEqual(stdout.trimEnd().split('\n'), [
        'MANUAL_BACKFILL: 21 rows, 2026-01-02 to 2026-01-30; 21 in all; the state stays',
        'INCREMENTAL: 10 rows, 2026-10-19 to 2026-10-30; 31 in all; the state is 2026-10-30T00:00:00.000Z',
        'CUSTOM: 234 rows, 2025-12-01 to 2026-10-30; 234 in all; the state stays',
        'FULL_REFRESH: 7126 rows, 1999-01-04 to 2026-10-30; 7126 in all; the state is 2026-10-30T00:00:00.000Z',
      ]),
  },
  'run.js': {
    table: 'run',
    check: ({ stderr }) => {
      const state = '{"date":"2026-10-30T00:00:00.000Z"}';
      assert.match(stderr, /^success in \d+ ms; the state is /);
      assert.equal(stderr.split(state).length, 3, stderr);
    },
  },
  'run.mjs': { table: 'run_mjs', check: ({ stderr }) => assert.equal(stderr, 'success\n') },
};

test('each script of examples/api is tested here', () => {
  const scripts = fs
    .readdirSync(path.join(EXAMPLES, 'api'))
    .filter((name) => name !== 'quickstart.js');
  assert.deepEqual(scripts.sort(), Object.keys(SCRIPTS).sort());
});

for (const [script, { table, check }] of Object.entries(SCRIPTS)) {
  test(`examples/api/${script}`, async (t) => {
    const folder = tempFolder(t);
    const database = path.join(folder, 'api.duckdb');
    const env = { ...process.env, OWOX_RUNNER_RUNS_DIR: folder };
    const output = await runScript(`examples/api/${script}`, [database], { env });
    assert.equal(output.code, 0, output.stderr);
    check(output);
    if (table !== undefined) assert.equal(await rowsOf(database, table), RATES);
  });
}

for (const name of ['tiktok-ads-to-google-bigquery', 'tiktok-ads-to-aws-athena']) {
  test(`examples/${name}.json is valid as it is documented`, () => {
    const documented = require(path.join(EXAMPLES, `${name}.json`));
    const config = new Config(documented);
    assert.equal(config.validate(), true);
    // Nothing is filled in or left out on the way to the connector.
    const { description, ...rest } = documented;
    assert.deepEqual(config.toObject(), { datamartId: undefined, ...rest });

    const parameters = new Core.NodeJsConfig(config.toObject());
    const source = new Connectors.TikTokAds.TikTokAdsSource(parameters);
    assert.equal(parameters.validate(), true);
    const [table, ...others] = source.tables();
    assert.deepEqual([table.name, table.uniqueKeys, others], ['campaigns', ['campaign_id'], []]);
    const unknown = parameters.unknownParameters();
    assert.deepEqual(
      unknown,
      Object.keys(documented.storage.config),
      'all of the source are known',
    );
  });
}

/** Releases as GitHub's API pages them: the next page is in the header Link. */
function releases(request, response) {
  const base = `http://${request.headers.host}`;
  const page = Number(new URL(request.url, base).searchParams.get('page') ?? 1);
  const list = Array.from({ length: 2 }, (_, at) => ({
    id: page * 10 + at,
    tag_name: `v${page}.${at}.0`,
    name: `Реліз ${page}.${at}`,
    published_at: `2026-0${page}-1${at}T08:00:00Z`,
    prerelease: at === 1,
    html_url: `${base}/v${page}.${at}.0`,
    assets: [],
  }));
  releases.served.push(...list);
  const headers = page < 3 ? { link: `<${base}/?page=${page + 1}>; rel="next"` } : {};
  response.writeHead(200, headers).end(JSON.stringify(list));
}

test('examples/http-json.json, with only the address changed', async (t) => {
  releases.served = [];
  const server = http.createServer(releases).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const config = structuredClone(require(path.join(EXAMPLES, 'http-json.json')));
  config.source.config.Url = `http://127.0.0.1:${server.address().port}/`;
  const folder = writeFiles(tempFolder(t), { 'http-json.json': config });
  const { code, stderr } = await runScript('src/cli/connector-runner-cli.js', [
    path.join(folder, 'http-json.json'),
    '--connectors',
    referencePackage,
    '--runs-dir',
    folder,
  ]);
  assert.equal(code, 0, stderr);
  const columns = ['id', 'tag_name', 'name', 'prerelease', 'html_url'];
  assert.deepEqual(
    await query(
      path.join(folder, 'http-json.duckdb'),
      `SELECT ${columns.join()}, strftime(published_at, '%xT%H:%M:%SZ') FROM node_releases ORDER BY id`,
    ),
    releases.served.map((record) => [
      ...columns.map((name) => String(record[name])),
      record.published_at,
    ]),
  );
});
