'use strict';
// A loopback server in the shape of TikTok's Business API v1.3, with records of its own making.

const { once } = require('node:events');
const http = require('node:http');

const TOKEN = 'YOUR_ACCESS_TOKEN';
const ADVERTISER = 'YOUR_ADVERTISER_ID';
const PREFIX = '/open_api/v1.3/';
const DAY_MS = 24 * 60 * 60 * 1000;

/** How many of each an advertiser has. */
const COUNTS = { campaigns: 3, adgroups: 4, ads: 5 };
const NAMES = [
  'Весна “нова”',
  '春の新作, "セール"',
  'Été\n2024',
  '🛍️ Sale',
  "O'Hara & Søn",
  'عرض خاص',
];

const LEVELS = {
  AUCTION_ADVERTISER: 'advertiser_id',
  AUCTION_CAMPAIGN: 'campaign_id',
  AUCTION_ADGROUP: 'adgroup_id',
  AUCTION_AD: 'ad_id',
};

const KINDS = { campaign_id: 'campaigns', adgroup_id: 'adgroups', ad_id: 'ads' };

/** Ids have 19 digits, more than a JavaScript number keeps. */
const id = (kind, at) => `17${kind}00000000000${String(at).padStart(5, '0')}`;
const nameOf = (kind, at) => `${kind} ${at} ${NAMES[at % NAMES.length]}`;

function campaignOf(advertiser, at) {
  return {
    advertiser_id: advertiser,
    campaign_id: id(1, at),
    campaign_name: nameOf('campaign', at),
    objective_type: at % 2 ? 'TRAFFIC' : 'REACH',
    budget: at % 3 ? at * 50.25 : 0,
    budget_mode: 'BUDGET_MODE_DAY',
    is_search_campaign: at % 2 === 0,
    special_industries: at % 2 ? ['HOUSING', 'CREDIT'] : [],
    create_time: '2024-01-31 23:59:59',
    modify_time: at % 2 ? '2024-02-29 00:00:00' : '',
    operation_status: 'ENABLE',
    secondary_status: 'CAMPAIGN_STATUS_ENABLE',
  };
}

function adGroupOf(advertiser, at, counts) {
  const campaign = campaignOf(advertiser, at % counts.campaigns);
  return {
    advertiser_id: advertiser,
    campaign_id: campaign.campaign_id,
    campaign_name: campaign.campaign_name,
    adgroup_id: id(2, at),
    adgroup_name: nameOf('group', at),
    bid_price: at / 8,
    frequency: at,
    placements: ['PLACEMENT_TIKTOK'],
    schedule_start_time: '2024-01-01 00:00:00',
    schedule_end_time: null,
  };
}

function adOf(advertiser, at, counts) {
  const group = adGroupOf(advertiser, at % counts.adgroups, counts);
  return {
    advertiser_id: advertiser,
    campaign_id: group.campaign_id,
    adgroup_id: group.adgroup_id,
    adgroup_name: group.adgroup_name,
    ad_id: id(3, at),
    ad_name: nameOf('ad', at),
    ad_text: NAMES[at % NAMES.length],
    landing_page_url: 'https://example.com/?a=1&b=2',
    image_ids: [`image-${at}`],
    is_aco: false,
  };
}

function advertiserOf(advertiser) {
  return {
    advertiser_id: advertiser,
    name: `Реклама ${advertiser}`,
    company: 'Company',
    currency: 'UAH',
    timezone: 'Europe/Kyiv',
    balance: 1234.56,
    create_time: 1704067200,
  };
}

/** What a report can be asked for, all as text, as the API has it. */
function metricsOf(at, day) {
  const n = at * 31 + Number(day.slice(8));
  return {
    campaign_name: nameOf('campaign', at),
    ad_name: nameOf('ad', at),
    currency: 'UAH',
    impressions: String(n * 1000),
    clicks: String(n),
    conversion: String(n % 4),
    spend: (n / 100).toFixed(2),
    ctr: '0.1',
    cpc: '0.0100',
    reach: '12345678',
    secondary_goal_result: n % 2 ? '-' : '7',
    cost_per_conversion: n % 4 ? (n / 8).toFixed(3) : '0.000',
  };
}

class TikTokFake {
  /** Of each request: path, query, token. In the order they came. */
  requests = [];
  /** Rows served, by path, as they were in the answers. */
  served = {};
  /** Answers for the next requests, first in, first out: `(response) => void`, or null for a real one. */
  next = [];
  /** `3` refuses each third request as one too many, by code and by status in turn. */
  throttleEvery = 0;

  constructor({ advertisers = [ADVERTISER], token = TOKEN, counts = {}, largestPage = 1000 } = {}) {
    this.advertisers = advertisers;
    this.token = token;
    this.counts = { ...COUNTS, ...counts };
    this.largestPage = largestPage;
    this.server = http.createServer((request, response) => this.#answer(request, response));
  }

  get base() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  /** Queries of the requests to a path, in order. */
  queriesOf(path) {
    return this.requests.filter((request) => request.path === path).map(({ query }) => query);
  }

  #answer(request, response) {
    const url = new URL(request.url, 'http://host');
    const path = url.pathname.replace(PREFIX, '');
    const query = Object.fromEntries(url.searchParams);
    this.requests.push({ path, query, token: request.headers['access-token'] });
    const scripted = this.next.shift();
    if (scripted) return scripted(response);
    if (this.throttleEvery > 0 && this.requests.length % this.throttleEvery === 0) {
      const busy = (this.requests.length / this.throttleEvery) % 2 ? refuse(40100) : refuse(429);
      return busy(response);
    }
    if (request.headers['access-token'] !== this.token) return refuse(40105)(response);
    return this.#list(path, query, response);
  }

