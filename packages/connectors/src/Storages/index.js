'use strict';

module.exports = {
  DuckDb: require('./DuckDb'),
};
