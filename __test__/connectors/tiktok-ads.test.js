'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Connectors, Core } = require('../../packages/connectors');
const { MemoryStorage, RecordingConfig } = require('./support/memory');
const { ADVERTISER, TOKEN, refuse, reply, startTikTok } = require('./support/tiktok');

const { TikTokAdsSource, TikTokAdsConnector, manifest } = Connectors.TikTokAds;
const REPORT = 'report/integrated/get/';
const SECRET = 'app-secret-0123456789';

/** A run into memory; gives what was printed and saved. */
function prepare(fake, parameters = {}, runConfig = undefined) {
  const config = new RecordingConfig({
    AccessToken: TOKEN,
    AppId: 'app',
    AppSecret: SECRET,
    AdvertiserIDs: ADVERTISER,
    BaseUrl: fake.base,
    ...parameters,
  });
  const source = new TikTokAdsSource(config);
  const run = new Core.AbstractRunConfig(runConfig);
  const connector = new TikTokAdsConnector(config, source, MemoryStorage, run);
  return { config, source, storage: connector.storage, run: () => connector.run() };
}

async function load(fake, parameters, runConfig) {
  const prepared = prepare(fake, parameters, runConfig);
  await prepared.run();
  return prepared;
}

/** The message of a run that fails; neither token nor secret is in it, nor in what was printed. */
async function problem(fake, parameters) {
  const { config, run } = prepare(fake, parameters);
  const error = await run().then(
    () => assert.fail('succeeded'),
    (reason) => reason,
  );
  assert.equal(error.name, 'ConnectorError', error.stack);
  const shown = `${error.stack} ${error.cause?.stack} ${JSON.stringify(config.messages)}`;
  for (const secret of [TOKEN, SECRET]) assert.ok(!shown.includes(secret), shown);
  return error.message;
}

test('chosen fields of an object, in the order given, after its key', async (t) => {
  const fake = await startTikTok(t);
  const Fields = 'campaigns campaign_name, campaigns campaign_id, campaigns budget';
  const { storage } = await load(fake, { Objects: 'campaigns', Fields });
  assert.deepEqual(storage.calls, [
    'open',
    'begin tiktok_ads_campaigns',
    'write 3',
    'commit',
    'close',
  ]);
  assert.deepEqual(
    storage.rows.map((row) => Object.entries(row)),
    fake.served['campaign/get/'].map((row) => [
      ['campaign_id', row.campaign_id],
      ['campaign_name', row.campaign_name],
      ['budget', row.budget],
    ]),
  );
  assert.deepEqual(
    [...storage.columns].map(([name, { type }]) => [name, type]),
    [
      ['campaign_id', 'string'],
      ['campaign_name', 'string'],
      ['budget', 'number'],
    ],
  );
  const [{ path, query, token }] = fake.requests;
  assert.equal(path, 'campaign/get/');
  assert.deepEqual(query, {
    advertiser_id: ADVERTISER,
    fields: '["campaign_id","campaign_name","budget"]',
    page: '1',
    page_size: '1000',
  });
  assert.equal(token, TOKEN);
});

test('all fields of several objects, each into a table, each value in its type', async (t) => {
  const fake = await startTikTok(t);
  const { storage, source } = await load(fake, {
    Objects: 'advertiser, campaigns, ad_groups, ads',
    Fields: 'ads all',
  });
  assert.deepEqual(
    source.tables().map(({ name, uniqueKeys }) => [name, uniqueKeys]),
    [
      ['advertiser', ['advertiser_id']],
      ['campaigns', ['campaign_id']],
      ['ad_groups', ['adgroup_id']],
      ['ads', ['ad_id']],
    ],
  );
  assert.deepEqual(
    storage.calls.filter((call) => /begin|write/.test(call)),
    [
      ['begin tiktok_ads_advertiser', 'write 1'],
      ['begin tiktok_ads_campaigns', 'write 3'],
      ['begin tiktok_ads_ad_groups', 'write 4'],
      ['begin tiktok_ads_ads', 'write 5'],
    ].flat(),
  );
  const served = ['advertiser/info/', 'campaign/get/', 'adgroup/get/', 'ad/get/'].flatMap(
    (path) => fake.served[path],
  );
  const nothing = (row) => (row.modify_time === '' ? { ...row, modify_time: null } : row);
  assert.deepEqual(storage.rows, served.map(nothing));
  for (const { query } of fake.requests) assert.equal(query.fields, undefined);
});

