'use strict';

require('./support/second-runs').secondRuns('DuckDb');
