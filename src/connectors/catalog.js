'use strict';
// Lists what a connectors package has, in a confined process: the host never loads it. Stands
// behind load.js. Arguments: the package's folder, one whose node_modules leads to it, and
// `parameters` where those are wanted that no manifest declares. The answer goes to descriptor 3,
// since a package may print.
/* global loadConnectors */

const { writeSync } = require('node:fs');

function answer(content) {
  const bytes = Buffer.from(JSON.stringify(content));
  for (let sent = 0; sent < bytes.length;) {
    sent += writeSync(3, bytes, sent);
  }
}

function manifestOf(group) {
  const manifest = group?.manifest;
  return manifest !== null && typeof manifest === 'object' ? manifest : null;
}

/** Every member under its own name, as connectors expect it; later ones win. */
function makeGlobal({ Core, Connectors, Storages }) {
  const groups = [Core, ...Object.values(Storages ?? {}), ...Object.values(Connectors ?? {})];
  for (const group of groups) {
    for (const [name, value] of Object.entries(group ?? {})) {
      if (name === 'manifest') continue;
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
  }
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** Definitions as `mergeParameters` takes them, in the words of manifests. */
function described(definitions, depth = 0) {
  const parameters = {};
  for (const [given, definition] of Object.entries(definitions)) {
    if (!isObject(definition) || depth > 5) continue;
    const { requiredType, isRequired, label, description, attributes, minimum, oneOf } = definition;
    // 0.11 has names that end with an asterisk for what is required
    const name = given.replace(/\*$/, '');
    // what a class has derived from other parameters need not be given
    const hasValue = definition.default !== undefined || definition.value !== undefined;
    const parameter = {
      required: (isRequired === true || name !== given) && !hasValue,
      secret:
        definition.secret === true ||
        (Array.isArray(attributes) && attributes.some((one) => /^secret$/i.test(String(one)))),
    };
    if (typeof requiredType === 'string') parameter.type = requiredType.toLowerCase();
    const about = [description, label].find((text) => typeof text === 'string' && text !== '');
    if (about !== undefined) parameter.description = about;
    if (['string', 'number', 'boolean'].includes(typeof definition.default)) {
      parameter.default = definition.default;
    }
    if (typeof minimum === 'number') parameter.minimum = minimum;
    if (Array.isArray(oneOf)) {
      parameter.oneOf = oneOf
        .filter((choice) => typeof choice?.value === 'string')
        .map(({ value, items }) => ({
          value,
          items: isObject(items) ? described(items, depth + 1) : {},
        }));
    }
    parameters[name] = parameter;
  }
  return parameters;
}

/**
 * Whatever somebody may do to a value of a configuration that is empty: read members to any depth,
 * call it, iterate, calculate, put it into a text.
 */
function anything() {
  return new Proxy(function value() {}, {
    get(target, key) {
      switch (key) {
        case Symbol.toPrimitive:
          return (hint) => (hint === 'number' ? 0 : '');
        case Symbol.iterator:
          return function* iterate() {
            yield anything(); // no more than a few, for those who take them all
            yield anything();
          };
        case 'toString':
        case 'valueOf':
        case 'toJSON':
          return () => '';
        case 'length':
        case 'size':
          return 0;
        case 'then': // it is no promise
          return undefined;
        default:
          return typeof key === 'symbol' ? target[key] : anything();
      }
    },
    set: () => true,
    apply: anything,
    construct: anything,
  });
}

/** A configuration that has every parameter, for classes that read some before they name theirs. */
function probeOf(config, mergeParameters) {
  const probe = new Proxy(config, {
    get(target, key) {
      if (key === 'mergeParameters') return mergeParameters;
      if (typeof key === 'string' && key !== 'then' && !(key in target)) return anything();
      const value = Reflect.get(target, key);
      // methods may use private members, which a proxy has not
      return typeof value === 'function' && key !== 'constructor' ? value.bind(target) : value;
    },
  });
  return probe;
}

/**
 * What a class tells a configuration of its parameters when it is constructed; nothing where it
 * cannot be. A storage is stopped there, since it goes on to connect.
 */
function constructed(Core, Class, stops) {
  const definitions = {};
  const enough = new Error('that is all');
  try {
    const config = new Core.AbstractConfig({});
    const probe = probeOf(config, (given) => {
      Object.assign(definitions, given);
      if (stops) throw enough;
      config.mergeParameters?.(given);
      return probe;
    });
    new Class(probe, [], {}, '');
  } catch {
    // what it said before is all that there is
  }
  return described(definitions);
}

/** Adds the parameters that no manifest declares. */
function addParameters({ Core, Connectors, Storages }, sources, storages) {
  for (const [name, manifest] of Object.entries(sources)) {
    const Class = Connectors[name]?.[`${name}Source`];
    if (manifest?.parameters || typeof Class !== 'function') continue;
    const parameters = constructed(Core, Class, false);
    if (Object.keys(parameters).length === 0) continue;
    sources[name] = { ...manifest, parameters, parametersFrom: 'construction' };
  }
  for (const [name, manifest] of Object.entries(storages)) {
    const Class = Storages[name]?.[`${name}Storage`];
    if (!manifest || manifest.parameters || typeof Class !== 'function') continue;
    const parameters = constructed(Core, Class, true);
    if (Object.keys(parameters).length === 0) continue;
    storages[name] = { ...manifest, parameters, parametersFrom: 'construction' };
  }
}

try {
  const [, root, folder, depth] = process.argv;
  const connectors = loadConnectors(folder, root);
  const describe = (groups) =>
    Object.fromEntries(
      Object.entries(groups ?? {}).map(([name, group]) => [name, manifestOf(group)]),
    );
  const sources = describe(connectors.Connectors);
  const storages = describe(connectors.Storages);
  if (depth === 'parameters') {
    makeGlobal(connectors);
    addParameters(connectors, sources, storages);
  }
  answer({ sources, storages });
} catch (error) {
  answer({ error: String(error?.message ?? error) });
}
process.exit(0);
