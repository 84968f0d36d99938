'use strict';
// The configurations of examples/ for BigQuery and Athena, by the command line, against emulators:
// as the files are, but for credentials, addresses and the names that their reader has to put in.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { startTikTok } = require('../connectors/support/tiktok');
const { ACCESS, BUCKET } = require('../emulators/athena');
const { PROJECT } = require('../emulators/bigquery');
const { referencePackage } = require('../support/duckdb');
const { root, runScript } = require('../support/host');
const { tempFolder } = require('../support/temp');
const { target: targetOf } = require('./support/targets');

const EXAMPLES = path.join(root, 'examples');
const RATES = 7126;

/** What a reader puts in for the example's own values. */
const VALUES = {
  YOUR_PROJECT_ID: PROJECT,
  YOUR_DATASET_NAME: 'reader',
  YOUR_DATASET_ID: 'reader',
  YOUR_ACCESS_KEY_ID: ACCESS.AWSAccessKeyId,
  YOUR_SECRET_ACCESS_KEY: ACCESS.AWSSecretAccessKey,
  YOUR_BUCKET_NAME: BUCKET,
  YOUR_DATABASE_NAME: 'reader',
  YOUR_ACCESS_TOKEN: 'the-readers-token',
  YOUR_APP_ID: 'the-readers-app',
  YOUR_APP_SECRET: 'the-readers-secret',
  YOUR_ADVERTISER_ID: '7012345678901234567',
};

/** Writes an example with these values; `base` is the address of TikTok's API. */
function filledIn(t, name, base) {
  const pattern = new RegExp(Object.keys(VALUES).join('|'), 'g');
  const text = fs.readFileSync(path.join(EXAMPLES, name), 'utf8');
  const config = JSON.parse(text.replace(pattern, (value) => VALUES[value]));
  if (base) config.source.config.BaseUrl = base;
  // Paths count from the file's folder.
  const { Path } = config.source.config;
  if (Path) config.source.config.Path = path.join(EXAMPLES, Path);
  const file = path.join(tempFolder(t), name);
  fs.writeFileSync(file, JSON.stringify(config));
  return file;
}

async function runOf(t, file) {
  const args = [file, '--connectors', referencePackage, '--runs-dir', tempFolder(t)];
  const { code, stdout, stderr } = await runScript('src/cli/connector-runner-cli.js', args);
  assert.equal(code, 0, stdout + stderr);
}

const STORAGES = {
  GoogleBigQuery: ['csv-to-google-bigquery.json', 'tiktok-ads-to-google-bigquery.json'],
  AwsAthena: ['csv-to-aws-athena.json', 'tiktok-ads-to-aws-athena.json'],
};

for (const [storage, [csv, tiktok]] of Object.entries(STORAGES)) {
  const { options, target } = targetOf(storage, { before, after });

  test(`${csv} loads all rates, twice`, options, async (t) => {
    const file = filledIn(t, csv);
    const names = { date: 'string', usd: 'number', trl: 'number', cyp: 'number' };
    const kinds = target.name === 'AwsAthena' ? names : upper(names);
    for (let time = 1; time <= 2; time += 1) {
      await runOf(t, file);
      const rows = await target.read('reader', 'ecb_rates', kinds);
      assert.equal(rows.length, RATES);
      assert.deepEqual(Object.values(rows[0]), ['1999-01-04', 1.1789, 372274, 0.58231]);
    }
  });

  test(`${tiktok} loads what the API serves, twice`, options, async (t) => {
    const fake = await startTikTok(t, {
      counts: { campaigns: 1234 },
      token: VALUES.YOUR_ACCESS_TOKEN,
      advertisers: [VALUES.YOUR_ADVERTISER_ID],
    });
    fake.throttleEvery = 3;
    const file = filledIn(t, tiktok, fake.base);
    for (let time = 1; time <= 2; time += 1) {
      fake.served = {};
      await runOf(t, file);
      const kinds = { campaign_id: 'string', campaign_name: 'string' };
      const rows = await target.read('reader', 'tiktok_ads_campaigns', kinds);
      const served = fake.served['campaign/get/'];
      assert.equal(served.length, 1234);
      assert.deepEqual(
        rows,
        served.map(({ campaign_id, campaign_name }) => ({ campaign_id, campaign_name })),
      );
      const { string } = target.types;
      assert.deepEqual(await target.typesOf('reader', 'tiktok_ads_campaigns'), {
        campaign_id: string,
        campaign_name: string,
      });
    }
    assert.deepEqual(await target.tables('reader'), ['ecb_rates', 'tiktok_ads_campaigns']);
  });
}

/** As the file's header has them: { Date, USD, … } */
function upper({ date, ...currencies }) {
  const entries = Object.entries(currencies).map(([name, kind]) => [name.toUpperCase(), kind]);
  return { Date: date, ...Object.fromEntries(entries) };
}
