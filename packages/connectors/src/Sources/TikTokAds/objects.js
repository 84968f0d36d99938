'use strict';

/**
 * What can be loaded: TikTok's Business API v1.3 in data. Names and types of the fields follow its
 * public reference (https://business-api.tiktok.com/portal/docs).
 *
 * @typedef {object} ApiObject
 * @property {string} path below /open_api/v1.3/
 * @property {string[]} uniqueKeys
 * @property {Record<string, string>} types the known fields, and their column types
 * @property {string} [dateColumn]
 */

const CAMPAIGN_FIELDS = fields({
  string: `campaign_id campaign_name advertiser_id campaign_system_origin objective_type objective
    app_promotion_type virtual_objective_type sales_destination campaign_type app_id bid_align_type
    campaign_app_profile_page_state rf_campaign_type campaign_product_source bid_type deep_bid_type
    optimization_goal budget_mode rta_id operation_status secondary_status postback_window_mode`,
  number: 'budget roas_bid',
  boolean: `is_search_campaign is_smart_performance_campaign is_advanced_dedicated_campaign
    disable_skan_campaign catalog_enabled budget_optimize_on rta_bid_enabled
    rta_product_selection_enabled is_new_structure`,
  timestamp: 'create_time modify_time',
  json: 'special_industries',
});

const AD_GROUP_FIELDS = fields({
  string: `adgroup_id adgroup_name advertiser_id campaign_id campaign_name campaign_system_origin
    shopping_ads_type identity_id identity_type product_source catalog_id catalog_authorized_bc_id
    product_set_id promotion_type promotion_target_type promotion_website_type app_id app_type
    app_download_url pixel_id optimization_event placement_type gender spending_power
    household_income min_android_version ios14_targeting min_ios_version brand_safety_type
    brand_safety_partner budget_mode schedule_type dayparting optimization_goal
    secondary_optimization_event bid_type deep_bid_type vbo_window bid_display_mode billing_event
    pacing click_attribution_window engaged_view_attribution_window view_attribution_window
    attribution_event_count operation_status secondary_status statistic_type
    creative_material_mode adgroup_app_profile_page_state delivery_mode`,
  number: `budget scheduled_budget bid_price conversion_bid_price deep_cpa_bid roas_bid
    next_day_retention`,
  integer: 'frequency frequency_schedule',
  boolean: `is_smart_performance_campaign comment_disabled video_download_disabled share_disabled
    search_result_enabled auto_targeting_enabled is_hfss is_new_structure skip_learning_phase`,
  timestamp: 'create_time modify_time schedule_start_time schedule_end_time',
  json: `placements tiktok_subplacements audience_ids excluded_audience_ids audience_rule
    location_ids zipcode_ids languages age_groups interest_category_ids interest_keyword_ids
    purchase_intention_keyword_ids actions operating_systems network_types carrier_ids
    device_model_ids device_price_ranges isp_ids category_exclusion_ids blocked_pangle_app_ids
    contextual_tag_ids targeting_expansion`,
});

const AD_FIELDS = fields({
  string: `ad_id ad_name advertiser_id campaign_id campaign_name campaign_system_origin adgroup_id
    adgroup_name identity_id identity_type identity_authorized_bc_id catalog_id product_set_id
    product_specific_type ad_format creative_type video_id music_id tiktok_item_id tiktok_page_category
    ad_text call_to_action call_to_action_id card_id landing_page_url cpp_url page_id deeplink
    deeplink_type deeplink_format_type shopping_ads_fallback_type shopping_ads_video_package_id
    dynamic_format vertical_video_strategy dynamic_destination avatar_icon_web_uri app_name
    display_name profile_image_url playable_url optimization_event tracking_pixel_id
    tracking_app_id impression_tracking_url click_tracking_url video_view_tracking_url
    brand_safety_postbid_partner brand_safety_vast_url viewability_postbid_partner
    viewability_vast_url operation_status secondary_status`,
  integer: 'carousel_image_index',
  boolean: 'creative_authorized is_aco is_new_structure promotional_music_disabled',
  timestamp: 'create_time modify_time',
  json: `image_ids ad_texts landing_page_urls utm_params sku_ids item_group_ids
    tracking_offline_event_set_ids vehicle_ids disclaimer_text disclaimer_clickable_texts`,
});

const ADVERTISER_FIELDS = fields({
  string: `advertiser_id name owner_bc_id status role rejection_reason company industry address
    country cellphone_number telephone_number email contacter description license_no license_url
    license_city license_province promotion_area promotion_center_city promotion_center_province
    brand currency timezone display_timezone language advertiser_account_type`,
  number: 'balance',
  integer: 'create_time',
});

/** @type {Record<string, ApiObject>} under the names that `Objects` and `Fields` use */
const OBJECTS = {
  advertiser: {
    path: 'advertiser/info/',
    uniqueKeys: ['advertiser_id'],
    types: ADVERTISER_FIELDS,
  },
  campaigns: { path: 'campaign/get/', uniqueKeys: ['campaign_id'], types: CAMPAIGN_FIELDS },
  ad_groups: { path: 'adgroup/get/', uniqueKeys: ['adgroup_id'], types: AD_GROUP_FIELDS },
  ads: { path: 'ad/get/', uniqueKeys: ['ad_id'], types: AD_FIELDS },
};

/** Types by field, from names grouped by type. */
function fields(names) {
  return Object.fromEntries(
    Object.entries(names).flatMap(([type, list]) => list.split(/\s+/).map((name) => [name, type])),
  );
}

module.exports = { OBJECTS, fields };
