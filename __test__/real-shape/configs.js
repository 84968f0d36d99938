'use strict';
// Configurations for the packages in the shape of a published @owox/connectors.

const SECRET = 'secret-of-the-account';

/** A configuration of each storage. */
const storageConfig = (url) => ({
  GoogleBigQuery: { DestinationDatasetID: 'project.dataset', ServiceAccountJson: '{}' },
  AwsAthena: {
    AWSRegion: 'eu-west-1',
    AWSAccessKeyId: 'AKIAEXAMPLE',
    AWSSecretAccessKey: SECRET,
    S3BucketName: 'bucket',
    AthenaDatabaseName: 'owox',
  },
  AwsRedshift: { AWSRegion: 'eu-west-1', AWSSecretAccessKey: SECRET, Database: 'dev' },
  Snowflake: { SnowflakeAccount: url, SnowflakePassword: SECRET },
  Databricks: { DatabricksHost: url, DatabricksToken: SECRET },
});

/** A configuration of each source. */
const sourceConfig = (url) => ({
  BankOfCanada: { ApiUrl: url },
  BingAds: { ApiUrl: url, DeveloperToken: SECRET },
  FacebookMarketing: { ApiUrl: url, AccessToken: SECRET, AccoundIDs: '1' },
  GoogleAds: {
    ApiUrl: url,
    AuthType: {
      service_account: {
        ServiceAccountKey: JSON.stringify({
          client_email: 'a@example.com',
          private_key: SECRET,
          token_uri: `${url}/token`,
        }),
      },
    },
  },
  TikTokAds: { ApiUrl: url, AuthType: { oauth2: { RefreshToken: SECRET, AppSecret: SECRET } } },
});

module.exports = { SECRET, sourceConfig, storageConfig };
