'use strict';

require('./support/large').large('AwsAthena');
