'use strict';
// As a host would have it: Jest's defaults, apart from what only costs time here.

module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/*.spec.js'],
  transform: {}, // these files need no Babel
};
