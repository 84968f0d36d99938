'use strict';

const { after, before } = require('node:test');

const { fails, isOfAnotherShape, overcomes } = require('./support/failures');
const { target: targetOf } = require('./support/targets');

const athena = targetOf('AwsAthena', { before, after });

/** Answers as S3 and Athena have them. */
const s3Refusal = (status, code, message) => (response) => {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>` +
      '<RequestId>4442587FB7D0A2F9</RequestId><HostId>host</HostId></Error>',
  );
};
const athenaRefusal = (status, type, Message) => (response) => {
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-errortype': type,
  });
  response.end(JSON.stringify({ __type: type, Message }));
};
/** The query is taken, and fails. */
const queryFails = (reason) => (text) => {
  const body = JSON.parse(text);
  Object.assign(body.QueryExecution.Status, { State: 'FAILED', StateChangeReason: reason });
  return JSON.stringify(body);
};

const operation =
  (name) =>
  ({ headers }) =>
    headers['x-amz-target'] === `AmazonAthena.${name}`;
const isS3 = ({ headers }) => headers['x-amz-target'] === undefined;
const isUpload = ({ method }) => method === 'PUT';
const isDeletion = ({ method, url }) => method === 'POST' && url.includes('delete');
const isStart = operation('StartQueryExecution');
const isPublishing = (request, body) => isStart(request) && body.includes('MERGE INTO');

const USER = 'User: arn:aws:iam::123456789012:user/loader is not authorized to perform:';

for (const [title, status, code, message, remedy] of [
  [
    'a wrong key id',
    403,
    'InvalidAccessKeyId',
    'The AWS Access Key Id you provided does not exist in our records.',
    /does not exist in our records.*check AWSAccessKeyId and AWSSecretAccessKey/,
  ],
  [
    'a wrong secret',
    403,
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided.',
    /check AWSAccessKeyId and AWSSecretAccessKey/,
  ],
  [
    'a token that has expired',
    400,
    'ExpiredToken',
    'The provided token has expired.',
    /check AWSSessionToken/,
  ],
  [
    'no permission on the bucket',
    403,
    'AccessDenied',
    `${USER} s3:ListBucket on resource: "arn:aws:s3:::bucket"`,
    /s3:ListBucket on resource.*allow the key s3:ListBucket.*"bucket"/,
  ],
  [
    'a bucket that is missing',
    404,
    'NoSuchBucket',
    'The specified bucket does not exist',
    /check S3BucketName: there is no bucket "bucket"/,
  ],
  [
    'a bucket in another region',
    301,
    'PermanentRedirect',
    'The bucket you are attempting to access must be addressed using the specified endpoint.',
    /check AWSRegion/,
  ],
  [
    'throttling by S3 that does not end',
    503,
    'SlowDown',
    'Please reduce your request rate.',
    /reduce your request rate.*try again later/,
  ],
]) {
  fails(athena, title, {
    rules: [{ when: isS3, answer: s3Refusal(status, code, message) }],
    message: remedy,
  });
}

fails(athena, 'no permission to write to the bucket', {
  rules: [
    {
      when: isUpload,
      answer: s3Refusal(
        403,
        'AccessDenied',
        `${USER} s3:PutObject on resource: "arn:aws:s3:::bucket/x"`,
      ),
    },
  ],
  message: /s3:PutObject on resource.*allow the key .*s3:PutObject/,
});

fails(athena, 'a key that Athena does not know', {
  rules: [
    {
      when: isStart,
      answer: athenaRefusal(
        400,
        'UnrecognizedClientException',
        'The security token included in the request is invalid.',
      ),
    },
  ],
  message: /security token included in the request is invalid.*check AWSAccessKeyId/,
});

fails(athena, 'no permission to run queries', {
  rules: [
    {
      when: isStart,
      answer: athenaRefusal(
        400,
        'AccessDeniedException',
        `${USER} athena:StartQueryExecution on resource: arn:aws:athena:us-east-1:123456789012:workgroup/primary`,
      ),
    },
  ],
  message: /athena:StartQueryExecution on resource.*allow the key .*athena:StartQueryExecution/,
});

fails(athena, 'no permission on the database', {
  rules: [
    {
      when: operation('GetQueryExecution'),
      change: queryFails(
        `Insufficient permissions to execute the query. ${USER} glue:GetDatabase on resource: arn:aws:glue:us-east-1:123456789012:catalog`,
      ),
    },
  ],
  message: /glue:GetDatabase on resource.*allow the key .*Glue's actions/,
});

fails(athena, 'no permission to change the table', {
  rules: [
    {
      when: isPublishing,
      answer: athenaRefusal(
        400,
        'AccessDeniedException',
        `${USER} glue:UpdateTable on resource: arn:aws:glue:us-east-1:123456789012:table/d/t`,
      ),
    },
  ],
  message: /glue:UpdateTable on resource.*allow the key/,
});

fails(athena, 'an output location that is missing', {
  rules: [
    {
      when: isStart,
      answer: athenaRefusal(
        400,
        'InvalidRequestException',
        'Unable to verify/create output bucket results',
      ),
    },
  ],
  message: /output bucket.*set AthenaOutputLocation/,
});

fails(athena, 'a connection that breaks in each upload', {
  rules: [{ when: isUpload, cutsUpload: true }],
  message: /check the network/,
});

overcomes(athena, 'throttling', {
  rules: [
    {
      when: isUpload,
      times: 1,
      answer: s3Refusal(503, 'SlowDown', 'Please reduce your request rate.'),
    },
    {
      when: isStart,
      times: 2,
      answer: athenaRefusal(400, 'TooManyRequestsException', 'Rate exceeded'),
    },
    {
      when: isDeletion,
      times: 1,
      answer: s3Refusal(503, 'SlowDown', 'Please reduce your request rate.'),
    },
  ],
});

overcomes(athena, 'a connection that breaks in mid-upload', {
  rules: [{ when: isUpload, times: 1, cutsUpload: true }],
});

overcomes(athena, 'a query that fails for reasons of Athena itself', {
  rules: [
    {
      when: operation('GetQueryExecution'),
      times: 1,
      change: queryFails('Query exhausted resources at this scale factor'),
    },
  ],
});

// Without keys, rows that came twice would be there twice.
overcomes(athena, 'a table that is changed, but the answer is lost', {
  rules: [{ when: isPublishing, times: 1, losesAnswer: true }],
  type: 'FULL_REFRESH',
  source: { UniqueKeys: [] },
});

isOfAnotherShape(athena);
