'use strict';

const { ConnectorError } = require('./errors');
const { toDay } = require('./dates');

/**
 * Parameter definitions for `mergeParameters`, from the `parameters` of a manifest, so that they are
 * written once and can be read without running any code.
 *
 * @param {{ parameters?: Record<string, object> }} manifest
 * @returns {Record<string, object>}
 */
function parametersOf(manifest) {
  const entries = Object.entries(manifest.parameters ?? {});
  return Object.fromEntries(entries.map(([name, parameter]) => [name, definitionOf(parameter)]));
}

function definitionOf({ type, required = false, oneOf, ...rest }) {
  const definition = { ...rest, requiredType: type, isRequired: required };
  if (oneOf !== undefined) {
    definition.oneOf = oneOf.map((choice) => ({
      ...choice,
      items: parametersOf({ parameters: choice.items }),
    }));
  }
  return definition;
}

/**
 * A given value in the type that its definition asks for. Text is converted, because values from a
 * command line or a form are text.
 *
 * @param {string} name for messages
 * @param {unknown} value
 * @param {{ requiredType?: string, minimum?: number, secret?: boolean }} definition
 * @returns {unknown}
 * @throws {ConnectorError} when the value does not fit
 */
function convert(name, value, { requiredType, minimum, secret }) {
  const shown = secret ? 'something else' : show(value);
  const converter = CONVERTERS[requiredType];
  if (requiredType === undefined) return value;
  if (converter === undefined) {
    throw new ConnectorError(
      `Parameter "${name}" is defined with the unknown type "${requiredType}": ` +
        `use one of ${Object.keys(CONVERTERS).join(', ')}`,
    );
  }
  const converted = converter.convert(value);
  if (converted === undefined) {
    const isRounded = [value].flat().some(isRoundedInteger);
    if (isRounded) {
      throw new ConnectorError(
        `Parameter "${name}" has a number that is too long for JSON, which rounds it: put it in quotes`,
      );
    }
    throw new ConnectorError(
      `Parameter "${name}" must be ${converter.expected}, but is ${shown}: correct it`,
    );
  }
  if (minimum !== undefined && converted < minimum) {
    throw new ConnectorError(
      `Parameter "${name}" must be ${minimum} or more, but is ${shown}: correct it`,
    );
  }
  return converted;
}

/** Each returns `undefined` where the value does not fit. */
const CONVERTERS = {
  string: {
    expected: 'a text',
    convert: (value) => {
      if (typeof value === 'string') return value;
      if (isRoundedInteger(value)) return undefined;
      return ['number', 'boolean'].includes(typeof value) ? String(value) : undefined;
    },
  },
  number: {
    expected: 'a number',
    convert: (value) => {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      return Number.isFinite(number) ? number : undefined;
    },
  },
  boolean: {
    expected: 'true or false',
    convert: (value) => ({ true: true, false: false })[String(value).toLowerCase()],
  },
  date: {
    expected: 'a date like 2024-01-31',
    convert: (value) => toDay(value) ?? undefined,
  },
  object: {
    expected: 'an object like {"a": 1}',
    convert: (value) => {
      const object = typeof value === 'string' ? parseJson(value) : value;
      const isObject = typeof object === 'object' && object !== null && !Array.isArray(object);
      return isObject ? object : undefined;
    },
  },
  array: {
    expected: 'a list like ["a", "b"] or "a, b"',
    convert: (value) => {
      if (Array.isArray(value)) return textsOf(value);
      if (typeof value !== 'string') return undefined;
      const parsed = value.trimStart().startsWith('[') ? parseJson(value) : undefined;
      if (Array.isArray(parsed)) return textsOf(parsed);
      return value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    },
  },
};

function isRoundedInteger(value) {
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}

/** Lists are of names and texts, some of which look like numbers. */
function textsOf(items) {
  const texts = items.map((item) => CONVERTERS.string.convert(item));
  return texts.includes(undefined) ? undefined : texts;
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function show(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Whether a person gave a value: nothing, null and an empty text count as not given. */
function isGiven(value) {
  return value !== undefined && value !== null && value !== '';
}

module.exports = { convert, isGiven, parametersOf };
