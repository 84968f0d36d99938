'use strict';

const { randomUUID } = require('node:crypto');
const { createRequire } = require('node:module');
const { AbstractStorage } = require('../../Core/AbstractStorage');
const { ConnectorError } = require('../../Core/errors');
const { ColumnNames } = require('../ColumnNames');
const { refusePlaceholders } = require('../common');
const { Publication, pathOf } = require('./Publication');
const { columnName, reservedBy } = require('./sql');
const { Staging } = require('./Staging');
const manifest = require('./manifest.json');

const FIRST_ANSWER_MS = 20_000;
/** A check that is killed cannot drop its table. */
const CHECK_EXPIRES_AFTER_MS = 60 * 60 * 1000;
const PLACES = [
  'ProjectID',
  'DestinationProjectID',
  'DestinationDatasetName',
  'DestinationDatasetID',
  'DestinationLocation',
];

/** A table in BigQuery: rows are staged by load jobs and published by one statement. */
class GoogleBigQueryStorage extends AbstractStorage {
  #client = null;
  #dataset = null;
  #staging = null;
  #plan = null;
  #names = null;

  constructor(config) {
    super(config, manifest);
  }

  get takesTextRows() {
    return true; // the staging does
  }

  async open() {
    const { impatient, location } = await this.#connect();
    await this.#explained(async () => {
      const [exists] = await answerOf(impatient.exists());
      if (!exists) await this.#dataset.create({ location });
    });
  }

  /** A dry run needs the right to run jobs, and a table that is made and dropped the one to write. */
  async check() {
    const { impatient, location } = await this.#connect();
    const id = `${impatient.projectId}.${impatient.id}`;
    return this.#explained(async () => {
      const [exists] = await answerOf(impatient.exists());
      const job = { query: 'SELECT 1', dryRun: true, location };
      await answerOf(impatient.bigQuery.createQueryJob(job));
      if (!exists) {
        return (
          `BigQuery accepts the credentials; dataset ${id} is not there yet, and the first run makes it ` +
          `in ${location}, where the account may`
        );
      }
      const table = impatient.table(`owox_check_${randomUUID().replaceAll('-', '')}`);
      const expirationTime = String(Date.now() + CHECK_EXPIRES_AFTER_MS);
      const schema = { fields: [{ name: 'n', type: 'INTEGER' }] };
      await answerOf(table.create({ schema, expirationTime }));
      await answerOf(table.delete({ ignoreNotFound: true }));
      return `dataset ${id} can be written`;
    });
  }

  /** @returns {Promise<object>} the dataset by a client that asks with few attempts, and its location */
  async #connect() {
    const credentials = this.#credentials();
    const { jobs, project, name } = this.#place(credentials);
    const location = this.config.getValue('DestinationLocation');
    // Not at the top: the manifest's parameters can be read without the client.
    const { BigQuery } = require('@google-cloud/bigquery');
    const options = { projectId: jobs, location, credentials, ...emulator() };
    if (!options.authClient && !credentials) await checkDefaultCredentials();
    refusePlaceholders(this.config, PLACES);
    this.#client = new BigQuery({ ...options, maxRetries: 6 });
    this.#dataset = this.#client.dataset(name, { projectId: project, location });

    // Asked with few attempts, so that a wrong setting shows at once.
    const client = new BigQuery({ ...options, maxRetries: 1 });
    return { impatient: client.dataset(name, { projectId: project, location }), location };
  }

  async hasRows(name) {
    return this.#explained(async () => {
      const table = this.#dataset.table(name);
      const [exists] = await table.exists();
      if (!exists) return false;
      // It reads no column, and costs nothing.
      const [[{ total }]] = await this.#client.query(
        `SELECT COUNT(*) AS total FROM ${pathOf(table)}`,
      );
      return total > 0;
    });
  }

  async begin(plan) {
    this.#plan = plan;
    this.#staging = new Staging(this.#dataset, {
      maxRows: this.config.getValue('MaxBufferSize'),
      wait: (ms, reason) => this.config.wait(ms, reason),
    });
    const dialect = { title: 'BigQuery', columnName, reservedBy };
    this.#names = new ColumnNames(dialect, (m) => this.config.addWarningToCurrentStatus(m));
    this.#staging.onColumn = (source) => this.#names.nameOf(source);
  }

  async write(rows) {
    await this.#explained(() => this.#staging.write(rows));
  }

  async commit(columns) {
    return this.#explained(async () => {
      await this.#staging.flush();
      const table = this.#dataset.table(this.#plan.name);
      const publication = new Publication(
        this.#client,
        table,
        this.#plan,
        this.#staging,
        this.#names,
      );
      const saved = await publication.run(columns);
      await this.#drop();
      return { ...saved, location: `${this.#dataset.projectId}.${this.#dataset.id}` };
    });
  }

  async discard() {
    await this.#drop();
  }

  async close() {
    await this.#drop();
  }

  async #drop() {
    const staging = this.#staging;
    this.#staging = null;
    // It expires by itself where this fails.
    await staging?.drop().catch(() => {});
  }

  #credentials() {
    const text = this.config.getValue('ServiceAccountJson');
    if (text === null) return undefined;
    let key;
    try {
      key = JSON.parse(text);
    } catch (cause) {
      throw new ConnectorError('ServiceAccountJson is no JSON: paste the whole key file', {
        cause,
      });
    }
    for (const field of ['client_email', 'private_key']) {
      if (typeof key?.[field] !== 'string') {
        throw new ConnectorError(
          `ServiceAccountJson has no ${field}: paste the whole key file of a service account`,
        );
      }
    }
    return key;
  }

  #place(credentials) {
    const value = (name) => this.config.getValue(name);
    const [idProject, idName] =
      (value('DestinationDatasetID') ?? '').match(/^(?:(.+)[.:])?(.+)$/)?.slice(1) ?? [];
    const name = value('DestinationDatasetName') ?? idName;
    if (name === undefined) {
      throw new ConnectorError('The dataset is not named: set DestinationDatasetName');
    }
    const given = value('DestinationProjectID') ?? idProject ?? null;
    const jobs = value('ProjectID') ?? given ?? credentials?.project_id;
    if (jobs === undefined) throw new ConnectorError('The project is not named: set ProjectID');
    return { jobs, project: given ?? jobs, name };
  }

  async #explained(work) {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof ConnectorError) throw cause;
      throw new ConnectorError(`BigQuery: ${cause.message}; ${remedyFor(cause)}`, { cause });
    }
  }
}

