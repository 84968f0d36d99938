'use strict';
// Finds and loads the native addon, and knows where its helper is.

const NAME = '@owox/connector-runner';

/** A bundler has put this file into another one: from there neither addon nor scripts are found. */
function bundled(cause) {
  const error = new Error(
    `${NAME} was bundled, and cannot find its native addon and the scripts that its processes start ` +
      'from there. Leave it out of the bundle, and install it beside it: esbuild and ncc with ' +
      `--external:${NAME} (ncc: --external ${NAME}), webpack and Rspack with ` +
      `externals: { '${NAME}': 'commonjs ${NAME}' }, Rollup and Vite (ssr) with external: ['${NAME}'], ` +
      `Next.js with serverExternalPackages: ['${NAME}']. docs/bundlers.md in the package has examples`,
    cause ? { cause } : undefined,
  );
  error.code = 'NATIVE_MISSING';
  return error;
}

/** The folder of the package. In a bundle that is an ES module there is no `__dirname`, nor `require`. */
function locate() {
  try {
    return [require('node:path'), __dirname];
  } catch (cause) {
    throw bundled(cause);
  }
}

const [path, folder] = locate();
const packageRoot = path.join(folder, '..');

/** Whether this file is where it was installed. */
function isInPackage() {
  try {
    return require(path.join(packageRoot, 'package.json')).name === NAME;
  } catch {
    return false;
  }
}

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
  if (!isInPackage()) return bundled(cause);
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
      const native = require(file);
      // a prebuilt package is found from inside a bundle as well
      if (!file.startsWith(path.join(packageRoot, 'npm', path.sep)) && !isInPackage())
        throw bundled();
      return { native, supervisor: path.join(path.dirname(file), 'connector-supervisor') };
    } catch (cause) {
      // built for another C library, perhaps
      if (!isAbsent(cause, file)) failure ??= cause;
    }
  }
  throw missing(failure);
}

module.exports = { ...load(), packageRoot };
