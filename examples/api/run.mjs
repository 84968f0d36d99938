// The package imported from an ECMAScript module.

import { Config, ConnectorRunner, RunConfig } from '@owox/connector-runner';

import quickstart from './quickstart.js';

const { configuration, connectorsPackage } = quickstart;

const config = new Config({ datamartId: 'my-datamart', ...configuration('run_mjs') });
const runner = new ConnectorRunner({ connectorsPackage });
const { status } = await runner.run('my-datamart', 'run-1', config, new RunConfig({}));
console.error(status);