  #list(path, query, response) {
    const ids =
      path === 'advertiser/info/' ? JSON.parse(query.advertiser_ids) : [query.advertiser_id];
    const stranger = ids.find((each) => !this.advertisers.includes(each));
    if (stranger !== undefined) return refuse(40001, `No permission to ${stranger}`)(response);
    if (path === 'advertiser/info/') {
      return this.#send(path, response, ids.map(advertiserOf).map(only(query)));
    }
    const records = this.#records(path, query);
    if (typeof records === 'string') return refuse(40002, records)(response);
    const size = Math.min(Number(query.page_size ?? 10), this.largestPage);
    const page = Number(query.page ?? 1);
    if (!(size >= 1 && size <= 1000)) return refuse(40002, 'page_size: 1 to 1000')(response);
    const info = {
      page,
      page_size: size,
      total_number: records.length,
      total_page: Math.ceil(records.length / size),
    };
    return this.#send(path, response, records.slice((page - 1) * size, page * size), info);
  }

  /** The records of a path, or what is wrong with the query. */
  #records(path, query) {
    const make = {
      'campaign/get/': [campaignOf, this.counts.campaigns],
      'adgroup/get/': [adGroupOf, this.counts.adgroups],
      'ad/get/': [adOf, this.counts.ads],
    }[path];
    if (path === 'report/integrated/get/') return this.#report(query);
    if (make === undefined) return `no such endpoint: ${path}`;
    const [recordOf, count] = make;
    const all = Array.from({ length: count }, (_, at) =>
      recordOf(query.advertiser_id, at, this.counts),
    );
    const unknown = unknownIn(query.fields, all[0] ?? {});
    return unknown ? `fields: unknown ${unknown}` : all.map(only(query));
  }

  #report(query) {
    const { data_level: level, start_date: start, end_date: end } = query;
    const days = (Date.parse(end) - Date.parse(start)) / DAY_MS + 1;
    if (!(days >= 1)) return 'start_date is after end_date';
    if (days > 30) return 'the date range is more than 30 days';
    if (query.report_type !== 'BASIC' || query.service_type !== 'AUCTION') return 'report_type';
    const key = LEVELS[level];
    if (query.dimensions !== JSON.stringify([key, 'stat_time_day'])) return 'dimensions';
    const unknown = unknownIn(query.metrics, metricsOf(0, start));
    if (unknown) return `metrics: unknown ${unknown}`;

    const count = this.counts[KINDS[key]] ?? 1;
    const things = Array.from({ length: count }, (_, at) => at);
    return Array.from({ length: days }, (_, day) =>
      new Date(Date.parse(start) + day * DAY_MS).toISOString().slice(0, 10),
    ).flatMap((day) =>
      things.map((at) => ({
        dimensions: {
          [key]:
            key === 'advertiser_id'
              ? query.advertiser_id
              : id(Object.values(LEVELS).indexOf(key), at),
          stat_time_day: `${day} 00:00:00`,
        },
        metrics: pick(metricsOf(at, day), JSON.parse(query.metrics)),
      })),
    );
  }

  #send(path, response, list, page_info) {
    this.served[path] = [...(this.served[path] ?? []), ...list];
    reply(response, { code: 0, message: 'OK', request_id: 'r-0', data: { list, page_info } });
  }
}

const MESSAGES = {
  40100: 'Too many requests. Please retry in some time.',
  40105: 'Access token is incorrect or has been revoked.',
  50000: 'System error',
};

/** An answer that says no, as the API does: status 200 and a code; 429 is a status. */
function refuse(code, message = MESSAGES[code], headers = { 'retry-after': '0' }) {
  return (response) =>
    code === 429
      ? response.writeHead(429, headers).end('slow down')
      : reply(response, { code, message, request_id: 'r-1', data: {} }, headers);
}

function reply(response, body, headers = {}) {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

const only =
  ({ fields }) =>
  (record) =>
    fields === undefined ? record : pick(record, JSON.parse(fields));

function pick(record, names) {
  return Object.fromEntries(names.map((name) => [name, record[name]]));
}

function unknownIn(names, record) {
  if (names === undefined) return undefined;
  return JSON.parse(names).find((name) => !Object.hasOwn(record, name));
}

/** A listening fake that ends with the test `t`. */
async function startTikTok(t, options) {
  const fake = new TikTokFake(options);
  fake.server.listen(0, '127.0.0.1');
  await once(fake.server, 'listening');
  t.after(() => {
    fake.server.closeAllConnections();
    fake.server.close();
  });
  return fake;
}

module.exports = { ADVERTISER, TOKEN, refuse, reply, startTikTok };