test('all pages of all advertisers, each advertiser once', async (t) => {
  const advertisers = ['7000000000000000001', '7000000000000000002'];
  const fake = await startTikTok(t, { advertisers, counts: { ads: 7 }, largestPage: 3 });
  const AdvertiserIDs = [...advertisers, advertisers[0]].join(', ');
  const { storage } = await load(fake, { Objects: 'ads', AdvertiserIDs });
  assert.deepEqual(storage.rows, fake.served['ad/get/']);
  assert.equal(storage.rows.length, 14);
  assert.deepEqual(
    fake.queriesOf('ad/get/').map((query) => [query.advertiser_id, query.page]),
    advertisers.flatMap((advertiser) => ['1', '2', '3'].map((page) => [advertiser, page])),
  );
});

test('deleted ones only where they are wanted', async (t) => {
  const fake = await startTikTok(t);
  await load(fake, { Objects: 'campaigns' });
  await load(fake, { Objects: 'campaigns', IncludeDeleted: true });
  const [first, second] = fake.queriesOf('campaign/get/');
  assert.equal(first.filtering, undefined);
  assert.deepEqual(JSON.parse(second.filtering), { primary_status: 'STATUS_ALL' });
});

test('the report: text becomes numbers, "-" nothing, and days are dates', async (t) => {
  const fake = await startTikTok(t, { counts: { ads: 2 } });
  const metrics = ['spend', 'impressions', 'secondary_goal_result', 'ad_name'];
  const { storage, config } = await load(fake, {
    Fields: metrics.map((metric) => `ad_insights ${metric}`),
    StartDate: '2024-02-28',
    EndDate: '2024-03-01',
  });
  const served = fake.served[REPORT];
  assert.equal(served.length, 6);
  assert.deepEqual(
    storage.rows,
    served.map(({ dimensions, metrics: given }) => ({
      advertiser_id: ADVERTISER,
      ad_id: dimensions.ad_id,
      stat_time_day: dimensions.stat_time_day.slice(0, 10),
      spend: Number(given.spend),
      impressions: Number(given.impressions),
      secondary_goal_result: given.secondary_goal_result === '-' ? null : 7,
      ad_name: given.ad_name,
    })),
  );
  assert.ok(storage.rows.some((row) => row.secondary_goal_result === null));
  const types = Object.fromEntries([...storage.columns].map(([name, { type }]) => [name, type]));
  assert.deepEqual(types, {
    advertiser_id: 'string',
    ad_id: 'string',
    stat_time_day: 'date',
    spend: 'number',
    impressions: 'integer',
    secondary_goal_result: 'integer',
    ad_name: 'string',
  });
  assert.equal(config.of('updateLastRequstedDate').at(-1).date, '2024-03-01T00:00:00.000Z');
  const { page, page_size, ...query } = fake.queriesOf(REPORT)[0];
  assert.deepEqual(query, {
    advertiser_id: ADVERTISER,
    report_type: 'BASIC',
    service_type: 'AUCTION',
    data_level: 'AUCTION_AD',
    dimensions: '["ad_id","stat_time_day"]',
    metrics: JSON.stringify(metrics),
    start_date: '2024-02-28',
    end_date: '2024-02-28',
  });
});

