'use strict';

const Storages = require('./Storages');

require('./Core/storages').registerStorages(Storages);

/**
 * What the runner needs of a connectors package: the base classes, the sources ("connectors") and
 * the storages, each under the name that a configuration uses.
 */
module.exports = {
  Core: require('./Core'),
  Connectors: require('./Sources'),
  Storages,
};
