'use strict';

require('./support/matrix').matrix('GoogleBigQuery');