for (const [level, key] of [
  ['AUCTION_ADVERTISER', 'advertiser_id'],
  ['AUCTION_CAMPAIGN', 'campaign_id'],
  ['AUCTION_ADGROUP', 'adgroup_id'],
  ['AUCTION_AD', 'ad_id'],
]) {
  test(`the report at ${level}`, async (t) => {
    const fake = await startTikTok(t);
    const { storage, source } = await load(fake, {
      Objects: 'ad_insights',
      DataLevel: level,
      StartDate: '2024-01-01',
      EndDate: '2024-01-02',
    });
    const [table] = source.tables();
    assert.deepEqual(table.uniqueKeys, [...new Set(['advertiser_id', key, 'stat_time_day'])]);
    assert.equal(table.dateColumn, 'stat_time_day');
    const keyOf = (row) => table.uniqueKeys.map((name) => row[name]).join();
    assert.equal(new Set(storage.rows.map(keyOf)).size, fake.served[REPORT].length);
    assert.deepEqual(Object.keys(storage.rows[0]), [
      ...table.uniqueKeys,
      'spend',
      'impressions',
      'clicks',
      'conversion',
    ]);
  });
}

test('the report is asked for in windows of 30 days that leave out no day', async (t) => {
  const fake = await startTikTok(t, { counts: { ads: 1 } });
  const { storage } = await load(fake, {
    Objects: 'ad_insights',
    StartDate: '2023-12-15',
    EndDate: '2024-03-13',
    DaysPerStep: 91,
  });
  assert.deepEqual(
    fake.queriesOf(REPORT).map((query) => [query.start_date, query.end_date]),
    [
      ['2023-12-15', '2024-01-13'],
      ['2024-01-14', '2024-02-12'],
      ['2024-02-13', '2024-03-13'],
    ],
  );
  assert.equal(new Set(storage.rows.map((row) => row.stat_time_day)).size, 90);
});

test('an incremental run asks from the state on, less the lookback window', async (t) => {
  const fake = await startTikTok(t);
  const parameters = { Objects: 'ad_insights', StartDate: '2024-01-01', EndDate: '2024-01-31' };
  const state = { date: '2024-01-20T00:00:00.000Z' };
  await load(fake, { ...parameters, ReimportLookbackWindow: 5 }, { state });
  const asked = fake.queriesOf(REPORT).map((query) => [query.start_date, query.end_date]);
  assert.deepEqual(
    [asked.length, asked[0], asked.at(-1)],
    [17, ['2024-01-15', '2024-01-15'], ['2024-01-31', '2024-01-31']],
  );
});

test('waits and asks again when there were too many requests, or a server is at fault', async (t) => {
  const fake = await startTikTok(t, { counts: { ads: 7 }, largestPage: 2 });
  const cut = (response) => response.destroy();
  fake.next = [refuse(40100), refuse(429), null, refuse(50000), null, cut, null];
  const { storage, config } = await load(fake, { Objects: 'ads' });
  assert.deepEqual(storage.rows, fake.served['ad/get/']);
  assert.equal(storage.rows.length, 7);
  assert.deepEqual(
    fake.queriesOf('ad/get/').map(({ page }) => page),
    ['1', '1', '1', '2', '2', '3', '3', '4'],
  );
  const waits = config.of('log').filter(({ message }) => message.startsWith('Asking again in'));
  assert.equal(waits.length, 4);
  assert.match(waits[0].message, /^Asking again in 0\.0 s\. TikTok does not give ads .*40100/);
});

test('tasks that were not ready or in conflict, and services that failed, are asked for again', async (t) => {
  const fake = await startTikTok(t);
  const codes = [40200, 40201, 40202, 40700];
  fake.next = codes.map((code) => refuse(code, 'not now'));
  const { storage } = await load(fake, { Objects: 'ads' });
  assert.deepEqual(storage.rows, fake.served['ad/get/']);
  assert.equal(fake.requests.length, codes.length + 1);
  fake.next = [refuse(40203, 'no')];
  assert.match(await problem(fake, { Objects: 'ads' }), /40203/);
});

