'use strict';
// What else goes wrong with DuckDb is in duckdb.test.js.

const { after, before } = require('node:test');

const { isOfAnotherShape } = require('./support/failures');
const { target } = require('./support/targets');

isOfAnotherShape(target('DuckDb', { before, after }));
