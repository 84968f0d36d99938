/* eslint-disable no-undef, no-unused-vars, no-var */
'use strict';
// Storages in the style of 0.11: a constructor connects, and waits for it.

// === GoogleBigQuery
var GoogleBigQueryStorage = class GoogleBigQueryStorage extends AbstractStorage {
  constructor(config, uniqueKeyColumns, schema = null, description = null) {
    super(
      config
        .mergeParameters({
          DestinationLocation: { isRequired: 'US', requiredType: 'string' },
          DestinationDatasetID: { isRequired: true, requiredType: 'string' },
          DestinationTableName: { isRequired: true, default: 'Data' },
          DestinationProjectID: {
            isRequired: true,
            default: config.DestinationDatasetID.value.split('.')[0],
          },
          ServiceAccountJson: { isRequired: false, requiredType: 'string', default: null },
          MaxBufferSize: { isRequired: true, default: 2 },
        })
        .validate(),
      uniqueKeyColumns,
      schema,
      description,
    );
    if (typeof BigQuery === 'undefined')
      throw new Error('BigQuery client library is not available');
    this.query(`CREATE TABLE IF NOT EXISTS \`${this.table()}\``);
  }

  table() {
    return `${this.config.DestinationDatasetID.value}.${this.config.DestinationTableName.value}`;
  }

  query(query) {
    const credentials = JSON.parse(this.config.ServiceAccountJson.value ?? '{}');
    const client = new BigQuery({ projectId: this.config.DestinationProjectID.value, credentials });
    return AsyncUtils.wait(client.query({ query }));
  }

  saveData(records) {
    const size = this.config.MaxBufferSize.value;
    for (let at = 0; at < records.length; at += size) {
      this.query(`MERGE \`${this.table()}\` ${JSON.stringify(records.slice(at, at + size))}`);
    }
  }
};

// === AwsAthena
var AwsAthenaStorage = class AwsAthenaStorage extends AbstractStorage {
  constructor(config, uniqueKeyColumns, schema = null, description = null) {
    super(
      config
        .mergeParameters({
          AWSRegion: { isRequired: true, requiredType: 'string' },
          AWSAccessKeyId: { isRequired: true, requiredType: 'string' },
          AWSSecretAccessKey: { isRequired: true, requiredType: 'string' },
          S3BucketName: { isRequired: true, requiredType: 'string' },
          AthenaDatabaseName: { isRequired: true, requiredType: 'string' },
          DestinationTableName: { isRequired: true, requiredType: 'string', default: 'data' },
        })
        .validate(),
      uniqueKeyColumns,
      schema,
      description,
    );
    const credentials = {
      accessKeyId: this.config.AWSAccessKeyId.value,
      secretAccessKey: this.config.AWSSecretAccessKey.value,
    };
    const settings = { region: this.config.AWSRegion.value, credentials };
    this.s3 = new S3Client(settings);
    this.athena = new AthenaClient(settings);
    this.query(`CREATE DATABASE IF NOT EXISTS ${this.config.AthenaDatabaseName.value}`);
  }

  query(text) {
    return AsyncUtils.wait(this.athena.send(new StartQueryExecutionCommand({ QueryString: text })));
  }

  saveData(records) {
    const Body = records.map((record) => JSON.stringify(record)).join('\n');
    const params = { Bucket: this.config.S3BucketName.value, Key: 'stage.json', Body };
    AsyncUtils.wait(new Upload({ client: this.s3, params }).done());
    this.query(`MERGE INTO ${this.config.DestinationTableName.value} ${JSON.stringify(records)}`);
  }
};
