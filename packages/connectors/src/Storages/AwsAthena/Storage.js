'use strict';

const { AbstractStorage } = require('../../Core/AbstractStorage');
const { ConnectorError } = require('../../Core/errors');
const { ColumnNames } = require('../ColumnNames');
const { refusePlaceholders } = require('../common');
const { Athena } = require('./Athena');
const { Bucket } = require('./Bucket');
const { Publication } = require('./Publication');
const { Staging, dropTable } = require('./Staging');
const { Tables } = require('./Tables');
const { plainName, quote, quoteDdl, text } = require('./sql');
const manifest = require('./manifest.json');

/** Staging files that are older are a killed run's. */
const LEFT_BEHIND_AFTER_MS = 24 * 60 * 60 * 1000;
const CONNECT_MS = 10_000;
const REQUEST_MS = 120_000;
const KEYS = ['AWSAccessKeyId', 'AWSSecretAccessKey', 'AWSSessionToken'];
const PLACES = ['AWSRegion', 'S3BucketName', 'AthenaDatabaseName', 'AthenaOutputLocation'];

/** An Iceberg table of Athena: rows are staged in S3 and published by one statement. */
class AwsAthenaStorage extends AbstractStorage {
  #athena = null;
  #bucket = null;
  #names = null;
  #place = null;
  #plan = null;
  #staging = null;

  constructor(config) {
    super(config, manifest);
  }

  get takesTextRows() {
    return true; // the staging does
  }

  async open() {
    const files = await this.#connect(8);
    await this.#explained('Athena', async () => {
      const { database } = this.#place;
      if (!(await this.#hasDatabase())) {
        await this.#athena.run(`CREATE DATABASE IF NOT EXISTS ${quoteDdl(database)}`);
      }
      await this.#dropLeftBehind(files);
    });
  }

  /** Stages no rows: a file and a table of them, which are deleted again. */
  async check() {
    try {
      await this.#connect(2);
      const { database, folder } = this.#place;
      const options = { database, maxRows: 1, below: folder };
      const staging = new Staging(this.#athena, this.#bucket, options);
      let isThere;
      let left = '';
      try {
        isThere = await this.#explained('Athena', () => this.#hasDatabase());
        await this.#explained('S3', () => staging.send(''));
        if (isThere) await this.#explained('Athena', () => staging.finish());
      } finally {
        await staging.drop().catch((cause) => {
          left = `; but what is staged cannot be deleted (${cause.message}): allow s3:DeleteObject and glue:DeleteTable`;
        });
      }
      const bucket = `bucket "${this.#bucket.name}" can be written`;
      return isThere
        ? `database "${database}" and ${bucket}${left}`
        : `${bucket}; database "${database}" is not there yet, and the first run makes it, where the key may${left}`;
    } finally {
      this.#bucket?.destroy();
      this.#athena?.destroy();
    }
  }

  /**
   * @param {number} maxAttempts
   * @returns {Promise<{ key: string, modified: Date }[]>} what runs have left
   */
  async #connect(maxAttempts) {
    const value = (name) => this.config.getValue(name);
    refusePlaceholders(this.config, [...KEYS, ...PLACES]);
    const output = value('AthenaOutputLocation');
    if (output !== null && !/^s3:\/\/[^/]/.test(output)) {
      throw new ConnectorError(
        `AthenaOutputLocation is "${output}": write it like s3://bucket/folder/`,
      );
    }
    // The manifest pins versions that run on Node.js 20: the notice about later ones is noise here.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
    // Not at the top: the manifest's parameters can be read without the clients.
    const athena = require('@aws-sdk/client-athena');
    const s3 = require('@aws-sdk/client-s3');
    const { Upload } = require('@aws-sdk/lib-storage');
    const options = {
      region: value('AWSRegion'),
      credentials: {
        accessKeyId: value('AWSAccessKeyId'),
        secretAccessKey: value('AWSSecretAccessKey'),
        sessionToken: value('AWSSessionToken') ?? undefined,
      },
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        requestTimeout: REQUEST_MS,
        throwOnRequestTimeout: true,
      },
    };
    const many = { ...options, maxAttempts, retryMode: 'adaptive' };
    const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 } = process.env;
    // A server of one's own has no name for each bucket.
    const path = { forcePathStyle: Boolean(AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL) };
    const name = value('S3BucketName');
    const modules = { commands: s3, Upload };
    const prefix = (value('S3Prefix') ?? '').replace(/^\/+|\/+$/g, '');
    const folder = prefix === '' ? '' : `${prefix}/`;
    this.#place = { database: plainName(value('AthenaDatabaseName')), folder };
    this.#bucket = new Bucket(new s3.S3Client({ ...many, ...path }), name, modules);
    this.#athena = new Athena(new athena.AthenaClient(many), athena, {
      outputLocation: output,
      workGroup: value('AthenaWorkGroup'),
      wait: (ms, reason) => this.config.wait(ms, reason),
    });

    // Asked with few attempts, so that a wrong setting shows at once.
    const impatient = new s3.S3Client({ ...options, ...path, maxAttempts: 2 });
    return this.#explained('S3', async () => {
      try {
        return await new Bucket(impatient, name, modules).list(`${folder}owox_staging_`);
      } finally {
        impatient.destroy();
      }
    });
  }

  async hasRows(given) {
    return this.#explained('Athena', async () => {
      const { database } = this.#place;
      const name = plainName(given);
      if ((await this.#tables().describe(name)) === null) return false;
      const rows = await this.#athena.rows(
        `SELECT 1 FROM ${quote(database)}.${quote(name)} LIMIT 1`,
      );
      return rows.length > 0;
    });
  }

  async begin(plan) {
    // Each table has its own, and the one before is done.
    this.#plan = plan;
    this.#staging = new Staging(this.#athena, this.#bucket, {
      database: this.#place.database,
      maxRows: this.config.getValue('MaxBufferSize'),
      below: this.#place.folder,
    });
    const dialect = { title: 'Athena', columnName: plainName };
    this.#names = new ColumnNames(dialect, (m) => this.config.addWarningToCurrentStatus(m));
    this.#staging.onColumn = (source) => this.#names.nameOf(source);
  }

  #tables() {
    return new Tables(this.#athena, this.#bucket, this.#place);
  }

  async write(rows) {
    await this.#explained('S3', () => this.#staging.write(rows));
  }

  async commit(columns) {
    return this.#explained('Athena', async () => {
      const { database } = this.#place;
      const publication = new Publication(this.#athena, this.#tables(), database, {
        plan: this.#plan,
        staging: this.#staging,
        names: this.#names,
      });
      const saved = await publication.run(columns);
      await this.#drop();
      return { ...saved, location: `Athena database "${database}"` };
    });
  }

  async discard() {
    await this.#drop();
  }

  async close() {
    await this.#drop();
    this.#bucket?.destroy();
    this.#athena?.destroy();
  }

  async #drop() {
    const staging = this.#staging;
    this.#staging = null;
    try {
      await staging?.drop();
    } catch (cause) {
      this.config.addWarningToCurrentStatus(
        `Staging files may be left in ${staging.location}: ${cause.message}; a run after a day ` +
          'deletes them, if s3:DeleteObject and glue:DeleteTable are allowed',
      );
    }
  }

  /** Asked first, because a key that may only use the database may not make it. */
  async #hasDatabase() {
    const { database } = this.#place;
    const found = await this.#athena.rows(
      `SELECT schema_name FROM information_schema.schemata WHERE schema_name = ${text(database)}`,
    );
    return found.length > 0;
  }

  /** A killed run cannot clean up after itself. */
  async #dropLeftBehind(files) {
    const newest = new Map();
    for (const { key, modified } of files) {
      const name = key.slice(this.#place.folder.length).split('/')[0];
      newest.set(name, Math.max(newest.get(name) ?? 0, modified.getTime()));
    }
    for (const [name, time] of newest) {
      if (Date.now() - time < LEFT_BEHIND_AFTER_MS) continue;
      await dropTable(this.#athena, this.#place.database, name);
      await this.#bucket.deleteFolder(`${this.#place.folder}${name}/`);
    }
  }

  async #explained(service, work) {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof ConnectorError) throw cause;
      const message = cause.message || cause.name;
      const remedy = this.#remedyFor(cause);
      throw new ConnectorError(`${service}: ${message}; ${remedy}`, { cause });
    }
  }

  #remedyFor({ name, code, message }) {
    const facts = `${name} ${code} ${message}`;
    const bucket = this.config.getValue('S3BucketName');
    for (const [pattern, remedy] of REMEDIES) {
      if (pattern.test(facts)) return remedy.replace('{bucket}', bucket);
    }
    return 'correct the cause and run again';
  }
}

