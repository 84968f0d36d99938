/* eslint-disable no-undef, no-unused-vars, no-var */
'use strict';
// Sources in the style of 0.11. A line `// === NAME` begins one; the bundle has each in a scope of its own.

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

  fetchData(day) {
    const response = HttpUtils.fetch(`${this.config.ApiUrl.value}/rates?day=${day}`);
    AsyncUtils.delay(1);
    return JSON.parse(response.getContentText());
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

  /** A report is a CSV file in an archive. */
  fetchData(day) {
    const headers = { DeveloperToken: this.config.DeveloperToken.value };
    const archive = HttpUtils.fetch(`${this.config.ApiUrl.value}/archive?day=${day}`, { headers });
    const [{ text }] = FileUtils.unzip(archive.getContent());
    const [names, ...lines] = text
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    return lines.map((line) => Object.fromEntries(names.map((name, at) => [name, line[at]])));
  }
};

var BingAdsConnector = class BingAdsConnector extends AbstractConnector {};

// === GoogleAds
var GoogleAdsSource = class GoogleAdsSource extends AbstractSource {
  constructor(config) {
    super(
      config.mergeParameters({
        ApiUrl: { requiredType: 'string', isRequired: true },
        AuthType: {
          requiredType: 'object',
          isRequired: true,
          oneOf: [
            {
              label: 'Service account',
              value: 'service_account',
              items: {
                ServiceAccountKey: {
                  isRequired: true,
                  requiredType: 'string',
                  attributes: ['SECRET'],
                },
              },
            },
          ],
        },
      }),
    );
    this.uniqueKeys = ['date', 'label'];
    this.fieldsSchema = FIELDS;
  }

  /** The library is beside the package, which does not declare it. */
  fetchData(day) {
    const { JWT } = require('google-auth-library');
    const key = JSON.parse(this.config.AuthType.items.ServiceAccountKey.value);
    const client = new JWT({
      email: key.client_email,
      key: key.private_key,
      tokenUrl: key.token_uri,
    });
    const { token } = AsyncUtils.wait(client.getAccessToken());
    const headers = { Authorization: `Bearer ${token}` };
    const response = HttpUtils.fetch(`${this.config.ApiUrl.value}/rates?day=${day}`, { headers });
    return JSON.parse(response.getContentText());
  }
};

var GoogleAdsConnector = class GoogleAdsConnector extends AbstractConnector {};

// === FacebookMarketing
var FacebookMarketingSource = class FacebookMarketingSource extends AbstractSource {
  constructor(config) {
    super(
      config.mergeParameters({
        ApiUrl: { requiredType: 'string', isRequired: true },
        AccessToken: { requiredType: 'string', isRequired: true, attributes: ['SECRET'] },
        AccoundIDs: { requiredType: 'string', isRequired: true },
      }),
    );
    this.uniqueKeys = ['date', 'label'];
    this.fieldsSchema = FIELDS;
  }

  fetchData() {
    const url = `${this.config.ApiUrl.value}/denied?access_token=${this.config.AccessToken.value}`;
    const response = HttpUtils.fetch(url);
    if (response.getResponseCode() >= 400) {
      throw new Error(`Facebook refused ${url}: ${response.getResponseCode()}`);
    }
    return [];
  }
};

var FacebookMarketingConnector = class FacebookMarketingConnector extends AbstractConnector {};
