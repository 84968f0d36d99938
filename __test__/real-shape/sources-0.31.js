/* eslint-disable no-undef, no-unused-vars, no-var */
'use strict';
// Sources in the style of 0.31. A line `// === NAME` begins one; the bundle has each in a scope of its own.

// === BankOfCanada
var BankOfCanadaSource = class BankOfCanadaSource extends AbstractSource {
  constructor(config) {
    super(
      config.mergeParameters({
        ApiUrl: { requiredType: 'string', isRequired: true, label: 'Address' },
        Fields: { requiredType: 'string', default: 'rates date, rates label' },
      }),
    );
    this.uniqueKeys = ['date', 'label'];
    this.fieldsSchema = FIELDS;
  }

  async fetchData(day) {
    const response = await HttpUtils.fetch(`${this.config.ApiUrl.value}/rates?day=${day}`);
    await AsyncUtils.delay(1);
    return response.getAsJson();
  }
};

var BankOfCanadaConnector = class BankOfCanadaConnector extends AbstractConnector {};

// === BingAds
var BingAdsSource = class BingAdsSource extends AbstractSource {
  constructor(config) {
    super(
      config.mergeParameters({
        ApiUrl: { requiredType: 'string', isRequired: true },
        DeveloperToken: { requiredType: 'string', isRequired: true, attributes: ['SECRET'] },
      }),
    );
    this.uniqueKeys = ['date', 'label'];
    this.fieldsSchema = FIELDS;
  }

  async fetchData(day) {
    const headers = { DeveloperToken: this.config.DeveloperToken.value };
    const archive = await HttpUtils.fetch(`${this.config.ApiUrl.value}/archive?day=${day}`, {
      headers,
    });
    const [{ text }] = FileUtils.unzip(await archive.getBlob());
    const [names, ...lines] = text
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    return lines.map((line) => Object.fromEntries(names.map((name, at) => [name, line[at]])));
  }
};

var BingAdsConnector = class BingAdsConnector extends AbstractConnector {};

// === TikTokAds
var TikTokAdsSource = class TikTokAdsSource extends AbstractSource {
  constructor(config) {
    super(
      config.mergeParameters({
        ApiUrl: { requiredType: 'string', isRequired: true },
        AuthType: {
          requiredType: 'object',
          isRequired: true,
          oneOf: [
            {
              label: 'OAuth2',
              value: 'oauth2',
              items: {
                RefreshToken: { isRequired: true, requiredType: 'string', attributes: ['SECRET'] },
                AppSecret: { isRequired: true, requiredType: 'string', attributes: ['SECRET'] },
              },
            },
          ],
        },
      }),
    );
    this.uniqueKeys = ['date', 'label'];
    this.fieldsSchema = FIELDS;
  }

  /** Its token is renewed, and the host is told of the new one. */
  async fetchData(day) {
    const { ApiUrl, AuthType } = this.config;
    this.token ??= await OAuthUtils.refreshed(
      this.config,
      `${ApiUrl.value}/token`,
      AuthType.items.RefreshToken.value,
    );
    const headers = { Authorization: `Bearer ${this.token}` };
    const response = await HttpUtils.fetch(`${ApiUrl.value}/rates?day=${day}`, { headers });
    const records = await response.getAsJson();
    this.config.updateFields(Object.keys(records[0]));
    if (day === '2026-01-02') this.config.addWarningToCurrentStatus('an account was skipped');
    return records;
  }
};

var TikTokAdsConnector = class TikTokAdsConnector extends AbstractConnector {};

// === FacebookMarketing
var FacebookMarketingSource = class FacebookMarketingSource extends AbstractSource {
  constructor(config) {
    super(
      config.mergeParameters({
        ApiUrl: { requiredType: 'string', isRequired: true },
        AccessToken: { requiredType: 'string', isRequired: true, attributes: ['SECRET'] },
      }),
    );
    this.uniqueKeys = ['date', 'label'];
    this.fieldsSchema = FIELDS;
  }

  async fetchData() {
    const url = `${this.config.ApiUrl.value}/denied?access_token=${this.config.AccessToken.value}`;
    const response = await HttpUtils.fetch(url);
    if (response.getResponseCode() >= 400) {
      throw new Error(`Facebook refused ${url}: ${response.getResponseCode()}`);
    }
    return [];
  }
};

var FacebookMarketingConnector = class FacebookMarketingConnector extends AbstractConnector {};