const REMEDIES = [
  [
    /InvalidAccessKeyId|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidSignature|AuthFailure/,
    'check AWSAccessKeyId and AWSSecretAccessKey: the key may be mistyped, deleted or inactive',
  ],
  [
    /ExpiredToken|InvalidToken|security token/i,
    'check AWSSessionToken: temporary credentials need one that belongs to the key and has not expired',
  ],
  [
    /output location|output bucket/i,
    'set AthenaOutputLocation to a folder like s3://bucket/folder/ that exists and may be written',
  ],
  [
    /NoSuchBucket|bucket does not exist/i,
    'check S3BucketName: there is no bucket "{bucket}"; make it, or correct the name',
  ],
  [
    /PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint/,
    'check AWSRegion: the bucket "{bucket}" is in another region',
  ],
  [
    /AccessDenied|not authorized|Forbidden|insufficient permissions/i,
    'allow the key s3:ListBucket, s3:GetBucketLocation, s3:GetObject, s3:PutObject and ' +
      's3:DeleteObject on the bucket "{bucket}" and on the one of AthenaOutputLocation, ' +
      'athena:StartQueryExecution, athena:GetQueryExecution and athena:GetQueryResults, and ' +
      "Glue's actions on databases and tables",
  ],
  [
    /work ?group/i,
    'check AthenaWorkGroup: it has to be there and enabled, in the same region, with engine version 3, ' +
      'and the key be allowed athena:StartQueryExecution and the like on it',
  ],
  [
    /TOO_MANY_OPEN_PARTITIONS|open (writers|partitions)/i,
    'load fewer rows in one run, or partition the table by its date column only: Athena writes to 100 ' +
      'partitions at most',
  ],
  [
    /not.*iceberg|iceberg.*not|modifying.*not supported|not support.*(merge|update)/i,
    'choose another DestinationTableName: the table there is no Iceberg table',
  ],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|TimeoutError|getaddrinfo/,
    'check the network, a proxy, AWSRegion and, where it is set, AWS_ENDPOINT_URL',
  ],
  [/TooManyRequests|Throttl|SlowDown|exhausted resources/i, 'try again later'],
];

module.exports = { AwsAthenaStorage };
