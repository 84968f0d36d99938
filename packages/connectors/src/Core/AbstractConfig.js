'use strict';

const { setTimeout: pause } = require('node:timers/promises');
const { ConnectorError, NotImplementedError } = require('./errors');
const { convert, isGiven } = require('./parameters');

/** A wait that is shorter needs no announcement. */
const SHORT_MS = 500;

/**
 * The parameters of a source and a storage, each an own property: `config.Path = { value: … }`.
 *
 * `mergeParameters` adds what the source and the storage know about them; after
 * `new CsvFileSource(new AbstractConfig({}))` the config therefore lists that source's parameters.
 *
 * @typedef {object} Parameter
 * @property {unknown} [value] what the person gave
 * @property {string} [requiredType] string, number, boolean, date, object or array
 * @property {boolean} [isRequired]
 * @property {unknown} [default] used where no value is given
 * @property {string} [label] a few words
 * @property {string} [description] a sentence or two
 * @property {boolean} [secret] never shown
 * @property {number} [minimum]
 * @property {{ value: string, items: Record<string, Parameter> }[]} [oneOf] the choices of a one-of
 * @property {Record<string, Parameter>} [items] the parameters of the chosen one
 */
class AbstractConfig {
  #defined = new Set();

  /** @param {Record<string, Parameter | unknown>} [parameters] plain values become `{ value }` */
  constructor(parameters = {}) {
    for (const name of Object.keys(parameters)) {
      if (name in this) {
        throw new ConnectorError(`"${name}" cannot be the name of a parameter: rename it`);
      }
      this[name] = toParameter(parameters[name]);
    }
  }

  /**
   * Merges definitions under the given values: the definition says what the parameter is, the
   * configuration says its value.
   *
   * @param {Record<string, Parameter>} definitions
   * @returns {this}
   */
  mergeParameters(definitions) {
    mergeInto(this, definitions);
    for (const name of Object.keys(definitions)) this.#defined.add(name);
    return this;
  }

  /** @returns {boolean} whether a source or storage has defined the parameter */
  isDefined(name) {
    return this.#defined.has(name);
  }

  /**
   * A parameter's value, or its default, in the type that its definition asks for.
   *
   * @param {string} name
   * @param {string} [item] a parameter of the chosen one-of
   * @returns {any} `null` where there is neither value nor default
   * @throws {ConnectorError} when the value does not fit
   */
  getValue(name, item) {
    const own = Object.hasOwn(this, name) ? this[name] : {};
    const parameter = item === undefined ? own : (own.items?.[item] ?? {});
    const value = isGiven(parameter.value) ? parameter.value : (parameter.default ?? null);
    if (value === null || parameter.oneOf !== undefined) return value;
    return convert(item === undefined ? name : `${name}.${item}`, value, parameter);
  }

  /**
   * Gives a defined parameter another value.
   *
   * @throws {ConnectorError} when no source or storage has defined it
   */
  setValue(name, value) {
    if (!this.isDefined(name)) {
      throw new ConnectorError(
        `There is no parameter "${name}": use one of ${[...this.#defined].join(', ')}`,
      );
    }
    this[name].value = value;
  }

  /** @returns {string[]} given parameters that nothing has defined, most often a slip of the pen */
  unknownParameters() {
    return Object.keys(this).filter((name) => !this.isDefined(name));
  }

  /**
   * @returns {true}
   * @throws {ConnectorError} one error that lists everything that is wrong
   */
  validate() {
    const problems = problemsOf(this, '');
    if (problems.length > 0) throw new ConnectorError(problems.join('\n'));
    return true;
  }

  /** @returns {string} the source's name in the configuration */
  getSourceName() {
    throw new NotImplementedError(this, 'getSourceName');
  }

  /** @returns {string} the storage's name in the configuration */
  getStorageName() {
    throw new NotImplementedError(this, 'getStorageName');
  }

  /**
   * Hands a message to whoever runs the connector.
   *
   * @param {string} _type
   * @param {object} [_fields]
   * @returns {Promise<void>} resolves when more may be printed
   */
  print(_type, _fields) {
    throw new NotImplementedError(this, 'print');
  }

  /** A line for a person; `fields` carry the same for a program. */
  log(message, fields) {
    return this.print('log', { message, ...fields });
  }

  /** Sign of life during long work; `fields` say more to whoever can read them. */
  isInProgress(status = true, fields = undefined) {
    return this.print('isInProgress', { status, ...fields });
  }

  /**
   * Waits, and says so: whoever ends a silent run must not take this for silence.
   *
   * @param {number} ms
   * @param {string} reason what for, without secrets
   */
  async wait(ms, reason) {
    if (ms >= SHORT_MS) {
      this.isInProgress(true, { waiting: { untilMs: Math.ceil(Date.now() + ms), reason } });
    }
    await pause(ms);
  }

  /**
   * Hides a secret that was derived, such as an access token, in everything that the run shows from
   * now on. The runner is told by a way of its own, and takes some hundred values a run.
   *
   * @param {string} value
   * @returns {boolean} whether it is hidden: one of under 8 characters, a number or a date is not, and
   *   without a runner there is nobody to hide it
   */
  maskSecret(value) {
    return globalThis[Symbol.for('@owox/connector-runner:maskSecret')]?.(value) ?? false;
  }

  /** @param {number} status one of `STATUS` */
  updateCurrentStatus(status) {
    return this.print('updateCurrentStatus', { status });
  }

  /** @param {Date} date when the last import ended */
  updateLastImportDate(date) {
    return this.print('updateLastImportDate', { date: date.toISOString() });
  }

  /**
   * The state that the next incremental run goes on from. Hosts know it under this spelling.
   *
   * @param {Date} date
   * @param {{ tables?: Record<string, { date: string }> }} [fields] the same for each table
   */
  updateLastRequstedDate(date, fields = undefined) {
    return this.print('updateLastRequstedDate', { date: date.toISOString(), ...fields });
  }

  /** @param {string} warning something that a person should look at, though the run goes on */
  addWarningToCurrentStatus(warning) {
    return this.print('addWarningToCurrentStatus', { warning });
  }
}

function toParameter(given) {
  return typeof given === 'object' && given !== null && !Array.isArray(given)
    ? { ...given }
    : { value: given };
}

function mergeInto(target, definitions) {
  for (const [name, definition] of Object.entries(definitions)) {
    const given = Object.hasOwn(target, name) ? toParameter(target[name]) : {};
    const merged = { ...given, ...definition };
    // A definition must never overwrite what the person gave.
    if ('value' in given) merged.value = given.value;
    const chosen = isGiven(given.value) ? given.value : definition.default;
    const choice = definition.oneOf?.find((candidate) => candidate.value === chosen);
    if (choice) merged.items = mergeInto({ ...given.items }, choice.items ?? {});
    target[name] = merged;
  }
  return target;
}

function problemsOf(parameters, prefix) {
  return Object.entries(parameters).flatMap(([name, parameter]) => {
    const path = prefix + name;
    if (!isGiven(parameter.value)) {
      const isMissing = parameter.isRequired && !isGiven(parameter.default);
      return isMissing ? [`Parameter "${path}" is required: add it to the configuration`] : [];
    }
    if (parameter.oneOf !== undefined) {
      const choices = parameter.oneOf.map((choice) => choice.value);
      return choices.includes(parameter.value)
        ? problemsOf(parameter.items, `${path}.`)
        : [`Parameter "${path}" must be one of ${choices.join(', ')}: choose one of them`];
    }
    try {
      convert(path, parameter.value, parameter);
      return [];
    } catch (error) {
      return [error.message];
    }
  });
}

module.exports = { AbstractConfig };