test('types are declared and texts mean no value where an account differs', async (t) => {
  const fake = await startTikTok(t);
  const list = [
    { ad_id: '1', create_time: 'soon', modify_time: 'never', carousel_image_index: '1.5' },
  ];
  const page_info = { total_page: 1 };
  const scripted = (response) => reply(response, { code: 0, data: { list, page_info } });
  fake.next = [scripted];
  const Fields = 'ads ad_id, ads create_time, ads modify_time, ads carousel_image_index';
  const declared = { Types: ['create_time: string', 'carousel_image_index: number'] };
  const { storage } = await load(fake, {
    Objects: 'ads',
    Fields,
    ...declared,
    NullValues: ['never'],
  });
  assert.deepEqual(storage.rows, [
    { ad_id: '1', create_time: 'soon', modify_time: null, carousel_image_index: 1.5 },
  ]);
  assert.equal(storage.columns.get('create_time').type, 'string');
  fake.next = [scripted];
  assert.match(await problem(fake, { Objects: 'ads', Fields }), /create_time of "soon".*Types/);
});

test('gives up after MaxAttempts, and not before', async (t) => {
  const fake = await startTikTok(t);
  fake.next = Array.from({ length: 9 }, () => refuse(40100));
  const message = await problem(fake, { Objects: 'ads', MaxAttempts: 3 });
  assert.match(message, /40100.*run later, or raise MaxAttempts \(asked 3 times\)$/);
  assert.equal(fake.requests.length, 3);
});

test('a token that is refused, without asking twice', async (t) => {
  const fake = await startTikTok(t, { token: 'another' });
  assert.equal(
    await problem(fake, { Objects: 'campaigns' }),
    `TikTok does not give campaigns of advertiser ${ADVERTISER} (40105, "Access token is ` +
      'incorrect or has been revoked.", request r-1): authorize the app again, and put the new ' +
      'token into AccessToken',
  );
  assert.equal(fake.requests.length, 1);
});

test('a token is shown neither by a server that repeats it nor by fetch', async (t) => {
  const fake = await startTikTok(t);
  fake.next = [refuse(40105, `Token ${TOKEN} is wrong`)];
  assert.match(await problem(fake, { Objects: 'ads' }), /Token \*\*\* is wrong/);
  fake.next = [(response) => response.writeHead(403).end(`who is ${TOKEN}?`)];
  assert.match(await problem(fake, { Objects: 'ads' }), /403 .*check the token.*who is \*\*\*\?/);
  const { length } = fake.requests;
  const broken = await problem(fake, { Objects: 'ads', AccessToken: `${TOKEN}\nx` });
  assert.match(broken, /AccessToken has a space, a line break.*: copy it again/);
  assert.equal(fake.requests.length, length);
});

test('the token is not taken along to another server', async (t) => {
  const fake = await startTikTok(t);
  const other = await startTikTok(t);
  fake.next = [(response) => response.writeHead(302, { location: `${other.base}/x` }).end()];
  assert.match(await problem(fake, { Objects: 'ads' }), /answered 302/);
  assert.deepEqual(other.requests, []);
  for (const BaseUrl of ['http://example.com/', 'ftp://127.0.0.1', 'business-api.tiktok.com']) {
    assert.match(
      await problem(fake, { Objects: 'ads', BaseUrl }),
      /BaseUrl .* is no https address/,
    );
  }
  assert.equal(manifest.parameters.BaseUrl.default, 'https://business-api.tiktok.com/');
});

