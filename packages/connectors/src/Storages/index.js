'use strict';

module.exports = {
  AwsAthena: require('./AwsAthena'),
  DuckDb: require('./DuckDb'),
  GoogleBigQuery: require('./GoogleBigQuery'),
};
