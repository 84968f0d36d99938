'use strict';

const { AbstractConnector } = require('../../Core/AbstractConnector');

/** The run as it comes from the base class: a CSV file needs nothing of its own. */
class CsvFileConnector extends AbstractConnector {}

module.exports = { CsvFileConnector };
