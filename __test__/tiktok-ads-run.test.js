'use strict';
// The documented TikTok Ads configurations through real runs into DuckDb: only the storage is
// another one, and the address is that of a loopback server which throttles.

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');

const { Config, ConnectorRunner, RunConfig } = require('@owox/connector-runner');
const { ADVERTISER, startTikTok } = require('./connectors/support/tiktok');
const { query, referencePackage } = require('./support/duckdb');
const { tempFolder } = require('./support/temp');

const REPORT = 'report/integrated/get/';
const DOCUMENTED = ['tiktok-ads-to-google-bigquery', 'tiktok-ads-to-aws-athena'];

const documented = (name) => structuredClone(require(`../examples/${name}.json`));

/** The documented configuration against the fake; `more` are further parameters of the source. */
function configuration(name, fake, database, more = {}) {
  const config = documented(name);
  config.source.config = { ...config.source.config, BaseUrl: fake.base, ...more };
  config.storage = { name: 'DuckDb', config: { DatabasePath: database } };
  return config;
}

/** One run, to its result or its error; neither token nor secret is printed. */
async function run(t, config, state = {}) {
  let printed = '';
  const keep = (text) => {
    printed += text;
  };
  const runner = new ConnectorRunner({
    connectorsPackage: referencePackage,
    runsDir: tempFolder(t),
  });
  const stdio = { logCapture: { onStdout: keep, onStderr: keep } };
  const outcome = await runner
    .run('my-datamart', 'run', new Config(config), new RunConfig({ state }), stdio)
    .catch((error) => error);
  const { AccessToken, AppSecret } = config.source.config;
  for (const { value } of [AccessToken, AppSecret]) assert.ok(!printed.includes(value), printed);
  return outcome;
}

for (const name of DOCUMENTED) {
  test(`${name}: what the API serves is in the table, also after a second run`, async (t) => {
    const fake = await startTikTok(t, { counts: { campaigns: 2345 } });
    fake.throttleEvery = 3;
    const database = path.join(tempFolder(t), 'tiktok.duckdb');
    const config = configuration(name, fake, database);
    const stored = () =>
      query(
        database,
        'SELECT campaign_id, campaign_name FROM tiktok_ads_campaigns ORDER BY campaign_id',
      );

    const first = await run(t, config);
    assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
    const served = fake.served['campaign/get/'];
    assert.equal(served.length, 2345);
    const rows = served.map((record) => [record.campaign_id, record.campaign_name]);
    assert.deepEqual(await stored(), rows);
    assert.ok(fake.requests.length > 3, 'some requests were refused');
    assert.deepEqual(
      await query(database, "SELECT name, type FROM pragma_table_info('tiktok_ads_campaigns')"),
      [
        ['campaign_id', 'VARCHAR'],
        ['campaign_name', 'VARCHAR'],
      ],
    );

    const second = await run(t, config);
    assert.equal(second.status, 'success', `${second.message} ${second.stderrTail}`);
    assert.deepEqual(await stored(), rows);
  });
}

test('all objects and the report, then incrementally, each value as it was served', async (t) => {
  const fake = await startTikTok(t);
  const database = path.join(tempFolder(t), 'tiktok.duckdb');
  const config = configuration(DOCUMENTED[0], fake, database, {
    Objects: { value: 'advertiser, campaigns, ad_groups, ads, ad_insights' },
    Fields: {
      value: 'ad_insights ad_name, ad_insights spend, ad_insights impressions, campaigns all',
    },
    StartDate: { value: '2024-01-15' },
    EndDate: { value: '2024-03-01' },
  });
  const first = await run(t, config);
  assert.equal(first.status, 'success', `${first.message} ${first.stderrTail}`);
  const date = '2024-03-01T00:00:00.000Z';
  assert.deepEqual(first.state, { date, tables: { tiktok_ads_ad_insights: { date } } });

  const text = (value) => (value === null || value === '' ? null : String(value));
  const tables = {
    campaigns: ['campaign/get/', 'campaign_id, campaign_name, budget, is_search_campaign'],
    ad_groups: ['adgroup/get/', 'adgroup_id, campaign_id, bid_price, frequency, schedule_end_time'],
    ads: ['ad/get/', 'ad_id, adgroup_id, ad_name, ad_text, landing_page_url'],
    advertiser: ['advertiser/info/', 'advertiser_id, name, balance, create_time, timezone'],
  };
  for (const [table, [endpoint, columns]] of Object.entries(tables)) {
    assert.deepEqual(
      await query(database, `SELECT ${columns} FROM tiktok_ads_${table} ORDER BY 1`),
      fake.served[endpoint].map((record) => columns.split(', ').map((name) => text(record[name]))),
      table,
    );
  }
  const times =
    'SELECT create_time, modify_time, special_industries FROM tiktok_ads_campaigns ORDER BY campaign_id';
  assert.deepEqual(
    await query(database, times),
    fake.served['campaign/get/'].map((record) => [
      record.create_time,
      text(record.modify_time),
      JSON.stringify(record.special_industries),
    ]),
  );

  const report = () =>
    query(
      database,
      'SELECT advertiser_id, ad_id, stat_time_day, ad_name, spend, impressions FROM tiktok_ads_ad_insights ' +
        'ORDER BY stat_time_day, ad_id',
    );
  const rows = fake.served[REPORT].map(({ dimensions, metrics }) => [
    ADVERTISER,
    dimensions.ad_id,
    dimensions.stat_time_day.slice(0, 10),
    metrics.ad_name,
    String(Number(metrics.spend)),
    metrics.impressions,
  ]);
  assert.equal(rows.length, 47 * 5);
  assert.deepEqual(await report(), rows);
  assert.deepEqual(
    await query(database, "SELECT type FROM pragma_table_info('tiktok_ads_ad_insights')"),
    ['VARCHAR', 'VARCHAR', 'DATE', 'VARCHAR', 'DOUBLE', 'BIGINT'].map((type) => [type]),
  );

  const before = fake.queriesOf(REPORT).length;
  const second = await run(t, config, first.state);
  assert.equal(second.status, 'success', `${second.message} ${second.stderrTail}`);
  assert.deepEqual(second.state, first.state);
  assert.deepEqual(
    fake
      .queriesOf(REPORT)
      .slice(before)
      .map((asked) => asked.start_date),
    ['2024-02-25', '2024-02-26', '2024-02-27', '2024-02-28', '2024-02-29', '2024-03-01'],
    'from the state on, less the documented lookback window of 5 days',
  );
  assert.deepEqual(await report(), rows);
  assert.deepEqual(await query(database, 'SELECT count(*) FROM tiktok_ads_ads'), [['5']]);
});

test('a token that the API refuses: the run fails, says which parameter, and loses nothing', async (t) => {
  const fake = await startTikTok(t);
  const database = path.join(tempFolder(t), 'tiktok.duckdb');
  const config = configuration(DOCUMENTED[0], fake, database);
  assert.equal((await run(t, config)).status, 'success');
  fake.token = 'another';
  const { code, stderrTail } = await run(t, config);
  assert.equal(code, 'CONNECTOR_FAILED');
  assert.match(stderrTail, /40105.*put the new token into AccessToken/);
  assert.deepEqual(await query(database, 'SELECT count(*) FROM tiktok_ads_campaigns'), [['3']]);
});
