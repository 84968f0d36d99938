'use strict';

const { native } = require('./native');

// a copy, so that it is an object of the caller's realm
const StorageType = { ...native.StorageType };

module.exports = { StorageType };
