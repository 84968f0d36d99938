'use strict';

require('./support/matrix').matrix('DuckDb');
