'use strict';
// The sources behind one face: what they serve is changed by `serve`, and what must be in the
// tables after a run is told apart from how it gets there.

const fs = require('node:fs');
const path = require('node:path');

const { startTikTok } = require('../../connectors/support/tiktok');
const { faults, roughServer } = require('../../support/rough-server');
const { tempFolder } = require('../../support/temp');
const { KINDS, dayOf, expectedOf, rowsOf, toCsv, toJson } = require('./dataset');

const ROWS = 1000;
const TABLE = 't';
/** The days of the rows that are wanted, and one row or day more on each side. */
const FIRST = dayOf(0);
const LAST = dayOf(ROWS - 1);
const BEYOND = 25;

/**
 * A source that serves rows of dataset.js. It has more than the wanted rows where a run must
 * choose (`isWider`), and a row that comes no more where a run must forget (`isStale`).
 */
function ofDataset({ name, serveRows, parameters }) {
  return {
    name,
    parameters,
    storageParameters: { DestinationTableName: TABLE },
    range: { StartDate: FIRST, EndDate: LAST },
    lastDay: LAST,
    serve({ isWider = false, isStale = false } = {}) {
      const more = isWider || isStale ? BEYOND : 0;
      serveRows(rowsOf(isWider ? -BEYOND : 0, ROWS + more));
    },
    expected: () => ({ [TABLE]: { kinds: KINDS, rows: expectedOf(rowsOf(0, ROWS)) } }),
  };
}

function csvFile(t) {
  const file = path.join(tempFolder(t), 'data.csv');
  return ofDataset({
    name: 'CsvFile',
    serveRows: (rows) => fs.writeFileSync(file, toCsv(rows)),
    parameters: { Path: file, UniqueKeys: ['id'], DateColumn: 'day', Types: TYPES_OF_TEXT },
  });
}

/** What cannot be told from a text. */
const TYPES_OF_TEXT = ['tags: json'];

/** Pages of 250; each third request is one too many. */
async function httpJson(t) {
  let rows = [];
  const { origin, port, requests } = await roughServer(t, (request, response) => {
    if (requests.length % 3 === 0) return faults.throttled()(request, response);
    const query = new URL(request.url, origin).searchParams;
    const inRange = rows.filter(
      ({ day }) => day.given >= query.get('from') && day.given <= query.get('to'),
    );
    const start = (Number(query.get('page')) - 1) * 250;
    return response.end(`{"data":${toJson(inRange.slice(start, start + 250))}}`);
  });
  return {
    port,
    ...ofDataset({
      name: 'HttpJson',
      serveRows: (more) => {
        rows = more;
      },
      parameters: {
        Url: `${origin}/rows?from={StartDate}&to={EndDate}`,
        RecordsPath: 'data',
        Paging: { page: {} },
        UniqueKeys: ['id'],
        DateColumn: 'day',
        StartDate: '2025-01-01',
        EndDate: '2026-12-31',
      },
    }),
  };
}

const CAMPAIGNS = 250;
const ADS = 25;
const REPORT = {
  advertiser_id: 'string',
  ad_id: 'string',
  stat_time_day: 'date',
  ad_name: 'string',
  spend: 'number',
  impressions: 'integer',
  secondary_goal_result: 'integer',
  cost_per_conversion: 'number',
};
const CAMPAIGN = {
  campaign_id: 'string',
  campaign_name: 'string',
  advertiser_id: 'string',
  budget: 'number',
  is_search_campaign: 'boolean',
  special_industries: 'json',
  create_time: 'timestamp',
  modify_time: 'timestamp',
};

/** 250 campaigns and a report of 30 days for 25 ads: 1,000 rows in two tables. */
async function tikTokAds(t) {
  const fake = await startTikTok(t, { counts: { campaigns: CAMPAIGNS, ads: ADS } });
  fake.throttleEvery = 3;
  const time = (text) => (text ? `${text.replace(' ', 'T')}.000000` : null);
  const number = (text) => (text === '-' ? null : Number(text));
  const integer = (text) => (text === '-' ? null : text);
  const campaign = (record) => ({
    ...Object.fromEntries(Object.keys(CAMPAIGN).map((name) => [name, record[name]])),
    create_time: time(record.create_time),
    modify_time: time(record.modify_time),
  });
  const report = ({ dimensions, metrics }) => ({
    advertiser_id: fake.advertisers[0],
    ad_id: dimensions.ad_id,
    stat_time_day: dimensions.stat_time_day.slice(0, 10),
    ad_name: metrics.ad_name,
    spend: number(metrics.spend),
    impressions: metrics.impressions,
    secondary_goal_result: integer(metrics.secondary_goal_result),
    cost_per_conversion: number(metrics.cost_per_conversion),
  });
  const names = (object, kinds) => Object.keys(kinds).map((name) => `${object} ${name}`);
  return {
    name: 'TikTokAds',
    port: fake.server.address().port,
    parameters: {
      AccessToken: fake.token,
      AdvertiserIDs: fake.advertisers[0],
      BaseUrl: fake.base,
      Objects: ['campaigns', 'ad_insights'],
      Fields: [...names('campaigns', CAMPAIGN), ...names('ad_insights', REPORT)],
      StartDate: '2024-01-05',
      EndDate: '2024-02-03',
    },
    storageParameters: {},
    range: { StartDate: '2024-01-05', EndDate: '2024-02-03' },
    lastDay: '2024-02-03',
    serve({ isStale = false } = {}) {
      fake.counts.campaigns = CAMPAIGNS + (isStale ? 1 : 0);
      fake.served = {};
    },
    /** By what came over the wire in the run before, each row once. */
    expected() {
      const campaigns = fake.served['campaign/get/'].map(campaign);
      const days = fake.served['report/integrated/get/'].map(report);
      return {
        tiktok_ads_campaigns: { kinds: CAMPAIGN, rows: campaigns },
        tiktok_ads_ad_insights: { kinds: REPORT, rows: days },
      };
    },
  };
}

const SOURCES = { CsvFile: csvFile, HttpJson: httpJson, TikTokAds: tikTokAds };

module.exports = { ROWS, SOURCES };
