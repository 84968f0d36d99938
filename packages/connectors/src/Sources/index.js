'use strict';

module.exports = {
  CsvFile: require('./CsvFile'),
};
