'use strict';

const { after, before } = require('node:test');

const { fails, isOfAnotherShape, overcomes } = require('./support/failures');
const { target: targetOf } = require('./support/targets');

const bigQuery = targetOf('GoogleBigQuery', { before, after });

/** An answer as Google's API has it. */
const refusal = (code, reason, message) => (response) => {
  response.writeHead(code, { 'content-type': 'application/json; charset=UTF-8' });
  const errors = [{ message, domain: 'global', reason }];
  response.end(JSON.stringify({ error: { code, message, errors } }));
};

const isUpload = ({ url }) => url.startsWith('/upload/');
const isDataset = ({ method, url }) => method === 'GET' && /\/datasets\/\w+(\?|$)/.test(url);
const isNewDataset = ({ method, url }) => method === 'POST' && /\/datasets(\?|$)/.test(url);
const isNewTable = ({ method, url }) => method === 'POST' && /\/tables(\?|$)/.test(url);
const isPublishing = ({ method }, body) => method === 'POST' && body.includes('MERGE');
const always = () => true;

const INVALID =
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.';
const LIMITED = 'Exceeded rate limits: too many table update operations for this table.';

fails(bigQuery, 'a wrong key', {
  rules: [{ when: always, answer: refusal(401, 'authError', INVALID) }],
  message: /invalid authentication credentials.*check ServiceAccountJson/,
});

fails(bigQuery, 'no permission on the dataset', {
  rules: [
    {
      when: isDataset,
      answer: refusal(
        403,
        'accessDenied',
        'Access Denied: Dataset p:d: Permission bigquery.datasets.get denied on dataset p:d (or it may not exist).',
      ),
    },
  ],
  message: /bigquery\.datasets\.get denied.*BigQuery Data Editor on the dataset/,
});

fails(bigQuery, 'a dataset that is missing and must not be made', {
  rules: [
    { when: isDataset, answer: refusal(404, 'notFound', 'Not found: Dataset p:d') },
    {
      when: isNewDataset,
      answer: refusal(
        403,
        'accessDenied',
        'Access Denied: Project p: User does not have bigquery.datasets.create permission in project p.',
      ),
    },
  ],
  message: /bigquery\.datasets\.create.*make the dataset yourself/,
});

fails(bigQuery, 'no permission to make tables', {
  rules: [
    {
      when: isNewTable,
      answer: refusal(
        403,
        'accessDenied',
        'Access Denied: Dataset p:d: Permission bigquery.tables.create denied on dataset p:d (or it may not exist).',
      ),
    },
  ],
  message: /bigquery\.tables\.create denied.*BigQuery Data Editor on the dataset/,
});

fails(bigQuery, 'no permission to run jobs', {
  rules: [
    {
      when: isUpload,
      answer: refusal(
        403,
        'accessDenied',
        'Access Denied: Project p: User does not have bigquery.jobs.create permission in project p.',
      ),
    },
  ],
  message: /bigquery\.jobs\.create.*BigQuery Job User on the project/,
});

fails(bigQuery, 'no permission to change the table', {
  rules: [
    {
      when: isPublishing,
      answer: refusal(
        403,
        'accessDenied',
        'Access Denied: Table p:d.t: Permission bigquery.tables.updateData denied on table p:d.t (or it may not exist).',
      ),
    },
  ],
  message: /bigquery\.tables\.updateData denied.*BigQuery Data Editor on the dataset/,
});

fails(bigQuery, 'a project that does not exist', {
  rules: [{ when: isUpload, answer: refusal(404, 'notFound', 'Not found: Project p') }],
  message: /Not found: Project.*check ProjectID/,
});

fails(bigQuery, 'throttling that does not end', {
  rules: [{ when: isDataset, answer: refusal(403, 'rateLimitExceeded', LIMITED) }],
  message: /Exceeded rate limits.*try again later/,
});

fails(bigQuery, 'a quota that is used up', {
  rules: [
    {
      when: isPublishing,
      answer: refusal(
        403,
        'quotaExceeded',
        'Quota exceeded: Your table exceeded quota for total number of dml jobs writing to a table, pending + running',
      ),
    },
  ],
  message: /Quota exceeded.*try again later/,
});

fails(bigQuery, 'a connection that breaks in each upload', {
  rules: [{ when: isUpload, cutsUpload: true }],
  message: /check the network/,
});

overcomes(bigQuery, 'throttling', {
  rules: [
    { when: isUpload, times: 1, answer: refusal(403, 'rateLimitExceeded', LIMITED) },
    {
      when: isUpload,
      times: 1,
      answer: refusal(
        503,
        'backendError',
        'Error encountered during execution. Retrying may solve the problem.',
      ),
    },
    { when: isPublishing, times: 1, answer: refusal(429, 'rateLimitExceeded', LIMITED) },
  ],
});

overcomes(bigQuery, 'a connection that breaks in mid-upload', {
  rules: [{ when: isUpload, times: 1, cutsUpload: true }],
});

// Without keys, rows that came twice would be there twice.
overcomes(bigQuery, 'an upload that is done, but whose answer is lost', {
  rules: [{ when: isUpload, times: 1, losesAnswer: true }],
  type: 'FULL_REFRESH',
  source: { UniqueKeys: [] },
});

overcomes(bigQuery, 'a table that is changed, but the answer is lost', {
  rules: [{ when: isPublishing, times: 1, losesAnswer: true }],
});

isOfAnotherShape(bigQuery);
