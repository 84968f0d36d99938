'use strict';

const { AbstractConnector } = require('../../Core/AbstractConnector');
const { TikTokAdsSource } = require('./Source');

/** The run as it comes from the base class. */
class TikTokAdsConnector extends AbstractConnector {}

module.exports = { TikTokAdsSource, TikTokAdsConnector, manifest: require('./manifest.json') };
