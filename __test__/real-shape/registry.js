'use strict';
// A registry on loopback with small stand-ins for the large packages that storages ask for. They
// have the names, versions and globals of the real ones, and talk to loopback. Everything else
// is asked of the registry that npm is configured for.

const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const { tempFolder, writeFiles } = require('../support/temp');

/** Sends JSON, as promises and as plain as can be; every stand-in has it. */
const POST = `
const http = require('node:http');
function post(base, name, body) {
  return new Promise((resolve, reject) => {
    const sent = http.request(new URL(name, base), { method: 'POST', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => { text += part; });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(response.statusCode + ' ' + text));
      });
    });
    sent.on('error', reject).end(JSON.stringify(body));
  });
}
`;

/** A client of AWS and its commands. */
const awsClient = (client, commands) => `${POST}
exports.${client} = class ${client} {
  constructor(settings) { if (!settings.region) throw new Error('Region is missing'); }
  send(command) {
    return post(process.env.AWS_ENDPOINT_URL, '/aws/' + command.constructor.name, command.input);
  }
};
${commands.map((name) => `exports.${name} = class ${name} { constructor(input) { this.input = input; } };`).join('\n')}
`;

/** Of each package: versions, dependencies, and the text. */
const PACKAGES = {
  'google-auth-library': {
    versions: ['9.15.1', '10.1.0'],
    text: `${POST}
exports.OAuth2Client = class OAuth2Client {};
exports.JWT = class JWT {
  constructor(options) { this.options = options; }
  async getAccessToken() {
    const { email, key, tokenUrl } = this.options;
    if (!email || !key) throw new Error('No key or email');
    const { access_token: token } = await post(tokenUrl, '', { email });
    return { token };
  }
};`,
  },
  '@google-cloud/bigquery': {
    versions: ['7.9.4', '8.1.1'],
    dependencies: { 'google-auth-library': '>=9' },
    text: `${POST}
exports.BigQuery = class BigQuery {
  constructor({ projectId }) { this.projectId = projectId; }
  async query({ query }) {
    require('google-auth-library');
    return [await post('http://' + process.env.BIGQUERY_EMULATOR_HOST, '/query', { sql: query })];
  }
};`,
  },
  '@aws-sdk/client-athena': {
    versions: ['3.817.0', '3.983.0'],
    text: awsClient('AthenaClient', ['StartQueryExecutionCommand']),
  },
  '@aws-sdk/client-s3': {
    versions: ['3.817.0', '3.983.0'],
    text: awsClient('S3Client', ['PutObjectCommand']),
  },
  '@aws-sdk/lib-storage': {
    versions: ['3.817.0', '3.983.0'],
    peerDependencies: { '@aws-sdk/client-s3': '^3.0.0' },
    text: `
const { PutObjectCommand } = require('@aws-sdk/client-s3');
exports.Upload = class Upload {
  constructor({ client, params }) { Object.assign(this, { client, params }); }
  done() { return this.client.send(new PutObjectCommand(this.params)); }
};`,
  },
  '@aws-sdk/client-redshift-data': {
    versions: ['3.940.0', '3.983.0'],
    text: awsClient('RedshiftDataClient', ['ExecuteStatementCommand']),
  },
  'snowflake-sdk': {
    versions: ['1.15.0', '2.3.3'],
    text: `${POST}
exports.createConnection = ({ accessUrl }) => ({
  connect(done) { setImmediate(done, null, this); },
  execute({ sqlText, complete }) {
    post(accessUrl, '/query', { sql: sqlText }).then((rows) => complete(null, {}, rows), complete);
  },
});`,
  },
  '@databricks/sql': {
    versions: ['1.12.0'],
    text: `${POST}
exports.DBSQLClient = class DBSQLClient {
  async connect({ host }) {
    const executeStatement = (sql) => post(host, '/query', { sql });
    return { openSession: async () => ({ executeStatement }) };
  }
};`,
  },
  'adm-zip': {
    versions: ['0.6.0'],
    // one entry, stored: what the tests' server packs
    text: `
module.exports = class AdmZip {
  constructor(buffer) { this.buffer = buffer; }
  getEntries() {
    const [length, more] = [this.buffer.readUInt16LE(26), this.buffer.readUInt16LE(28)];
    const start = 30 + length + more;
    const data = this.buffer.subarray(start, start + this.buffer.readUInt32LE(18));
    return [{ entryName: this.buffer.toString('utf8', 30, 30 + length), getData: () => data }];
  }
};`,
  },
};

/** What the registry says of a package, with the archives of its versions. */
function publish(folder, name, { versions, text, ...more }, archives) {
  const listed = {};
  for (const version of versions) {
    const at = path.join(folder, `${name.replace('/', '-')}-${version}`);
    writeFiles(path.join(at, 'package'), {
      'package.json': { name, version, ...more },
      'index.js': text,
    });
    const archive = execFileSync('tar', ['-czf', '-', '-C', at, 'package']);
    const route = `/${name}/-/${version}.tgz`;
    archives.set(route, archive);
    const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
    listed[version] = { name, version, ...more, dist: { tarball: route, integrity } };
  }
  return { name, 'dist-tags': { latest: versions.at(-1) }, versions: listed };
}

/** The registry that npm is configured for. */
function configured() {
  return execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
}

/**
 * Starts the registry; npm uses it by the variables that are given back.
 * @param {object} [options]
 * @param {string[]} [options.without] stand-ins that the configured registry has instead
 */
async function startRegistry(t, { without = [] } = {}) {
  const folder = tempFolder(t);
  const archives = new Map();
  const known = new Map();
  for (const [name, content] of Object.entries(PACKAGES)) {
    if (!without.includes(name)) known.set(name, publish(folder, name, content, archives));
  }
  const elsewhere = configured();
  const server = http.createServer((request, response) => {
    const base = `http://127.0.0.1:${server.address().port}`;
    const route = decodeURIComponent(request.url);
    const found = known.get(route.slice(1));
    if (archives.has(route)) response.end(archives.get(route));
    else if (found) {
      const absolute = JSON.stringify(found).replaceAll('"tarball":"', `"tarball":"${base}`);
      response.setHeader('content-type', 'application/json').end(absolute);
    } else response.writeHead(302, { location: new URL(request.url, elsewhere).href }).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const cache = path.join(folder, 'cache');
  fs.mkdirSync(cache);
  return {
    npm_config_registry: `http://127.0.0.1:${server.address().port}/`,
    npm_config_cache: cache,
  };
}

module.exports = { startRegistry };
