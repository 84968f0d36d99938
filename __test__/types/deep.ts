// Every documented deep path, with and without `.js`.
import ConnectorExecutionService = require('@owox/connector-runner/src/application/services/connector-execution-service');
import ServiceJs = require('@owox/connector-runner/src/application/services/connector-execution-service.js');
import {
  Config,
  RunConfig,
  SourceConfig,
  StorageConfig,
} from '@owox/connector-runner/src/application/dto';
import { Config as ConfigOnly } from '@owox/connector-runner/src/application/dto/config';
import { StorageConfig as StorageJs } from '@owox/connector-runner/src/application/dto/config.js';
import { RunConfig as RunConfigOnly } from '@owox/connector-runner/src/application/dto/run-config';
import { RunConfig as RunConfigJs } from '@owox/connector-runner/src/application/dto/run-config.js';
import RunContext = require('@owox/connector-runner/src/core/domain/run-context');
import RunContextJs = require('@owox/connector-runner/src/core/domain/run-context.js');
import { StorageType } from '@owox/connector-runner/src/core/types/storage-definitions';
import { StorageType as TypeJs } from '@owox/connector-runner/src/core/types/storage-definitions.js';
import ExecutionEnvironment = require('@owox/connector-runner/src/core/interfaces/execution-environment');
import EnvironmentJs = require('@owox/connector-runner/src/core/interfaces/execution-environment.js');
import DependencyManager = require('@owox/connector-runner/src/core/interfaces/dependency-manager');
import ManagerJs = require('@owox/connector-runner/src/core/interfaces/dependency-manager.js');
import TemplateRenderer = require('@owox/connector-runner/src/core/interfaces/template-renderer');
import RendererJs = require('@owox/connector-runner/src/core/interfaces/template-renderer.js');
import NodeJsEnvironment = require('@owox/connector-runner/src/infrastructure/environments/nodejs-environment');
import NodeJs = require('@owox/connector-runner/src/infrastructure/environments/nodejs-environment.js');
import NpmDependencyManager = require('@owox/connector-runner/src/infrastructure/dependencies/npm-dependency-manager');
import NpmJs = require('@owox/connector-runner/src/infrastructure/dependencies/npm-dependency-manager.js');
import NodeJsTemplateRenderer = require('@owox/connector-runner/src/infrastructure/templates/nodejs-template-renderer');
import TemplateJs = require('@owox/connector-runner/src/infrastructure/templates/nodejs-template-renderer.js');
import ConnectorRunnerCli = require('@owox/connector-runner/src/cli/connector-runner-cli');
import CliJs = require('@owox/connector-runner/src/cli/connector-runner-cli.js');

class MyEnvironment extends ExecutionEnvironment {}
class MyManager extends DependencyManager {}
class MyRenderer extends TemplateRenderer {
  override render() {
    return '';
  }
}

const environment = new NodeJsEnvironment();
environment.dependencyManager = new MyManager();
environment.templateRenderer = new MyRenderer();

const source = new SourceConfig({ name: 's', config: {} });
const storage = new StorageConfig({ name: StorageType.AWS_ATHENA, config: {} });
const config: ConfigOnly = new Config({ name: 'n', source, storage });
const runConfig: RunConfigOnly = new RunConfig({ type: 'CUSTOM' });

export const used = [
  new ConnectorExecutionService(new MyEnvironment()).execute('id', 'run', config, runConfig),
  new RunContext('id', 'run', config, runConfig).getUniqueId(),
  new NpmDependencyManager().getDefaultDependencies(),
  new NodeJsTemplateRenderer().render([]),
  new ConnectorRunnerCli().run(process.argv),
  [ServiceJs, StorageJs, RunConfigJs, RunContextJs, TypeJs, EnvironmentJs, ManagerJs, RendererJs],
  [NodeJs, NpmJs, TemplateJs, CliJs],
];
