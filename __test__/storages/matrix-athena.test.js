'use strict';

require('./support/matrix').matrix('AwsAthena');
