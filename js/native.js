'use strict';
// Finds and loads the native addon, and knows where its helper is.

const path = require('node:path');

const packageRoot = path.join(__dirname, '..');

/** Platform names that may fit, as in file and package names. */
const platforms =
  process.platform === 'linux'
    ? [`linux-${process.arch}-gnu`, `linux-${process.arch}-musl`]
    : [`${process.platform}-${process.arch}`];

/** Files that may be the addon: what was built here, then a prebuilt package. */
function* candidates() {
  for (const platform of platforms) {
    const file = `connector-runner.${platform}.node`;
    yield path.join(packageRoot, 'npm', platform, file);
    try {
      const manifest = require.resolve(`@owox/connector-runner-${platform}/package.json`);
      yield path.join(path.dirname(manifest), file);
    } catch {
      // not installed
    }
  }
}

function missing(cause) {
  const platform = platforms[0];
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

/** Whether there is no such file: as Node says so, and as Jest does. */
function isAbsent(cause, file) {
  const isUnknown = cause?.code === 'MODULE_NOT_FOUND' || cause?.code === 'ENOENT';
  return isUnknown && String(cause.message).includes(file);
}

function load() {
  let failure;
  for (const file of candidates()) {
    // Tried, and not looked for: in a host's tests `fs` may be a mock.
    try {
      return {
        native: require(file),
        supervisor: path.join(path.dirname(file), 'connector-supervisor'),
      };
    } catch (cause) {
      // built for another C library, perhaps
      if (!isAbsent(cause, file)) failure ??= cause;
    }
  }
  throw missing(failure);
}

module.exports = { ...load(), packageRoot };
