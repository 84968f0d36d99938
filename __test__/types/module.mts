// An ES module as importer.
import { Config, ConnectorRunner } from '@owox/connector-runner';
import ConnectorExecutionService from '@owox/connector-runner/src/application/services/connector-execution-service';
import { RunConfig } from '@owox/connector-runner/src/application/dto/run-config.js';

const config = new Config({
  name: 'n',
  source: { name: 's', config: {} },
  storage: { name: 't', config: {} },
});
export const runs = [
  new ConnectorRunner().run('id', 'run', config, new RunConfig({})),
  new ConnectorExecutionService().execute('id', 'run', config),
];
