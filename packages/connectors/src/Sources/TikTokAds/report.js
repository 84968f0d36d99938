'use strict';

const { addDays } = require('../../Core/dates');
const { fields } = require('./objects');

/**
 * The daily report: one row for each day and each thing that `DataLevel` names.
 * Names as in "Synchronous report" of TikTok's reference.
 */
const REPORT = 'ad_insights';
const REPORT_PATH = 'report/integrated/get/';
const DATE_COLUMN = 'stat_time_day';
/** The API refuses longer ranges where a report has the dimension stat_time_day. */
const WINDOW_DAYS = 30;

/** From coarse to fine; a level's rows also know what they belong to. */
const LEVELS = ['AUCTION_ADVERTISER', 'AUCTION_CAMPAIGN', 'AUCTION_ADGROUP', 'AUCTION_AD'];
const LEVEL_KEYS = {
  AUCTION_ADVERTISER: 'advertiser_id',
  AUCTION_CAMPAIGN: 'campaign_id',
  AUCTION_ADGROUP: 'adgroup_id',
  AUCTION_AD: 'ad_id',
};

/** What each level adds to those before it. */
const ATTRIBUTES = {
  AUCTION_ADVERTISER: 'advertiser_name currency timezone',
  AUCTION_CAMPAIGN: 'campaign_name objective_type',
  AUCTION_ADGROUP: `campaign_id adgroup_name placement_type promotion_type tt_app_id tt_app_name
    mobile_app_id dpa_target_audience_type`,
  AUCTION_AD: 'adgroup_id ad_name ad_text call_to_action image_mode',
};

const METRICS = fields({
  integer: `impressions gross_impressions clicks reach conversion real_time_conversion result
    real_time_result secondary_goal_result video_play_actions video_watched_2s video_watched_6s
    video_views_p25 video_views_p50 video_views_p75 video_views_p100 engagements follows likes
    comments shares profile_visits clicks_on_music_disc app_install real_time_app_install
    registration purchase complete_payment onsite_shopping`,
  number: `spend billed_cost cash_spend voucher_spend cpc cpm ctr frequency cost_per_1000_reached
    cost_per_conversion conversion_rate conversion_rate_v2 real_time_cost_per_conversion
    real_time_conversion_rate real_time_conversion_rate_v2 cost_per_result result_rate
    real_time_cost_per_result real_time_result_rate cost_per_secondary_goal_result
    secondary_goal_result_rate average_video_play average_video_play_per_user engagement_rate
    profile_visits_rate real_time_app_install_cost total_purchase_value
    total_onsite_shopping_value value_per_complete_payment`,
});

/** Loaded where `Fields` says nothing: what every account has. */
const USUAL_METRICS = ['spend', 'impressions', 'clicks', 'conversion'];

/**
 * The report at a level, as one of the objects.
 *
 * @param {string} level
 * @returns {import('./objects').ApiObject}
 */
function reportAt(level) {
  const key = LEVEL_KEYS[level];
  const attributes = LEVELS.slice(0, LEVELS.indexOf(level) + 1)
    .map((each) => ATTRIBUTES[each])
    .join(' ');
  const names = fields({ string: `advertiser_id ${key} ${attributes}`, date: DATE_COLUMN });
  return {
    path: REPORT_PATH,
    uniqueKeys: [...new Set(['advertiser_id', key, DATE_COLUMN])],
    dateColumn: DATE_COLUMN,
    types: { ...names, ...METRICS },
  };
}

/** @returns {string | undefined} the coarsest level whose report has the field */
function levelOf(field) {
  return LEVELS.find((level) => Object.hasOwn(reportAt(level).types, field));
}

/**
 * Query parameters that stay the same for all of a report's pages.
 *
 * @param {string} level
 * @param {string[]} columns
 */
function reportQuery(level, columns) {
  const dimensions = [LEVEL_KEYS[level], DATE_COLUMN];
  const metrics = columns.filter(
    (column) => !dimensions.includes(column) && column !== 'advertiser_id',
  );
  return {
    report_type: 'BASIC',
    service_type: 'AUCTION',
    data_level: level,
    dimensions: JSON.stringify(dimensions),
    metrics: JSON.stringify(metrics),
  };
}

/** Ranges of at most 30 days that cover all days from `start` to `end`, both included. */
function* windows(start, end) {
  for (let from = start; from <= end; from = addDays(from, WINDOW_DAYS)) {
    const last = addDays(from, WINDOW_DAYS - 1);
    yield { start_date: from, end_date: last < end ? last : end };
  }
}

/** A row of the answer as a flat record. */
function recordOf(row, advertiserId) {
  const { dimensions = {}, metrics = {} } = row;
  const record = { advertiser_id: advertiserId, ...metrics, ...dimensions };
  // The API writes days as 2024-01-31 00:00:00, in the advertiser's time zone.
  if (typeof record[DATE_COLUMN] === 'string') {
    record[DATE_COLUMN] = record[DATE_COLUMN].slice(0, 10);
  }
  return record;
}

module.exports = {
  LEVELS,
  REPORT,
  USUAL_METRICS,
  levelOf,
  recordOf,
  reportAt,
  reportQuery,
  windows,
};
