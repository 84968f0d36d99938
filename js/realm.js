'use strict';
// What a native class cannot do: objects, errors and promises of the caller's realm. In Jest
// each test file has a realm of its own, and `instanceof Error` fails for native errors.

/** How native code marks the codes of its errors; the second makes a TypeError. */
const PLAIN = 'owox:';
const TYPE = 'owox:TypeError:';

/** Native code calls this for each object it makes. */
const makeObject = () => ({});

function withHidden(error, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) {
      Object.defineProperty(error, name, { value, configurable: true, writable: true });
    }
  }
  return error;
}

/** Why a run was rejected. None of its fields is enumerable. */
class ConnectorRunError extends Error {
  constructor(message, { code, result, stderrTail, hint, run } = {}) {
    super(message);
    withHidden(this, { name: 'ConnectorRunError', code, result, stderrTail, hint, run });
  }
}

/** What is known of a run that was refused before it began. */
const NOT_BEGUN = {
  status: 'failed',
  durationMs: 0,
  timings: { queueMs: 0, environmentMs: 0, spawnMs: 0, executionMs: 0, cleanupMs: 0 },
};

/** Errors of ours that are no ConnectorRunError: arguments that are wrong (contract, section 2). */
const refusals = new WeakSet();

/** Whether an error is ours, and not what the caller's own code threw. */
const isOurs = (error) => error instanceof ConnectorRunError || refusals.has(error);

/** Adds to an error of ours what is known of its run, where nothing is yet, and the run's ids. */
function ofRun(error, ids, run = error?.run) {
  if (isOurs(error) && Object.isExtensible(error)) {
    withHidden(error, { run: { ...ids, ...NOT_BEGUN, ...run } });
  }
  return error;
}

/** A run that was cancelled, in the form in which Node's own functions say so. */
function aborted(message, details, reason) {
  const error = new ConnectorRunError(message, details);
  return withHidden(error, { name: 'AbortError', cause: reason });
}

/** An error about arguments. */
function refusal(ErrorClass, message, code) {
  const error = withHidden(new ErrorClass(message), { code });
  refusals.add(error);
  return error;
}

/** A native error as one of this realm; whatever the caller's own code threw stays as it is. */
function ofThisRealm(error, ErrorClass) {
  const marked = error?.code;
  if (typeof marked !== 'string' || !marked.startsWith(PLAIN)) return error;
  if (marked.startsWith(TYPE)) {
    return refusal(TypeError, error.message, marked.slice(TYPE.length));
  }
  const code = marked.slice(PLAIN.length);
  return ErrorClass === ConnectorRunError
    ? new ConnectorRunError(error.message, { code })
    : refusal(ErrorClass, error.message, code);
}

/** Calls native code; its errors are thrown as errors of this realm. Lets go of `thrown` then. */
function inCallersRealm(work, ErrorClass = Error, thrown = undefined) {
  try {
    return work();
  } catch (error) {
    thrown?.release?.();
    const ours = ofThisRealm(error, ErrorClass);
    if (ours !== error) Error.captureStackTrace?.(ours, inCallersRealm);
    throw ours;
  }
}

/**
 * Awaits the JSON answer of a native promise. Throws what it failed with: an error of this realm,
 * or the very object that the caller's own code threw. Lets go of `signals` then.
 */
async function settle(promise, thrown = {}, signals = undefined) {
  let answer;
  let reason;
  try {
    // without a prototype, so that a field that is absent is absent
    answer = { __proto__: null, ...JSON.parse(await promise) };
  } catch (error) {
    // only a bug of ours, such as a panic, rejects the native promise
    throw new ConnectorRunError(`internal error: ${error?.message}`, { code: 'INTERNAL' });
  } finally {
    reason = signals?.release();
    thrown.release?.();
  }
  const { failure, result, stderrTail, value, run } = answer;
  if (!failure) return { result, value };
  // such as that of an environment of ours within one of the caller's
  if (failure.by === 'thrown') throw run ? ofRun(thrown.error, {}, run) : thrown.error;
  if (failure.isTypeError)
    throw withHidden(refusal(TypeError, failure.message, failure.code), { run });
  const details = { code: failure.code, result, stderrTail, hint: failure.hint, run };
  if (failure.code === 'ABORT_ERR') throw aborted(failure.message, details, reason);
  throw new ConnectorRunError(failure.message, details);
}

/**
 * Makes prototype getters visible as own properties, so that JSON.stringify, spread and Jest's
 * toEqual see the values that native getters give.
 */
function showGetters(instance, names) {
  for (const name of names) {
    Object.defineProperty(instance, name, {
      configurable: true,
      enumerable: true,
      get: () => Reflect.get(Object.getPrototypeOf(instance), name, instance),
    });
  }
}

module.exports = {
  ConnectorRunError,
  inCallersRealm,
  isOurs,
  makeObject,
  ofRun,
  settle,
  showGetters,
  withHidden,
};
