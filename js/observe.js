'use strict';
// Tells whoever wants to know of the runs of this program: subscribers of diagnostics_channel, and
// OpenTelemetry. Where nobody does, a run costs nothing more.

const { channel, tracingChannel } = require('node:diagnostics_channel');

const { beginTelemetry } = require('./telemetry');

const NAME = 'owox:connector-runner:run';
const runs = tracingChannel(NAME);
const phases = channel(`${NAME}:phase`);
const messages = channel(`${NAME}:message`);

// newer versions of Node.js have a property for it
const isTraced = () =>
  [runs.start, runs.end, runs.asyncStart, runs.asyncEnd, runs.error].some(
    ({ hasSubscribers }) => hasSubscribers,
  );

/** What is told of a run; its fields are what a caller gave, and may be anything. */
function describe({ datamartId, runId, config, runConfig }) {
  const text = (read) => {
    try {
      const value = read();
      return typeof value === 'string' ? value : undefined;
    } catch {
      return undefined;
    }
  };
  return {
    datamartId: text(() => datamartId),
    runId: text(() => runId),
    name: text(() => config.name),
    source: text(() => config.source.name),
    storage: text(() => config.storage.name),
    runType: text(() => runConfig.type),
  };
}

/** A run that nobody watches. */
const UNWATCHED = { wantsPhases: false, wantsMessages: false };

/**
 * Does the work of a run, and tells of it.
 * @template T
 * @param {object} given what the run was called with
 * @param {(watcher: object) => Promise<T>} work gets whom to tell of phases and messages
 * @returns {Promise<T>}
 */
function observed(given, work) {
  const traced = isTraced();
  const wantsMessages = messages.hasSubscribers;
  const run = describe(given);
  const telemetry = beginTelemetry(run);
  if (!traced && !telemetry && !phases.hasSubscribers && !wantsMessages) return work(UNWATCHED);

  const watcher = {
    wantsPhases: phases.hasSubscribers || Boolean(telemetry?.isRecording),
    wantsMessages,
    phase({ phase, time }) {
      telemetry?.phase({ phase, time });
      if (phases.hasSubscribers) phases.publish({ run, phase, time });
    },
    step(step) {
      telemetry?.step(step);
    },
    message(message) {
      if (messages.hasSubscribers) messages.publish({ run, message });
    },
  };
  const begin = traced
    ? () => runs.tracePromise(work, run, undefined, watcher)
    : () => work(watcher);
  if (!telemetry) return begin();
  const ended = telemetry.within(begin);
  return ended.then(
    (result) => {
      telemetry.end(undefined, result);
      return result;
    },
    (error) => {
      telemetry.end(error);
      throw error;
    },
  );
}

module.exports = { observed };