/** An emulator wants no credentials, and takes uploads beside its API. */
function emulator() {
  const host = process.env.BIGQUERY_EMULATOR_HOST;
  if (!host) return {};
  const { PassThroughClient } = authLibrary();
  return { apiEndpoint: new URL(host).origin, authClient: new PassThroughClient() };
}

/** The one that the client uses itself. */
function authLibrary() {
  const ofClient = createRequire(require.resolve('@google-cloud/bigquery'));
  return ofClient('google-auth-library');
}

/** Without this, each request would look for them again, and say little about it. */
async function checkDefaultCredentials() {
  const { GoogleAuth } = authLibrary();
  const scopes = ['https://www.googleapis.com/auth/bigquery'];
  try {
    await answerOf(new GoogleAuth({ scopes }).getClient());
  } catch (cause) {
    throw new ConnectorError(
      `BigQuery: there are no usable credentials (${cause.message.split('\n')[0]}); set ` +
        'ServiceAccountJson to the text of a service account key, or GOOGLE_APPLICATION_CREDENTIALS ' +
        'to the path of its file',
      { cause },
    );
  }
}

/** A server that drops packets would otherwise take minutes to be given up. */
async function answerOf(request) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const seconds = FIRST_ANSWER_MS / 1000;
      reject(Object.assign(new Error(`no answer within ${seconds} s`), { code: 'ETIMEDOUT' }));
    }, FIRST_ANSWER_MS);
  });
  try {
    return await Promise.race([request, late]);
  } finally {
    clearTimeout(timer);
  }
}

function remedyFor({ code, message }) {
  if (code === 401 || /invalid_grant|DECODER|private key|default credentials/i.test(message)) {
    return 'check ServiceAccountJson: the key may be cut, deleted or of another account';
  }
  if (/datasets\.create/.test(message)) {
    return 'make the dataset yourself, or give the service account the role BigQuery Data Editor on the project';
  }
  if (code === 403 && !/rate|quota/i.test(message)) {
    return 'give the service account the roles BigQuery Job User on the project and BigQuery Data Editor on the dataset';
  }
  if (code === 429 || code >= 500 || /rate|quota/i.test(message)) return 'try again later';
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT/.test(`${code} ${message}`)) {
    return 'check the network, a proxy and, where it is set, BIGQUERY_EMULATOR_HOST';
  }
  if (code === 404) return 'check ProjectID, the dataset and DestinationLocation';
  return 'correct the cause and run again';
}

module.exports = { GoogleBigQueryStorage };
