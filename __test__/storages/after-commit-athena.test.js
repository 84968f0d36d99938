'use strict';

require('./support/after-commit').afterCommitOf('AwsAthena');
