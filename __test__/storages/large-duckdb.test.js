'use strict';

require('./support/large').large('DuckDb');
