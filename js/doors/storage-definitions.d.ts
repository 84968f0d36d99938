export { StorageType } from '../../index';
