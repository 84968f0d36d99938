'use strict';

const { Config, SourceConfig, StorageConfig } = require('./js/config');
const ConnectorExecutionService = require('./js/connector-execution-service');
const ConnectorRunner = require('./js/connector-runner');
const ConnectorRunnerCli = require('./js/connector-runner-cli');
const { DependencyManager, ExecutionEnvironment, TemplateRenderer } = require('./js/interfaces');
const { NodeJsEnvironment } = require('./js/nodejs-environment');
const { isKnownMessage } = require('./js/message-stream');
const NodeJsTemplateRenderer = require('./js/nodejs-template-renderer');
const NpmDependencyManager = require('./js/npm-dependency-manager');
const { ConnectorRunError } = require('./js/realm');
const { RunConfig } = require('./js/run-config');
const RunContext = require('./js/run-context');
const { StorageType } = require('./js/storage-type');

module.exports = {
  Config,
  ConnectorExecutionService,
  ConnectorRunError,
  ConnectorRunner,
  ConnectorRunnerCli,
  DependencyManager,
  ExecutionEnvironment,
  NodeJsEnvironment,
  NodeJsTemplateRenderer,
  NpmDependencyManager,
  RunConfig,
  RunContext,
  SourceConfig,
  StorageConfig,
  StorageType,
  TemplateRenderer,
  isKnownMessage,
};
