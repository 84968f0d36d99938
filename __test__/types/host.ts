// A host like OWOX's backend, seen by the compiler only.
import type { WriteStream } from 'node:fs';

import {
  Config,
  ConnectorExecutionService,
  ConnectorRunError,
  ConnectorRunner,
  NodeJsEnvironment,
  RunConfig,
  RunContext,
  SourceConfig,
  StorageConfig,
  StorageType,
} from '@owox/connector-runner';
import type {
  Dependency,
  ErrorCode,
  ExecutionEnvironmentLike,
  FailedRun,
  RunnerOptions,
  RunOptions,
  RunPhase,
  RunResult,
} from '@owox/connector-runner';

interface Definition {
  name: string;
  source: { name: string; config: Record<string, unknown> };
  storage: { name: string; config: Record<string, unknown> };
}

/** What a queue hands over: nothing is known of it. */
interface Payload {
  runType?: {};
  data?: {};
  state?: {};
}

export async function runDataMart(
  datamartId: string,
  runId: string,
  definition: Definition,
  payload: Payload | undefined,
  processes: Map<number, string>,
): Promise<string | undefined> {
  const config = new Config({
    name: definition.name,
    datamartId,
    source: new SourceConfig({ name: definition.source.name, config: definition.source.config }),
    storage: new StorageConfig({
      name: definition.storage.name,
      config: definition.storage.config,
    }),
  });
  const runConfig = new RunConfig({
    type: payload?.runType || 'INCREMENTAL',
    data: payload?.data || [],
    state: payload?.state || {},
  });
  const lines: string[] = [];
  const runner = new ConnectorRunner();
  try {
    const result = await runner.run(datamartId, runId, config, runConfig, {
      logCapture: {
        onStdout: (message: string) => lines.push(message),
        onStderr: (message: string) => void lines.push(message),
        passThrough: false,
      },
      onSpawn: (pid: number | undefined) => {
        if (pid) processes.set(pid, runId);
      },
    });
    const { status, exitCode, state }: RunResult = result;
    if (status === 'success' && exitCode === 0) return state?.date;
    // @ts-expect-error a run that was not successful rejects
    if (status === 'stopped') return undefined;
  } catch (error) {
    if (error instanceof ConnectorRunError) {
      const code: ErrorCode = error.code;
      const tail: string | undefined = error.stderrTail;
      const failed: FailedRun | undefined = error.run;
      if (failed) {
        const phase: RunPhase | undefined = failed.phase;
        const ms: number = failed.timings.environmentMs + failed.durationMs;
        // @ts-expect-error a run that failed was no success
        if (failed.status === 'success') return phase;
        // @ts-expect-error there may be no process
        return `${failed.pid} ${ms}`;
      }
      return `${code} ${error.result?.signal ?? ''} ${tail ?? ''} ${error.hint ?? ''}`;
    }
    throw error;
  }
  return undefined;
}

export function anyPayload(payload: any, unknownPayload: unknown): RunConfig[] {
  return [
    new RunConfig({ type: payload.type, data: payload.data, state: payload.state }),
    new RunConfig({ type: unknownPayload }),
    new RunConfig({}),
    new RunConfig(),
  ];
}

class Recording implements ExecutionEnvironmentLike {
  readonly calls: string[] = [];
  async createEnvironment(datamartId: string, runId: string, dependencies: Dependency[]) {
    this.calls.push(`${datamartId} ${runId} ${dependencies.map(({ name }) => name).join()}`);
    return '/path';
  }
  async executeConnector(path: string, env: Record<string, string>) {
    this.calls.push(`${path} ${env.OW_RUN_ID}`);
  }
  cleanup() {}
}

class Mine extends NodeJsEnvironment {
  override async createEnvironment(connectorId: string, runId: string) {
    return super.createEnvironment(connectorId, runId, []);
  }
}

export const services = [
  new ConnectorExecutionService(),
  new ConnectorExecutionService(null, { runsDir: '/runs' }),
  new ConnectorExecutionService(new Recording()),
  new ConnectorExecutionService(new Mine({ connectorsPackage: '@owox/connectors' })),
];

const options: RunnerOptions = { env: ['PATH'], isolation: 'none', store: 'off' };
export const runner = new ConnectorRunner(options);
export const documented = runner.run('id', 'run', {
  name: 'TikTokAdsConnector',
  source: { name: 'TikTokAds', config: { AccessToken: { value: 'x' } } },
  storage: { name: StorageType.GOOGLE_BIGQUERY, config: {} },
});
export const duck = runner.run('id', 'run', { storage: { name: 'X' }, toObject: () => ({}) });
export const stdio = [
  runner.run('id', 'run', { storage: { name: 'X' }, toObject: () => ({}) }, undefined, 'pipe'),
  runner.run('id', 'run', { storage: { name: 'X' }, toObject: () => ({}) }, undefined, [
    'ignore',
    process.stdout,
    2,
  ]),
];
export const variables: Record<string, string> = new RunContext(
  'id',
  'run',
  new Config({ name: 'n', source: { name: 's', config: {} }, storage: { name: 't', config: {} } }),
  new RunConfig(),
).getEnvironmentVariables();

/** What programs declare for themselves has no index signatures. */
interface Parameters {
  Path: string;
}
interface Section {
  name: string;
  config: Parameters;
}
interface OwnDefinition {
  name: string;
  source: Section;
  storage: Section;
}
export const typed = (definition: OwnDefinition) => [
  new Config(definition),
  new Config({ ...definition, datamartId: undefined, description: 'of the program' }),
  new SourceConfig(definition.source),
];
export const toFile = (file: WriteStream) =>
  runner.run('id', 'run', { storage: { name: 'X' }, toObject: () => ({}) }, undefined, [
    'ignore',
    file,
  ]);

// @ts-expect-error parameters are an object
new SourceConfig({ name: 's', config: 5 });
// @ts-expect-error a name is required
new SourceConfig({ config: {} });
// @ts-expect-error a source is required
new Config({ name: 'n', storage: { name: 't', config: {} } });
// @ts-expect-error unknown options are not typed
new ConnectorRunner({ runs_dir: '/runs' });
// @ts-expect-error no such stdio
runner.run('id', 'run', { storage: { name: 'X' }, toObject: () => ({}) }, undefined, 'ipc');

/** A run takes what a runner takes, but what concerns many runs. */
export const everything = (where: RunOptions) =>
  runner.run('id', 'run', { storage: { name: 'X' }, toObject: () => ({}) }, undefined, 'ignore', {
    ...where,
    connectorsPackage: './connectors',
    nodePath: '/usr/bin/node',
    runsDir: '/runs',
    store: 'off',
    storeDir: '/store',
    refresh: true,
    storeMaxAgeDays: 7,
    lockfile: 'c.lock.json',
    projectDir: '.',
    eager: true,
    stacks: 'unexpected',
    allowScripts: ['x'],
    allowSpecs: ['git'],
    onProgress: ({ phase }) => void phase,
    onUsage: ({ rssBytes, cpuMs }) => void (rssBytes + cpuMs),
  });
export const tooMuch: RunOptions = {
  // @ts-expect-error a runner's alone
  maxConcurrentRuns: 1,
};