test('an advertiser without permission is named', async (t) => {
  const fake = await startTikTok(t, { advertisers: ['71', '72'] });
  for (const Objects of ['ads', 'advertiser', 'ad_insights']) {
    const parameters = { Objects, AdvertiserIDs: ['71', '99', '72'], StartDate: '2024-01-01' };
    const message = await problem(fake, { ...parameters, EndDate: '2024-01-01' });
    assert.match(
      message,
      /advertiser 99 \(40001.*let advertiser 99 grant .* 99 out of AdvertiserIDs/,
    );
    assert.doesNotMatch(message, /7[12]/);
  }
  fake.next = [(response) => reply(response, { code: 0, data: { list: [] } })];
  const message = await problem(fake, { Objects: 'advertiser', AdvertiserIDs: '98' });
  assert.match(message, /no advertiser 98 .*correct the id in AdvertiserIDs/);
});

test('unknown objects and fields, with what was meant and what there is', async (t) => {
  const fake = await startTikTok(t);
  const cases = [
    [{}, /Objects says nothing to load: .*advertiser, campaigns, ad_groups, ads, ad_insights/],
    [{ Objects: 'adgroup' }, /Objects has "adgroup", .*did you mean ad_groups\? There are advert/],
    [{ Objects: 'Campaigns' }, /did you mean campaigns\?/],
    [{ Objects: 'pixels' }, /"pixels", which is no object: There are advertiser, campaigns/],
    [{ Fields: 'campaign name' }, /Fields has "campaign", .*did you mean campaigns\?/],
    [
      { Fields: 'campaigns campain_name' },
      /"campain_name", which is no field of campaigns: did you mean campaign_name\? .*budget/,
    ],
    [{ Fields: 'ads budget' }, /"budget", which is no field of ads: There are ad_id, /],
    [{ Fields: 'campaigns budget x' }, /"campaigns budget x": write each as object and field/],
    [{ Fields: 'budget' }, /"budget" without its object: write it like "campaigns campaign_name"/],
    [
      { Objects: 'ads', Fields: 'campaigns budget' },
      /asks for campaigns, but Objects is ads: add campaigns/,
    ],
    [
      { Fields: 'ad_insights ad_name', DataLevel: 'AUCTION_CAMPAIGN' },
      /no ad_name at DataLevel AUCTION_CAMPAIGN: set DataLevel to AUCTION_AD or a finer/,
    ],
    [{ Objects: 'ad_insights', DataLevel: 'AD' }, /DataLevel" must be one of AUCTION_ADVERTISER/],
    [{ Objects: 'ad_insights' }, /ad_insights .*needs a first one: set StartDate, or a state/],
    [{ Objects: 'ads', AdvertiserIDs: 70123456789 }, /AdvertiserIDs" must be a list/],
  ];
  for (const [parameters, expected] of cases) {
    assert.match(await problem(fake, parameters), expected);
  }
  assert.equal(fake.requests.length, 0);
});

test('a field without its object belongs to the only object', async (t) => {
  const fake = await startTikTok(t);
  const { storage } = await load(fake, { Objects: 'ads', Fields: ['ad_name'] });
  assert.deepEqual(Object.keys(storage.rows[0]), ['ad_id', 'ad_name']);
});

test('answers in another form are refused, not taken for the end', async (t) => {
  const fake = await startTikTok(t);
  const answer = (body) => {
    fake.next = [(response) => reply(response, body)];
    return problem(fake, { Objects: 'ads' });
  };
  assert.match(await answer({ hello: 1 }), /not in TikTok's form: check BaseUrl/);
  assert.match(await answer([]), /not in TikTok's form/);
  assert.match(await answer({ code: 0, data: {} }), /not in TikTok's form/);
  assert.match(await answer({ code: 0, data: { list: [1] } }), /not in TikTok's form/);
  assert.match(await answer({ code: 0, data: { list: [] } }), /how many pages/);
  const list = [{ ad_id: '1', create_time: 'yesterday' }];
  assert.match(
    await answer({ code: 0, data: { list, page_info: { total_page: 1 } } }),
    /gave ads a create_time of "yesterday", which is no timestamp: leave create_time out of Fields/,
  );
  assert.match(await answer({ code: 40002, message: 'Bad fields' }), /40002, "Bad fields"/);
});

test('a value beyond a double stays exact', async (t) => {
  const fake = await startTikTok(t);
  const list = [
    {
      dimensions: { ad_id: '1', stat_time_day: '2024-01-01 00:00:00' },
      metrics: { clicks: '9007199254740993' },
    },
  ];
  fake.next = [
    (response) => reply(response, { code: 0, data: { list, page_info: { total_page: 1 } } }),
  ];
  const { storage } = await load(fake, {
    Fields: 'ad_insights clicks',
    StartDate: '2024-01-01',
    EndDate: '2024-01-01',
  });
  assert.equal(storage.rows[0].clicks, 9007199254740993n);
});
