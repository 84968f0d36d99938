'use strict';
// An npm registry on the loopback, for packages that a test makes up.

const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const http = require('node:http');
const path = require('node:path');

const { tempFolder, writeFiles } = require('./temp');

/** A package as npm packs it: its files (path → text or JSON), with package.json, in an archive. */
function archive(t, files) {
  const folder = tempFolder(t);
  writeFiles(path.join(folder, 'package'), files);
  return execFileSync('tar', ['-czf', '-', '-C', folder, 'package'], { maxBuffer: 1 << 26 });
}

/** npm's digest of an archive. */
function integrityOf(bytes) {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}

/**
 * Serves packages, and archives at `/extra/NAME`, which no package of the registry has.
 * @param {Array<object>} packages each package.json; `files` has further files; `tarball` and `integrity`
 *   another address of its archive (a function of the registry's own) and its digest
 * @param {Record<string, Buffer>} [extra] further archives
 * @param {string} [token] what a request must have to be answered
 * @returns {Promise<string>} its address
 */
async function registry(t, packages, extra = {}, token = undefined) {
  const archives = new Map(Object.entries(extra).map(([name, bytes]) => [`/extra/${name}`, bytes]));
  const documents = new Map();
  const server = http.createServer((request, response) => {
    const address = decodeURIComponent(request.url);
    const isAllowed = !token || request.headers.authorization === `Bearer ${token}`;
    const found = isAllowed ? (archives.get(address) ?? documents.get(address)) : undefined;
    response.writeHead(found ? 200 : isAllowed ? 404 : 401, { 'content-type': 'application/json' });
    response.end(Buffer.isBuffer(found) ? found : JSON.stringify(found ?? {}));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  for (const { files, tarball, integrity, ...manifest } of packages) {
    const bytes = archive(t, { 'package.json': manifest, 'index.js': '', ...files });
    const { name, version } = manifest;
    const place = `/${name}/-/${path.basename(name)}-${version}.tgz`;
    archives.set(place, bytes);
    const document = documents.get(`/${name}`) ?? { name, 'dist-tags': {}, versions: {}, time: {} };
    document['dist-tags'].latest = version;
    document.time[version] = new Date().toISOString();
    const { install, preinstall, postinstall } = manifest.scripts ?? {};
    document.versions[version] = {
      ...manifest,
      hasInstallScript: Boolean(install || preinstall || postinstall) || undefined,
      _hasShrinkwrap: files?.['npm-shrinkwrap.json'] ? true : undefined,
      dist: { tarball: tarball?.(url) ?? url + place, integrity: integrity ?? integrityOf(bytes) },
    };
    documents.set(`/${name}`, document);
  }
  return url;
}

/** Variables with which npm uses that registry, and has its files in this folder. */
function npmVariables(url, home) {
  return {
    HOME: home,
    npm_config_userconfig: path.join(home, 'none'),
    npm_config_registry: `${url}/`,
    npm_config_cache: path.join(home, 'cache'),
    npm_config_fetch_retries: '0',
  };
}

module.exports = { archive, integrityOf, npmVariables, registry };
