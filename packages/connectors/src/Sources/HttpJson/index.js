'use strict';

const { AbstractConnector } = require('../../Core/AbstractConnector');
const { HttpJsonSource } = require('./Source');

/** The run as it comes from the base class. */
class HttpJsonConnector extends AbstractConnector {}

module.exports = { HttpJsonSource, HttpJsonConnector, manifest: require('./manifest.json') };
