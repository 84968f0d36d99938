'use strict';
// Which proxy a request goes by, as the variables *_PROXY and NO_PROXY say it to most programs.

const { BlockList, isIP } = require('node:net');
const { ConnectorError } = require('./errors');

/** By the protocol of the address that is asked; small letters go first, as with curl. */
const VARIABLES = {
  'http:': ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'],
  'https:': ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'],
};
const DEFAULT_PORTS = { 'http:': 80, 'https:': 443 };

/**
 * @typedef {object} Proxy
 * @property {URL} url
 * @property {string} variable that names it
 *
 * @param {URL} target
 * @param {Record<string, string | undefined>} [variables]
 * @returns {Proxy | null} `null` where the address is asked directly; this machine always is
 * @throws {ConnectorError} where a variable names something that is no proxy
 */
function proxyFor(target, variables = process.env) {
  const variable = (VARIABLES[target.protocol] ?? []).find((name) => variables[name]?.trim());
  if (variable === undefined) return null;
  const host = target.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const port = Number(target.port) || DEFAULT_PORTS[target.protocol];
  const exceptions = variables.no_proxy || variables.NO_PROXY || '';
  if (isThisMachine(host) || isExcepted(host, port, exceptions)) return null;
  return { url: proxyUrl(variables[variable].trim(), variable), variable };
}

function proxyUrl(text, variable) {
  const address = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url !== null && url.hostname !== '' && Object.hasOwn(DEFAULT_PORTS, url.protocol)) return url;
  throw new ConnectorError(
    `The variable ${variable} names no http(s) proxy: correct it, or except the server by NO_PROXY`,
  );
}

function isThisMachine(host) {
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127\./.test(host)
  );
}

/** `*`, names with all that is below them, with or without a port, addresses and ranges of them. */
function isExcepted(host, port, list) {
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name, only] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? [null, entry];
      if (only !== undefined && Number(only) !== port) return false;
      const plain = name.replace(/^\[|\]$/g, '').toLowerCase();
      if (plain.includes('/')) return isInRange(host, plain);
      const suffix = plain.replace(/^\*?\./, '');
      return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`));
    });
}

function isInRange(host, range) {
  const [network, bits] = range.split('/');
  const version = isIP(network);
  if (version === 0 || isIP(host) !== version || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (version === 4 ? 32 : 128)) return false;
  const family = `ipv${version}`;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(host, family);
}

module.exports = { proxyFor };
