'use strict';

const { ConnectorError, NotImplementedError, SourceChangedError } = require('./errors');
const { AbstractConfig } = require('./AbstractConfig');
const { NodeJsConfig } = require('./NodeJsConfig');
const { AbstractRunConfig, RUN_TYPE } = require('./AbstractRunConfig');
const { AbstractSource } = require('./AbstractSource');
const { AbstractStorage } = require('./AbstractStorage');
const { AbstractConnector } = require('./AbstractConnector');
const { DateFormat } = require('./DateFormat');
const { fetchJson } = require('./http');
const { OAuth2 } = require('./OAuth2');
const { nextLink, nextUrl, pagesOf } = require('./pages');
const { placeValue, valueAt } = require('./paths');
const { STATUS } = require('./status');
const { toText } = require('./toText');
const { TypeInference } = require('./TypeInference');

module.exports = {
  ConnectorError,
  NotImplementedError,
  SourceChangedError,
  AbstractConfig,
  NodeJsConfig,
  AbstractRunConfig,
  AbstractSource,
  AbstractStorage,
  AbstractConnector,
  TypeInference,
  DateFormat,
  OAuth2,
  fetchJson,
  nextLink,
  nextUrl,
  pagesOf,
  placeValue,
  valueAt,
  toText,
  RUN_TYPE,
  STATUS,
};
