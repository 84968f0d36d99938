'use strict';
// What a native class cannot do: objects, errors and promises of the caller's realm. In Jest
// each test file has a realm of its own, and `instanceof Error` fails for native errors.

const CODES = new Set([
  'INVALID_CONFIG',
  'STORAGE_NOT_FOUND',
  'STORAGE_UNSUPPORTED',
  'INVALID_ID',
  'CONNECTORS_NOT_FOUND',
  'INSTALL_FAILED',
  'SPAWN_FAILED',
  'CONNECTOR_FAILED',
  'ISOLATION_UNAVAILABLE',
  'INTERNAL',
]);

/** Prefix of codes whose error is a TypeError. */
const TYPE = 'TYPE/';

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

/** Why a run was rejected. `code`, `result`, `stderrTail` and `hint` are not enumerable. */
class ConnectorRunError extends Error {
  constructor(message, { code, result, stderrTail, hint } = {}) {
    super(message);
    withHidden(this, { name: 'ConnectorRunError', code, result, stderrTail, hint });
  }
}

/** A native error as one of this realm; whatever the caller's own code threw stays as it is. */
function ofThisRealm(error, ErrorClass) {
  const code = error?.code;
  if (typeof code !== 'string') return error;
  if (code.startsWith(TYPE)) {
    return withHidden(new TypeError(error.message), { code: code.slice(TYPE.length) });
  }
  if (CODES.has(code) && !(error instanceof ConnectorRunError)) {
    return ErrorClass === ConnectorRunError
      ? new ConnectorRunError(error.message, { code })
      : withHidden(new ErrorClass(error.message), { code });
  }
  if (code === 'GenericFailure') {
    // napi's code for a panic or a failed conversion
    return withHidden(new ErrorClass(`internal error: ${error.message}`), { code: 'INTERNAL' });
  }
  return error;
}

/** Calls native code; its errors are thrown as errors of this realm. */
function inCallersRealm(work, ErrorClass = Error) {
  try {
    return work();
  } catch (error) {
    const ours = ofThisRealm(error, ErrorClass);
    if (ours !== error) Error.captureStackTrace?.(ours, inCallersRealm);
    throw ours;
  }
}

/**
 * Awaits the JSON answer of a native promise. Throws what it failed with: an error of this realm,
 * or the very object that the caller's own code threw.
 */
async function settle(promise, thrown = {}) {
  let answer;
  try {
    answer = JSON.parse(await promise);
  } catch (error) {
    throw ofThisRealm(error, ConnectorRunError);
  }
  const { failure, result, stderrTail, value } = answer;
  if (!failure) return { result, value };
  if (failure.by === 'thrown') throw thrown.error;
  if (failure.isTypeError) throw withHidden(new TypeError(failure.message), { code: failure.code });
  throw new ConnectorRunError(failure.message, {
    code: failure.code,
    result,
    stderrTail,
    hint: failure.hint,
  });
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

module.exports = { ConnectorRunError, TYPE, inCallersRealm, makeObject, settle, showGetters };
