'use strict';
// Finds and loads the native addon, and knows where its helper is.

const { existsSync } = require('node:fs');
const path = require('node:path');

const packageRoot = path.join(__dirname, '..');

/** The platform's name in file and package names, such as `linux-x64-gnu`. */
function platformName() {
  if (process.platform !== 'linux') return `${process.platform}-${process.arch}`;
  process.report.excludeNetwork = true; // the report would look up host names
  const { glibcVersionRuntime } = process.report.getReport().header;
  return `linux-${process.arch}-${glibcVersionRuntime ? 'gnu' : 'musl'}`;
}

const platform = platformName();
const fileName = `connector-runner.${platform}.node`;

/** Folders that may hold the addon: what was built here, then the prebuilt package. */
function candidates() {
  const folders = [path.join(packageRoot, 'npm', platform)];
  try {
    const manifest = require.resolve(`@owox/connector-runner-${platform}/package.json`);
    folders.push(path.dirname(manifest));
  } catch {
    // not installed
  }
  return folders;
}

function missing(cause) {
  const windows = process.platform === 'win32' ? ' On Windows, use it inside WSL.' : '';
  const error = new Error(
    `The native addon of @owox/connector-runner for ${platform} (Node.js ${process.version}) ` +
      `${cause ? `cannot be loaded: ${cause.message}` : 'is missing'}. ` +
      `Install the prebuilt package @owox/connector-runner-${platform}, or install Rust (rustup) and ` +
      `build it: npm run build --prefix "${packageRoot}". Where npm blocked the install script, ` +
      `approve it and install again.${windows}`,
    cause ? { cause } : undefined,
  );
  error.code = 'NATIVE_MISSING';
  return error;
}

function load() {
  const folder = candidates().find((candidate) => existsSync(path.join(candidate, fileName)));
  if (!folder) throw missing();
  try {
    const native = require(path.join(folder, fileName));
    return { native, supervisor: path.join(folder, 'connector-supervisor') };
  } catch (cause) {
    throw missing(cause);
  }
}

module.exports = { ...load(), packageRoot, platform };
