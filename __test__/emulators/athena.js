'use strict';
// S3 and Athena on loopback: athena.py, and Amazon's own clients to read with.

const path = require('node:path');

const { freePort, installed, start } = require('./start');
const manifest = require('../../packages/connectors/src/Storages/AwsAthena/manifest.json');
const { Athena } = require('../../packages/connectors/src/Storages/AwsAthena/Athena');

const BUCKET = 'bucket';
const OUTPUT = `s3://${BUCKET}/results`;

/** What a configuration needs for the emulator, but for database and table. */
const ACCESS = {
  AWSRegion: 'us-east-1',
  AWSAccessKeyId: 'id',
  AWSSecretAccessKey: 'secret',
  S3BucketName: BUCKET,
  AthenaOutputLocation: OUTPUT,
};

/**
 * Starts it with a bucket and points the runs of this process to it.
 *
 * @param {import('./setup').Environment} python
 * @param {string} folder for the clients
 * @returns {Promise<object>} `athena` runs queries, `files(prefix)` lists S3, `pointTo(origin)` sends runs elsewhere
 */
async function startAthena(python, folder) {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: origin,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  });
  const server = await start(
    python,
    [path.join(__dirname, 'athena.py'), port],
    `${origin}/moto-api/`,
  );
  const load = installed(path.join(folder, 'client'), manifest);
  const credentials = {
    accessKeyId: ACCESS.AWSAccessKeyId,
    secretAccessKey: ACCESS.AWSSecretAccessKey,
  };
  const options = { region: ACCESS.AWSRegion, credentials, endpoint: origin };
  const commands = load('@aws-sdk/client-athena');
  const { CreateBucketCommand, ListObjectsV2Command, PutObjectCommand, S3Client } =
    load('@aws-sdk/client-s3');
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  const athena = new Athena(new commands.AthenaClient(options), commands, {
    outputLocation: OUTPUT,
  });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  return {
    athena,
    origin,
    pointTo(place) {
      process.env.AWS_ENDPOINT_URL = place;
    },
    put: (Key, Body) => s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body })),
    async files(prefix) {
      const list = new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix });
      const { Contents = [] } = await s3.send(list);
      return Contents.map(({ Key }) => Key);
    },
    stop() {
      s3.destroy();
      athena.destroy();
      server.kill('SIGKILL');
    },
  };
}

module.exports = { ACCESS, BUCKET, OUTPUT, startAthena };
