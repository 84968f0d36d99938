'use strict';

const { StorageType } = require('../storage-type');

module.exports = { StorageType };
