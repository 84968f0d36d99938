'use strict';

/** An error that a person can act on: its message says the cause and the remedy. */
class ConnectorError extends Error {
  /**
   * @param {string} message
   * @param {{ cause?: unknown }} [options]
   */
  constructor(message, options) {
    super(message, options);
    this.name = 'ConnectorError';
  }
}

/** What is being loaded is not what it was: the rows so far are of no use, and the run starts over. */
class SourceChangedError extends ConnectorError {
  /** @param {string} message for when it changes again and again */
  constructor(message) {
    super(message);
    this.name = 'SourceChangedError';
  }
}

/** A method of a base class that a source or storage has to write itself. */
class NotImplementedError extends ConnectorError {
  /**
   * @param {object} instance
   * @param {string} method
   */
  constructor(instance, method) {
    super(`${instance.constructor.name} has no method ${method}(): write it in that class`);
    this.name = 'NotImplementedError';
  }
}

module.exports = { ConnectorError, NotImplementedError, SourceChangedError };
