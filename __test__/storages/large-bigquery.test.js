'use strict';

require('./support/large').large('GoogleBigQuery');
