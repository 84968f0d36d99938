'use strict';

const { AbstractSource } = require('../../Core/AbstractSource');
const { ConnectorError } = require('../../Core/errors');
const { declaredTypes } = require('../../Core/declaredTypes');
const { today } = require('../../Core/dates');
const { REPORT, recordOf, reportQuery, windows } = require('./report');
const { selectionOf } = require('./selection');
const { TikTokApi } = require('./TikTokApi');
const { typed } = require('./values');
const manifest = require('./manifest.json');

/**
 * Advertisers, campaigns, ad groups, ads and the daily report of TikTok's Business API v1.3.
 * Memory holds one page of at most 1,000 rows.
 */
class TikTokAdsSource extends AbstractSource {
  #selected = new Map();

  constructor(config) {
    super(config, manifest);
  }

  tables() {
    const declared = declaredTypes(this.config);
    this.#selected = new Map(
      selectionOf(this.config).map((object) => [
        object.name,
        { ...object, types: { ...object.types, ...declared } },
      ]),
    );
    return [...this.#selected.values()].map(({ name, uniqueKeys, dateColumn, types }) => ({
      name,
      destinationName: `tiktok_ads_${name}`,
      uniqueKeys,
      dateColumn,
      types,
      daysPerStep: Math.floor(this.config.getValue('DaysPerStep')),
    }));
  }

  async *fetch({ name }, range) {
    const object = this.#selected.get(name);
    const nullValues = new Set(this.config.getValue('NullValues'));
    for await (const records of this.#records(object, range)) {
      if (records.length === 0) continue;
      yield records.map((record) =>
        typed(record, object.columns ?? Object.keys(record), { ...object, nullValues }),
      );
    }
  }

  /** Asks for one record of each object of each advertiser: what a run needs, and no more. */
  async check() {
    const api = new TikTokApi(this.config, { attempts: 1 });
    const objects = selectionOf(this.config);
    const advertisers = this.#advertiserIds();
    const day = today();
    const one = { page: '1', page_size: '1' };
    for (const advertiser of advertisers) {
      for (const object of objects) {
        const { name, path, columns } = object;
        if (name === 'advertiser') {
          await this.#advertisers(api, object, [advertiser]).next();
          continue;
        }
        const query =
          name === REPORT
            ? {
                ...reportQuery(this.config.getValue('DataLevel'), columns),
                start_date: day,
                end_date: day,
              }
            : fieldsQuery(columns);
        const asked = { advertiser_id: advertiser, ...query, ...one };
        await api.get(path, asked, { object: name, advertiser });
      }
    }
    const names = objects.map(({ name }) => name).join(', ');
    const { length } = advertisers;
    return `TikTok gives ${names} of ${length} ${length === 1 ? 'advertiser' : 'advertisers'}`;
  }

  #advertiserIds() {
    return [...new Set(this.config.getValue('AdvertiserIDs').map(String))];
  }

  #records(object, range) {
    const api = new TikTokApi(this.config);
    const advertisers = this.#advertiserIds();
    if (object.name === REPORT) return this.#report(api, object, advertisers, range);
    return object.name === 'advertiser'
      ? this.#advertisers(api, object, advertisers)
      : this.#entities(api, object, advertisers);
  }

  /** One at a time, so that a refusal is about one of them. */
  async *#advertisers(api, { name, path, columns }, advertisers) {
    for (const advertiser of advertisers) {
      const query = { advertiser_ids: JSON.stringify([advertiser]), ...fieldsQuery(columns) };
      const { list } = await api.get(path, query, { object: name, advertiser });
      if (list.length === 0) {
        throw new ConnectorError(
          `TikTok knows no advertiser ${advertiser} that AccessToken may read: ` +
            `correct the id in AdvertiserIDs, or let the advertiser authorize the app`,
        );
      }
      yield list;
    }
  }

  async *#entities(api, { name, path, columns }, advertisers) {
    const filtering = this.config.getValue('IncludeDeleted')
      ? { filtering: JSON.stringify({ primary_status: 'STATUS_ALL' }) }
      : {};
    for (const advertiser of advertisers) {
      const query = { advertiser_id: advertiser, ...filtering, ...fieldsQuery(columns) };
      yield* api.pages(path, query, { object: name, advertiser });
    }
  }

  async *#report(api, { name, path, columns }, advertisers, { start, end }) {
    if (start === null) {
      throw new ConnectorError(
        `${name} is asked for by days and needs a first one: set StartDate, or a state`,
      );
    }
    const level = this.config.getValue('DataLevel');
    for (const advertiser of advertisers) {
      for (const days of windows(start, end ?? today())) {
        const query = { advertiser_id: advertiser, ...reportQuery(level, columns), ...days };
        for await (const rows of api.pages(path, query, { object: name, advertiser })) {
          yield rows.map((row) => recordOf(row, advertiser));
        }
      }
    }
  }
}

function fieldsQuery(columns) {
  return columns === null ? {} : { fields: JSON.stringify(columns) };
}

module.exports = { TikTokAdsSource };
