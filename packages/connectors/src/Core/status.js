'use strict';

/** The numbers that `updateCurrentStatus` messages carry. */
const STATUS = Object.freeze({
  IMPORT_IN_PROGRESS: 1,
  CLEANUP_IN_PROGRESS: 2,
  IMPORT_DONE: 3,
  CLEANUP_DONE: 4,
  ERROR: 5,
});

module.exports = { STATUS };
