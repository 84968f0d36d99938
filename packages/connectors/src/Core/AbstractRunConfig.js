'use strict';

const { ConnectorError } = require('./errors');

/** What a run may be asked to do. */
const RUN_TYPE = Object.freeze({
  /** Go on from where the last run ended. */
  INCREMENTAL: 'INCREMENTAL',
  /** Load a range of dates again; the state stays where it is. */
  MANUAL_BACKFILL: 'MANUAL_BACKFILL',
  /** Load everything and replace the table by it. */
  FULL_REFRESH: 'FULL_REFRESH',
  /** Run with other values for some parameters; the state stays where it is. */
  CUSTOM: 'CUSTOM',
});

/** How this run differs from the configuration: its type, values for it, the state so far. */
class AbstractRunConfig {
  /**
   * @param {object} [runConfig]
   * @param {string} [runConfig.type] one of `RUN_TYPE`; INCREMENTAL by default
   * @param {{ configField: string, value: unknown }[] | Record<string, unknown>} [runConfig.data]
   * @param {{ date?: string, tables?: Record<string, { date: string }> }} [runConfig.state] from the
   *   last `updateLastRequstedDate`
   */
  constructor(runConfig) {
    const { type, data, state } = runConfig ?? {};
    this.type = type || RUN_TYPE.INCREMENTAL;
    this.data = data ?? [];
    this.state = state ?? {};
  }

  /** @returns {[string, unknown][]} parameter and value, in the order given */
  get overrides() {
    if (!Array.isArray(this.data)) return Object.entries(this.data);
    return this.data.map((entry) => [entry?.configField, entry?.value]);
  }

  /**
   * @returns {true}
   * @throws {ConnectorError}
   */
  validate() {
    const types = Object.values(RUN_TYPE);
    if (!types.includes(this.type)) {
      throw new ConnectorError(
        `Run type "${this.type}" is unknown: use one of ${types.join(', ')}`,
      );
    }
    for (const [field] of this.overrides) {
      if (typeof field !== 'string' || field === '') {
        throw new ConnectorError(
          'Each entry of the run\'s data must look like {"configField": "StartDate", "value": "…"}',
        );
      }
    }
    return true;
  }
}

module.exports = { AbstractRunConfig, RUN_TYPE };
