'use strict';
// A host as OWOX's backend is one, in a project of its own in which the runner and the connectors
// package are installed. It requires both, lists what the package has, and runs a configuration.
// argv: JSON { style, definition, state, stop }. Answers with messages to its parent.

const connectors = require('@owox/connectors');
const {
  Config,
  ConnectorRunner,
  RunConfig,
  SourceConfig,
  StorageConfig,
} = require('@owox/connector-runner');
const { StorageType } = require('@owox/connector-runner/src/core/types/storage-definitions');

const { style, definition, state, stop } = JSON.parse(process.argv[2]);

/** What a user is shown of the package: all sources, and the parameters of one. */
function catalog() {
  const { Core, Connectors, AvailableConnectors, AvailableStorages } = connectors;
  Object.assign(globalThis, Core);
  const name = definition.source.name;
  const config = new Core.AbstractConfig({});
  new Connectors[name][`${name}Source`](config);
  return {
    sources: AvailableConnectors,
    storages: AvailableStorages,
    title: Connectors[name].manifest.title,
    parameters: Object.keys(config),
  };
}

/** JSON objects back to back; anything else between them loses the whole text. */
function parsed(text) {
  const parts = text
    .trim()
    .replace(/\}\s*\{/g, '}\n{')
    .split('\n');
  return parts.map((part) => JSON.parse(part));
}

async function main() {
  const seen = { messages: [], text: [], errors: [], credentials: [] };
  const pids = new Set();
  const config = new Config({
    name: 'Backend',
    datamartId: 'data-mart',
    source: new SourceConfig(definition.source),
    storage: new StorageConfig({ ...definition.storage, name: StorageType.GOOGLE_BIGQUERY }),
  });
  const stdio = {
    logCapture: {
      onStdout(text) {
        try {
          for (const message of parsed(text)) {
            seen.messages.push(message);
            if (message.type === 'updateCredentials') seen.credentials.push(message.credentials);
          }
        } catch {
          seen.text.push(text);
        }
        if (stop && seen.messages.length > 0) pids.forEach((pid) => process.kill(-pid, 'SIGTERM'));
      },
      onStderr: (text) => seen.errors.push(text),
      passThrough: style === '0.11',
    },
    onSpawn: (pid) => pids.add(pid),
  };
  const runConfig = new RunConfig({ type: 'INCREMENTAL', data: [], state });
  const outcome = await new ConnectorRunner()
    .run('data-mart', 'run', config, runConfig, stdio)
    .then(
      (result) => ({ status: result.status, state: result.state, warnings: result.warnings }),
      ({ code, message, result }) => ({ code, message, signal: result?.signal }),
    );
  // whatever was written to stderr fails the run, and so does an import that was not finished
  const last = seen.messages.filter(({ type }) => type === 'updateCurrentStatus').at(-1);
  const isFailed = seen.errors.length > 0 || 'code' in outcome || [1, 5].includes(last?.status);
  process.send({ catalog: catalog(), outcome, isFailed, pids: [...pids], ...seen }, () => {
    process.disconnect();
  });
}

main();
