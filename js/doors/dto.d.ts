export { Config, SourceConfig, StorageConfig, RunConfig } from '../../index';
