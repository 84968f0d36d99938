export { RunConfig } from '../../index';
