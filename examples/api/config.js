'use strict';
// Config, SourceConfig and StorageConfig: what is valid, and what a connector receives of it.
// Nothing is run.

const { Config, SourceConfig, StorageConfig } = require('@owox/connector-runner');

const documented = require('../tiktok-ads-to-google-bigquery.json');

const fromFile = Config.fromObject(documented);
fromFile.validate(); // true, or an error that says what is missing
console.log(fromFile.source.name, Object.keys(fromFile.source.config).length, 'parameters');

// The same from parts. "x" is short for { value: "x" }; an object without value is a choice.
const config = new Config({
  datamartId: 'my-datamart',
  name: 'TikTok Ads',
  source: new SourceConfig({
    name: 'TikTokAds',
    config: { Objects: 'ads', AuthType: { oauth2: { AppId: 'YOUR_APP_ID' } } },
  }),
  storage: new StorageConfig({ name: 'GOOGLE_BIGQUERY', config: { ProjectID: 'my-project' } }),
});
console.log(JSON.stringify(config.toObject(), null, 2));

try {
  new Config({ datamartId: 'my-datamart', name: 'No source', storage: config.storage });
} catch (error) {
  console.log(error.code, error.message);
}
