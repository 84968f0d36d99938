export { Config, SourceConfig, StorageConfig } from '../../index';
