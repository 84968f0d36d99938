'use strict';

module.exports = {
  CsvFile: require('./CsvFile'),
  HttpJson: require('./HttpJson'),
  TikTokAds: require('./TikTokAds'),
};
