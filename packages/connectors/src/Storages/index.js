'use strict';

module.exports = {
  DuckDb: require('./DuckDb'),
  GoogleBigQuery: require('./GoogleBigQuery'),
};
