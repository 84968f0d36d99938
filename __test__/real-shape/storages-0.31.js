/* eslint-disable no-undef, no-unused-vars, no-var */
'use strict';
// Storages in the style of 0.31: a constructor only notes, `init` connects.

// === GoogleBigQuery
var GoogleBigQueryStorage = class GoogleBigQueryStorage extends AbstractStorage {
  constructor(config, uniqueKeyColumns, schema = null, description = null) {
    super(
      config.mergeParameters({
        DestinationLocation: { isRequired: 'US', requiredType: 'string' },
        DestinationDatasetID: { isRequired: true, requiredType: 'string' },
        DestinationTableName: { isRequired: true, default: 'Data' },
        // read before it can have been declared
        DestinationProjectID: {
          isRequired: true,
          default: config.DestinationDatasetID.value.split('.')[0],
        },
        ServiceAccountJson: { isRequired: false, requiredType: 'string', default: null },
        OAuthAccessToken: { isRequired: false, requiredType: 'string', default: null },
        MaxBufferSize: { isRequired: true, default: 2 },
      }),
      uniqueKeyColumns,
      schema,
      description,
    );
  }

  table() {
    return `${this.config.DestinationDatasetID.value}.${this.config.DestinationTableName.value}`;
  }

  async init() {
    if (typeof BigQuery === 'undefined')
      throw new Error('BigQuery client library is not available');
    this.config.validate();
    await this.query(`CREATE TABLE IF NOT EXISTS \`${this.table()}\``);
  }

  async query(query) {
    const { OAuth2Client } = require('google-auth-library');
    this.client ??= new BigQuery({
      projectId: this.config.DestinationProjectID.value,
      authClient: new OAuth2Client(),
    });
    return this.client.query({ query });
  }

  async saveData(records) {
    const size = this.config.MaxBufferSize.value;
    for (let at = 0; at < records.length; at += size) {
      await this.query(`MERGE \`${this.table()}\` ${JSON.stringify(records.slice(at, at + size))}`);
    }
  }
};

// === AwsAthena
var AwsAthenaStorage = class AwsAthenaStorage extends AbstractStorage {
  constructor(config, uniqueKeyColumns, schema = null, description = null) {
    super(
      config.mergeParameters({
        AWSRegion: { isRequired: true, requiredType: 'string' },
        AWSAccessKeyId: { isRequired: true, requiredType: 'string' },
        AWSSecretAccessKey: { isRequired: true, requiredType: 'string' },
        S3BucketName: { isRequired: true, requiredType: 'string' },
        AthenaDatabaseName: { isRequired: true, requiredType: 'string' },
        // only the connector knows it
        DestinationTableName: { isRequired: true, requiredType: 'string' },
      }),
      uniqueKeyColumns,
      schema,
      description,
    );
    this.athena = new AthenaClient({ region: this.config.AWSRegion.value });
    this.s3 = new S3Client({ region: this.config.AWSRegion.value });
  }

  async init() {
    await this.query(`CREATE DATABASE IF NOT EXISTS ${this.config.AthenaDatabaseName.value}`);
  }

  query(text) {
    return this.athena.send(new StartQueryExecutionCommand({ QueryString: text }));
  }

  async saveData(records) {
    const Body = records.map((record) => JSON.stringify(record)).join('\n');
    const params = { Bucket: this.config.S3BucketName.value, Key: 'stage.json', Body };
    await new Upload({ client: this.s3, params }).done();
    await this.query(
      `MERGE INTO ${this.config.DestinationTableName.value} ${JSON.stringify(records)}`,
    );
  }
};

// === AwsRedshift
var AwsRedshiftStorage = class AwsRedshiftStorage extends AbstractStorage {
  constructor(config, uniqueKeyColumns, schema = null, description = null) {
    super(
      config.mergeParameters({
        AWSRegion: { isRequired: true, requiredType: 'string' },
        AWSSecretAccessKey: { isRequired: true, requiredType: 'string' },
        Database: { isRequired: true, requiredType: 'string' },
        DestinationTableName: { isRequired: true, requiredType: 'string' },
      }),
      uniqueKeyColumns,
      schema,
      description,
    );
  }

  async init() {
    this.client = new RedshiftDataClient({ region: this.config.AWSRegion.value });
    await this.query('CREATE SCHEMA IF NOT EXISTS owox');
  }

  query(Sql) {
    return this.client.send(
      new ExecuteStatementCommand({ Sql, Database: this.config.Database.value }),
    );
  }

  async saveData(records) {
    await this.query(
      `MERGE INTO ${this.config.DestinationTableName.value} ${JSON.stringify(records)}`,
    );
  }
};

// === Snowflake
var SnowflakeStorage = class SnowflakeStorage extends AbstractStorage {
  constructor(config, uniqueKeyColumns, schema = null, description = null) {
    super(
      config.mergeParameters({
        SnowflakeAccount: { isRequired: true, requiredType: 'string' },
        SnowflakePassword: { isRequired: true, requiredType: 'string' },
        DestinationTableName: { isRequired: true, requiredType: 'string', default: 'Data' },
      }),
      uniqueKeyColumns,
      schema,
      description,
    );
  }

  async init() {
    this.connection = snowflake.createConnection({
      accessUrl: this.config.SnowflakeAccount.value,
      password: this.config.SnowflakePassword.value,
    });
    await new Promise((resolve, reject) => {
      this.connection.connect((error) => (error ? reject(error) : resolve()));
    });
  }

  saveData(records) {
    const sqlText = `MERGE INTO ${this.config.DestinationTableName.value} ${JSON.stringify(records)}`;
    return new Promise((resolve, reject) => {
      const complete = (error, _statement, rows) => (error ? reject(error) : resolve(rows));
      this.connection.execute({ sqlText, complete });
    });
  }
};

// === Databricks
var DatabricksStorage = class DatabricksStorage extends AbstractStorage {
  constructor(config, uniqueKeyColumns, schema = null, description = null) {
    super(
      config.mergeParameters({
        DatabricksHost: { isRequired: true, requiredType: 'string' },
        DatabricksToken: { isRequired: true, requiredType: 'string' },
        DestinationTableName: { isRequired: true, requiredType: 'string', default: 'Data' },
      }),
      uniqueKeyColumns,
      schema,
      description,
    );
  }

  async init() {
    const client = new databricks.DBSQLClient();
    this.connection = await client.connect({
      host: this.config.DatabricksHost.value,
      token: this.config.DatabricksToken.value,
    });
    this.session = await this.connection.openSession();
  }

  async saveData(records) {
    const text = `MERGE INTO ${this.config.DestinationTableName.value} ${JSON.stringify(records)}`;
    await this.session.executeStatement(text);
  }
};
