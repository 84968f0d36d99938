'use strict';

const { accessSync, constants, existsSync, realpathSync } = require('node:fs');
const { dirname } = require('node:path');

/**
 * What to do about a file that was refused although its mode allows it: then it was the run's isolation,
 * of which `access` knows nothing.
 *
 * @param {string} path
 * @param {'read' | 'write'} access
 * @returns {string | null} `null` where the file's mode refuses it, too
 */
function isolationRemedy(path, access) {
  const isWrite = access === 'write';
  const tried = isWrite && !existsSync(path) ? dirname(path) : path;
  try {
    accessSync(tried, isWrite ? constants.W_OK : constants.R_OK);
  } catch (cause) {
    // Node's permission model, where the kernel has no rules
    if (cause.code !== 'ERR_ACCESS_DENIED') return null;
  }
  const real = realOf(tried);
  // A database needs files beside its own.
  const granted = isWrite && tried === path ? dirname(real) : real;
  return (
    `the run's isolation does not let it ${access} ${real}; grant that by --allow-${access} ${granted} ` +
    `(isolation.${access}), or name the file without symbolic links`
  );
}

function realOf(path) {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

module.exports = { isolationRemedy };
