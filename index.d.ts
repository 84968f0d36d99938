/**
 * `@owox/connector-runner`: runs OWOX Data Marts connectors, each in a Node.js process of its own.
 *
 * Units: times are milliseconds, sizes bytes, unless a name says otherwise. Every error has a
 * stable `code`; see {@link ErrorCode}.
 */

// ---------------------------------------------------------------------------------------------
// Configuration
// ---------------------------------------------------------------------------------------------

/** Parameters by name, as people write them: a primitive, `{ value }`, or a one-of choice. */
export type Parameters = Record<string, unknown>;

/** What `new SourceConfig` and `new StorageConfig` take. */
export interface SectionInput {
  /** Name of the source or storage: its folder in the connectors package. */
  name: string;
  /** Its parameters; `object`, so that interfaces and classes of the caller's fit. */
  config: Parameters | object;
}

/** What `toObject()` of a source or storage gives. */
export interface SectionObject {
  name: string;
  /** The parameters in the form that connectors read; the same object at each call. */
  config: Record<string, unknown>;
}

/** Where data comes from. */
export class SourceConfig {
  /**
   * Checks and transforms: a primitive `v` becomes `{ value: v }`, an object with a key `value`
   * stays the same reference, any other object is a one-of whose first key is the choice.
   * @throws {Error} `INVALID_CONFIG`, such as `Source name is required`
   */
  constructor(input: SectionInput | SourceConfig);
  readonly name: string;
  readonly config: Record<string, unknown>;
  toObject(): SectionObject;
  /** @throws {Error} `INVALID_CONFIG` */
  validate(): true;
}

/** Where data is kept. */
export class StorageConfig {
  /**
   * Checks and transforms: a primitive `v` becomes `{ value: v }`, an object stays. The names
   * `GOOGLE_BIGQUERY` and `AWS_ATHENA` (and `SNOWFLAKE`, `AWS_REDSHIFT`, `DATABRICKS`) become the
   * connectors package's own.
   * @throws {Error} `INVALID_CONFIG`, such as `Storage name is required`
   */
  constructor(input: SectionInput | StorageConfig);
  readonly name: string;
  readonly config: Record<string, unknown>;
  toObject(): SectionObject;
  /** @throws {Error} `INVALID_CONFIG` */
  validate(): true;
}

interface ConfigFields {
  /** May be left out: `run(datamartId, …)` supplies it. */
  datamartId?: string | undefined;
  /** Name of the configuration. */
  name: string;
  source: SectionInput | SourceConfig;
  storage: SectionInput | StorageConfig;
}

/** What `new Config` takes; further fields are accepted and left out of `toObject()`. */
export type ConfigInput = ConfigFields | (ConfigFields & { [further: string]: unknown });

/** What a connector is told: the content of `OW_CONFIG`. */
export interface ConfigObject {
  datamartId: string | undefined;
  name: string;
  source: SectionObject;
  storage: SectionObject;
}

/** A connector's configuration. */
export class Config {
  /** @throws {Error} `INVALID_CONFIG`, such as `Storage configuration is required` */
  constructor(input: ConfigInput | Config);
  static fromObject(input: ConfigInput | Config): Config;
  readonly datamartId: string | undefined;
  readonly name: string;
  readonly source: SourceConfig;
  readonly storage: StorageConfig;
  toObject(): ConfigObject;
  /** @throws {Error} `INVALID_CONFIG` */
  validate(): true;
}

/** Run types that connectors know; other strings pass through to them. */
export type RunType = 'INCREMENTAL' | 'MANUAL_BACKFILL' | 'FULL_REFRESH' | 'CUSTOM';

/** What `new RunConfig` takes. Nothing is required; untyped payloads are fine. */
export interface RunConfigInput {
  /** See {@link RunType}. */
  type?: unknown;
  /** Fields of the run, usually `[{ configField, value }]`. */
  data?: unknown;
  /** Where the last run ended, usually `{ date }`. */
  state?: unknown;
}

/** What to load. Objects are kept by reference: a later change shows through. */
export class RunConfig {
  constructor(input?: RunConfigInput);
  /** What was passed to the constructor. */
  readonly config: unknown;
  readonly type: unknown;
  readonly data: unknown;
  readonly state: unknown;
  toObject(): { type: unknown; data: unknown; state: unknown };
}

/** Anything that can stand for a {@link Config} in a run. */
export interface ConfigLike {
  storage: { name: string };
  source?: { name: string };
  toObject(): unknown;
}

/** Anything that can stand for a {@link RunConfig} in a run. */
export interface RunConfigLike {
  toObject(): unknown;
}

/** Names under which hosts know the storages. */
export declare const StorageType: {
  readonly GOOGLE_BIGQUERY: 'GOOGLE_BIGQUERY';
  readonly AWS_ATHENA: 'AWS_ATHENA';
};
export type StorageType = (typeof StorageType)[keyof typeof StorageType];

/** What identifies a run and what its process is told. */
export class RunContext {
  constructor(
    datamartId: string,
    runId: string,
    config: ConfigLike,
    runConfig?: RunConfigLike,
    stdio?: ConnectorStdio,
  );
  readonly datamartId: string;
  readonly runId: string;
  readonly config: ConfigLike;
  readonly runConfig: RunConfigLike | undefined;
  /** `'inherit'` by default. */
  readonly stdio: ConnectorStdio;
  /**
   * All of `process.env` at this moment, plus `OW_DATAMART_ID`, `OW_RUN_ID`, `OW_CONFIG` and
   * `OW_RUN_CONFIG`.
   */
  getEnvironmentVariables(): Record<string, string>;
  /** `` `${datamartId}-${runId}` `` */
  getUniqueId(): string;
}

// ---------------------------------------------------------------------------------------------
// Running
// ---------------------------------------------------------------------------------------------

/** One descriptor of the connector's process. */
export type StdioEntry =
  | 'inherit'
  | 'ignore'
  | 'pipe'
  | number
  | { readonly fd: number | undefined }
  | WritableWithFd
  | null
  | undefined;

/** A stream such as `fs.createWriteStream` gives, whose type does not tell that it has an `fd`. */
interface WritableWithFd {
  readonly writable: boolean;
  write(chunk: string): boolean;
}

/** Output goes to callbacks, in whole lines and in order. */
export interface LogCaptureStdio {
  logCapture?: {
    /**
     * Gets whole lines: in one call either only lines that are JSON objects, or only lines that
     * are not. A returned promise is awaited before the next call (back-pressure).
     */
    onStdout?: (text: string) => unknown;
    /** Gets only what the connector wrote to stderr. */
    onStderr?: (text: string) => unknown;
    /** Whether output also goes to `process.stdout` and `process.stderr`; false by default. */
    passThrough?: boolean;
  };
  /** Called once, before any output, with the pid that leads the connector's process group. */
  onSpawn?: (pid: number) => unknown;
}

/**
 * Where output goes. `'inherit'`: to the host's own descriptors. `'ignore'`, `'pipe'`: nowhere.
 * In an array, descriptors and streams go straight to the process and are not inspected.
 */
export type ConnectorStdio = 'inherit' | 'ignore' | 'pipe' | StdioEntry[] | LogCaptureStdio | null;

/** How strictly a connector is isolated. */
export type IsolationMode = 'none' | 'standard' | 'strict';

/** The layers of isolation; any of them may be missing on a system. */
export type IsolationLayerName =
  'processes' | 'privileges' | 'files' | 'signals' | 'unixSockets' | 'tcpPorts' | 'systemCalls';

/** A mode, what is different from it, and what is granted. */
export interface IsolationPolicy {
  /** What holds for all that is not said here; `'standard'` by default. */
  mode?: IsolationMode;
  /** `'required'`: without it nothing starts. `'preferred'`: where the system has it. */
  layers?: Partial<Record<IsolationLayerName, 'required' | 'preferred' | 'off'>>;
  /** Files and folders that may be read in `'strict'`; relative ones from the current directory. */
  read?: string[];
  /** The same, to be read and written. */
  write?: string[];
  /**
   * Ports that TCP may connect to, of any host; all of them by default. The list has to hold the
   * ports of the source, the storage and proxies. UDP (and so names) is not restricted.
   */
  tcpPorts?: number[];
}

/** Options of one run. */
export interface RunOptions {
  /**
   * Aborting it cancels the run: while it waits for its turn, installs, or runs. It rejects with
   * an error of the name `AbortError` and the code `ABORT_ERR`, whose `cause` is `signal.reason`.
   * Signals of a runner's options count as well.
   */
  signal?: AbortSignal;
  /** Longest time, ms, from the run's turn to its end; none by default. Then `TIMEOUT`. */
  timeoutMs?: number;
  /**
   * Longest time, ms, without any output of the connector; none by default. Then `STALLED`. Time
   * in which a callback holds the output up does not count, nor time in which nobody could listen,
   * since the machine or the host was paused. A heartbeat that only says what the one before it said
   * is no output; a wait that the connector announces is not silence until it is over. Refused where
   * stdout or stderr is a descriptor or stream of the caller's, whose output is not seen here.
   */
  stallTimeoutMs?: number;
  /**
   * From SIGTERM to SIGKILL, ms, when a run is ended before its time; 10,000 by default, 0 kills
   * at once. Signals from outside, such as `process.kill(-pid)`, start no timer.
   */
  graceMs?: number;
  /**
   * Resident memory that all processes of the run may have together, in MB of 1,048,576 bytes;
   * none by default, at least 64. Then `MEMORY_LIMIT`.
   */
  memoryLimitMb?: number;
  /**
   * Variables that reach the connector: all (`'inherit'`, the default), what programs need to
   * find programs, certificates, proxies and emulators (`'minimal'`, the default of isolation
   * `'strict'`), or these names. The run's own `OW_*` always do. In `'strict'`, `NODE_OPTIONS`,
   * `NODE_PATH` and `LD_*` reach it by their names only.
   *
   * It starts in a folder of its own: relative paths in variables such as `NODE_OPTIONS`, `NODE_PATH`,
   * `NODE_EXTRA_CA_CERTS` and `GOOGLE_APPLICATION_CREDENTIALS` count from the host's all the same, as
   * they are made absolute.
   */
  env?: 'inherit' | 'minimal' | string[];
  /**
   * Secrets are replaced by `***` in everything that leaves a run: output, warnings, errors. By
   * default the values (8 characters or more) of parameters that a manifest marks or whose names
   * say secret, token, password, API key, credential, private key, access key or service account,
   * and the passwords in addresses (`https://user:password@host`).
   * `names` adds parameters and variables, `values` adds values; `false` shows everything. Output
   * that goes straight to a descriptor is not inspected.
   */
  redact?: boolean | { names?: string[]; values?: string[] };
  /**
   * What the connector may do; `'standard'` by default. `result.isolation` says what was enforced.
   *
   * - `'none'`: all that the host's user may, npm at installing included. It also reads the host's
   *   standard input where output is inherited.
   * - `'standard'`: it writes in the run's directory, `TMPDIR` (which is in there) and what is
   *   granted, sends no signals to other processes, looks into none, has no capabilities, and makes
   *   none of the system calls that no connector needs. It reads everything that the user may read,
   *   has the network and, unless `env` says less, the host's environment. What a system lacks is
   *   reported, and never a reason not to run.
   * - `'strict'`: it also reads only Node.js, its dependencies, the system's libraries, names and
   *   certificates, and what is granted, has a minimal environment and no unix sockets. What a
   *   system lacks is `ISOLATION_UNAVAILABLE`, and nothing starts.
   *
   * Parameters that a manifest marks with `"format": "path"` are granted: the file to be read, or
   * with `"access": "write"` its folder to be written; the latter in `'strict'` only for the reference
   * package, else `write` has to cover it. Files are made with mode 0600 (umask 077) unless it is
   * `'none'`.
   */
  isolation?: IsolationMode | IsolationPolicy;
  /**
   * Gets each message of the connector, in order, wherever its output goes, unless stdout goes
   * straight to a descriptor. A returned promise is awaited before the next (back-pressure).
   * Needs the built-in environment.
   */
  onMessage?: (message: ConnectorMessage) => unknown;
  /**
   * Path of a file, from the current directory: an HTML page about the run is written there,
   * however the run ends, readable without network and script. It shows the verdict, the phases,
   * memory and CPU, rows and dates by time, warnings and errors with their place in the log, the
   * isolation and the configuration. Secrets are replaced as in all that leaves a run; secret
   * parameters of the configuration also where `redact` is false. The file (mode 0600) is replaced
   * in one step, and never anything but a regular file. Needs the built-in environment.
   *
   * A path that cannot be written is refused before the run with `INVALID_CONFIG`. When writing
   * fails at the end, `warnings` says so, or the error's `hint`.
   */
  report?: string;
  /**
   * Name of an installed npm package, or path of a package's folder. By default
   * `OWOX_CONNECTORS_PACKAGE`, then `@owox/connectors`, then the reference package.
   */
  connectorsPackage?: string;
  /**
   * Node.js program that runs connectors, 20.3 or later; relative from the current directory. By default
   * `node` on the connector's PATH, then the program of the host. Hosts that are no Node.js (Bun,
   * Electron, a single executable application) need one of the first two.
   */
  nodePath?: string;
  /** Folder for the runs' directories. By default `OWOX_RUNNER_RUNS_DIR`, then the system's temporary folder. */
  runsDir?: string;
  /**
   * `'shared'`, the default: what a run needs is installed once and shared, read-only, by all that
   * need the same. `'off'`: each run installs for itself.
   */
  store?: 'shared' | 'off';
  /** Folder of the store. By default `OWOX_RUNNER_STORE`, then the user's cache folder. */
  storeDir?: string;
  /**
   * Resolves versions anew, as the registry has them now, even where the store has the environment;
   * false by default.
   */
  refresh?: boolean;
  /**
   * Days after which versions are resolved anew; never by default. Where that fails, the old
   * environment is used, with a warning.
   */
  storeMaxAgeDays?: number;
  /** Path of a lockfile that pins versions, as `connector-runner store lock` writes it. */
  lockfile?: string;
  /**
   * Folder whose project's `.npmrc` counts, as it would for `npm install` there: of it registries, scopes,
   * logins, proxies and certificate authorities. Default: the current folder; of the command line, the
   * configuration's.
   */
  projectDir?: string;
  /** Loads all modules at start, instead of at first use; false by default. */
  eager?: boolean;
  /**
   * With which errors the connector's stderr has their stacks: `'all'`, the default, or
   * `'unexpected'`: those that are a `ConnectorError` of the connectors package, whose message says
   * the cause and the remedy, have their message alone.
   */
  stacks?: 'all' | 'unexpected';
  /**
   * Packages whose install scripts may run; none by default, and no others do. `'name'` or
   * `'name@1.2.3'` means the registry's package of that name. One from elsewhere
   * is named with its place, as the error or warning about it has it: `'name@file:/absolute/path'`,
   * `'name@git+https://host/repository.git'`, `'name@https://host/archive.tgz'`.
   */
  allowScripts?: string[];
  /**
   * Where packages may come from beside the registry: paths of this machine, git repositories,
   * addresses of archives. None by default, but for what the connectors package has in its own
   * folder, links resolved. It holds for all that npm resolves, whichever package asks for it.
   */
  allowSpecs?: ('file' | 'git' | 'url')[];
  /** Told of what takes time before a connector can start. */
  onProgress?: (step: EnvironmentStep) => void;
  /** Told once a second what the processes of a run use; nobody looks where it is left out. */
  onUsage?: (usage: RunUsage) => void;
}

/** Fields that every message of a connector may have. */
interface MessageFields {
  /** When it was printed, as the connector wrote it. */
  at?: string;
  [further: string]: unknown;
}

/** A line of the connector's log. */
export interface LogMessage extends MessageFields {
  type: 'log';
  message?: string;
}

/**
 * A heartbeat. For `stallTimeoutMs` it is a sign of life only where it says something new.
 */
export interface InProgressMessage extends MessageFields {
  type: 'isInProgress';
  /** Connectors of OWOX write the text `in_progress`. */
  status?: number | boolean | string;
  /** How far a table is. */
  progress?: { table?: string; phase?: string; rows?: number };
  /** It waits on purpose, until so many milliseconds since 1970: no silence until then. */
  waiting?: { untilMs: number; reason?: string };
  /** How far a run is whose type does not move the state, or is not to move it yet. */
  reached?: ConnectorState;
  /** Tables that begin anew: what a state says of them counts no longer. */
  fresh?: string[];
}

/** Where the run is: 1 import, 2 clean-up in progress, 3 import, 4 clean-up done, 5 error. */
export interface StatusMessage extends MessageFields {
  type: 'updateCurrentStatus';
  status?: number;
}

/** When the last import was. */
export interface LastImportDateMessage extends MessageFields {
  type: 'updateLastImportDate';
  date?: string;
}

/** How far a table is. */
export interface TableState {
  /** The last day that it has, an ISO timestamp. */
  date: string;
  /**
   * When a run came so far that had not ended yet, an ISO timestamp: who goes on from here need not
   * load the last days again.
   */
  reachedAt?: string;
}

/** How far a source's tables are: in the state's file, in results and in `RunConfig`. */
export interface ConnectorState {
  /** The earliest of the tables' dates; absent where one of them has to be loaded from the beginning. */
  date?: string;
  tables?: Record<string, TableState>;
}

/** Where the next incremental run goes on. The spelling is the connectors'. */
export interface LastRequestedDateMessage extends MessageFields {
  type: 'updateLastRequstedDate';
  /** ISO timestamp; with `tables`, the earliest of theirs. */
  date?: string;
  /** The same for each table, from our connectors. */
  tables?: Record<string, TableState>;
}

/** A warning. */
export interface WarningMessage extends MessageFields {
  type: 'addWarningToCurrentStatus';
  status?: number;
  warning?: string;
}

/** An error that the connector reports. */
export interface ErrorMessage extends MessageFields {
  type: 'error';
  error?: unknown;
}

/**
 * Credentials that the source renewed, which the host has to save: the next run needs them. Only
 * `onStdout`, `onMessage` and `stream` get them; wherever else a run is told of, they are `***`.
 */
export interface CredentialsMessage extends MessageFields {
  type: 'updateCredentials';
  credentials?: Record<string, unknown>;
}

/** Fields that the source has. */
export interface FieldsMessage extends MessageFields {
  type: 'updateFields';
}

/** A line that is no JSON object, without its line end; all of stderr. */
export interface TextMessage {
  type: 'text';
  stream: 'stdout' | 'stderr';
  text: string;
}

/** A JSON object of a type that is not known here, whole. */
export interface UnknownMessage {
  type?: unknown;
  [further: string]: unknown;
}

/** A message whose type is known. */
export type KnownMessage =
  | LogMessage
  | InProgressMessage
  | StatusMessage
  | LastImportDateMessage
  | LastRequestedDateMessage
  | WarningMessage
  | ErrorMessage
  | CredentialsMessage
  | FieldsMessage
  | TextMessage;

/**
 * What a connector printed: `switch (message.type)` over the known types after
 * `isKnownMessage(message)`. Values are as the connector wrote them, and not checked.
 */
export type ConnectorMessage = KnownMessage | UnknownMessage;

/** Whether the message is of one of the known types. */
export declare function isKnownMessage(message: ConnectorMessage): message is KnownMessage;

/**
 * The messages of one run, for one consumer: `for await (const message of stream)`. The
 * connector waits while the consumer does. Leaving the loop ends the run.
 */
export interface MessageStream extends AsyncIterable<ConnectorMessage> {
  /** How the run ended; the iterator's return value as well. A rejection need not be handled here. */
  readonly result: Promise<RunResult>;
  next(): Promise<IteratorResult<ConnectorMessage, RunResult>>;
  /** Ends the run, and waits until nothing of it is left. */
  return(): Promise<IteratorResult<ConnectorMessage, RunResult | undefined>>;
  [Symbol.asyncIterator](): MessageStream;
}

/** Options of a runner, service or environment; a run's own options win. */
export interface RunnerOptions extends RunOptions {
  /**
   * How many runs of this runner may go on at the same time; the others wait for their turn, first
   * come, first served. As many as there are by default.
   */
  maxConcurrentRuns?: number;
}

/** What the processes of a run use at one moment. */
export interface RunUsage {
  /** Resident size of all of them together, bytes. */
  rssBytes: number;
  /** CPU time since the start, also of those that have ended and were waited for, ms. */
  cpuMs: number;
  /** How many there are. */
  processes: number;
}

/**
 * What takes time before a connector can start: npm installs its environment; another run does
 * (`pid` where it is known, `seconds` waited so far); all files are read, since the machine or a
 * host crashed.
 */
export type EnvironmentStep =
  | { phase: 'installing' }
  | { phase: 'waiting'; pid: number | null; seconds: number }
  | { phase: 'verifying' };

/** How a run ended. */
export interface RunResult {
  /** One of these, found from all the evidence; `docs/verdicts.md` has the rules. */
  status: 'success' | 'failed' | 'timeout' | 'stalled' | 'cancelled' | 'memory_limit';
  /** Null if a signal ended the process. */
  exitCode: number | null;
  /** Name of the signal that ended the process, such as `SIGTERM`. */
  signal: string | null;
  pid: number;
  /** From the call to the end of clean-up, ms. */
  durationMs: number;
  /** The same by phase, ms; the first is the time spent waiting for its turn. */
  timings: {
    queueMs: number;
    environmentMs: number;
    spawnMs: number;
    executionMs: number;
    cleanupMs: number;
  };
  /** Which environment it had; the key is equal for equal dependencies. Absent for a directory that the caller prepared. */
  environment?: { key: string; cached: boolean };
  /**
   * Largest resident size of all processes of the run together, bytes, as far as sampling saw it
   * (each 20 ms with `memoryLimitMb`, otherwise each 200 ms); CPU time, ms.
   */
  resources: { peakRssBytes: number; cpuMs: number };
  /** Rows that were saved, as far as the connector said so: the sum of its `summary.rows`. */
  rows: number | null;
  /** What became of each table, as far as the connector said so; empty for connectors of 0.11. */
  tables: TableResult[];
  /** The last `updateCurrentStatus`; 1 means import in progress, 5 error. */
  lastStatus: number | null;
  /** Warnings of the connector, and of the runner about itself. */
  warnings: string[];
  /**
   * Where the next incremental run goes on: what the connector said last of how far it is. Null
   * unless the run succeeded and its type is `INCREMENTAL` or `FULL_REFRESH`.
   */
  state: ConnectorState | null;
  /**
   * How far the run came, of whatever type it was and however it ended; null where its connector
   * said nothing. A run of the same type and data that has this as its state goes on there.
   */
  checkpoint: ConnectorState | null;
  /** What was asked of isolation, and what was found to be enforced in this very run. */
  isolation: IsolationReport;
  /** Path of the page about the run; absent where none was asked for, or it could not be written. */
  report?: string;
}

/** What became of one table in a run. */
export interface TableResult {
  table: string;
  /** Whether this run has saved rows there; null where it ended while it was saving them. */
  committed: boolean | null;
  /** How many; null where that is not known. */
  rows: number | null;
  /** How many it had read at least. */
  read?: number;
}

/** What was asked of isolation, and what was found to be enforced. */
export interface IsolationReport {
  mode: IsolationMode;
  layers: IsolationLayer[];
  /**
   * What confined npm, where this run has installed its environment (`environment.cached` is false).
   * In isolation `none` it is not confined.
   */
  install?: IsolationLayer[];
}

/** One layer of isolation. Before the connector started, it was proved by an act that it refused. */
export interface IsolationLayer {
  /**
   * `processes`: no process outlives its run, or sees those of others. `privileges`: no
   * capabilities, none by exec, no core files. `files`: what may be written, and in strict read.
   * `signals`: none to other processes. `unixSockets`: none but pairs. `tcpPorts`: the listed ones
   * only. `systemCalls`: those that no connector needs are refused.
   */
  name: IsolationLayerName;
  requested: 'required' | 'preferred' | 'off';
  enforced: 'full' | 'partial' | 'none';
  /** By what; `none` where by nothing. */
  mechanism: string;
  /** Why it is not all that was asked for, or what it leaves open. */
  reason: string | null;
}

/** Stable codes of errors. */
export type ErrorCode =
  | 'INVALID_CONFIG'
  | 'STORAGE_NOT_FOUND'
  | 'STORAGE_UNSUPPORTED'
  | 'INVALID_ID'
  | 'CONNECTORS_NOT_FOUND'
  | 'INSTALL_FAILED'
  | 'STORE_LOCK_TIMEOUT'
  | 'SPAWN_FAILED'
  | 'CONNECTOR_FAILED'
  | 'TIMEOUT'
  | 'STALLED'
  | 'MEMORY_LIMIT'
  | 'ABORT_ERR'
  | 'ISOLATION_UNAVAILABLE'
  | 'STATE_UNAVAILABLE'
  | 'RUN_IN_PROGRESS'
  | 'NATIVE_MISSING'
  | 'INTERNAL';

/**
 * What is known of a run that failed, also where no process was started: then there is no
 * {@link RunResult}, which has a `pid`.
 */
export interface FailedRun {
  /** As they were given; they may be what was wrong. */
  readonly datamartId?: string;
  readonly runId?: string;
  /** As in {@link RunResult}. */
  readonly status: Exclude<RunResult['status'], 'success'>;
  /** In which phase it failed; absent where it was refused before the first one. */
  readonly phase?: RunPhase;
  /** From the call to the end of clean-up, ms. */
  readonly durationMs: number;
  /** The same by phase, ms; 0 for those that it did not come to. */
  readonly timings: RunResult['timings'];
  /** What became of each table, as in {@link RunResult}; absent where nothing is known of any. */
  readonly tables?: TableResult[];
  /** Path of the page about the run; absent where none was asked for, or it could not be written. */
  readonly report?: string;
  /** As in {@link RunResult}; absent where there is none. */
  readonly checkpoint?: ConnectorState;
}

/** Why a run was rejected. Its `name` is `AbortError` where the run was cancelled. */
export class ConnectorRunError extends Error {
  constructor(
    message: string,
    details?: {
      code?: string;
      result?: RunResult;
      stderrTail?: string;
      hint?: string;
      run?: FailedRun;
    },
  );
  readonly code: ErrorCode;
  /** Where the connector's process was started. */
  readonly result?: RunResult;
  /** Of every run that was rejected, whether or not it had a process. */
  readonly run?: FailedRun;
  /** The end of what the connector wrote to stderr, up to 16 KiB. */
  readonly stderrTail?: string;
  /** More help where the message is fixed, such as npm's output. */
  readonly hint?: string;
}

// ---------------------------------------------------------------------------------------------
// Observing: docs/observability.md
// ---------------------------------------------------------------------------------------------

/**
 * What subscribers of the tracing channel `owox:connector-runner:run` get
 * (`diagnostics_channel.tracingChannel`): one object for one run, at all of its events. Fields that
 * the caller gave are absent where they were no text.
 */
export interface RunTrace {
  readonly datamartId?: string;
  readonly runId?: string;
  /** Names of the configuration, its source and its storage. */
  readonly name?: string;
  readonly source?: string;
  readonly storage?: string;
  readonly runType?: string;
  /** From `asyncStart` on, where the run did its work; absent for custom environments. */
  readonly result?: RunResult;
  /** From `error` on, where it did not. */
  readonly error?: unknown;
}

/** The phases of a run, in this order, as in {@link RunResult.timings}. */
export type RunPhase = 'queue' | 'environment' | 'spawn' | 'execution' | 'cleanup';

/** What subscribers of `owox:connector-runner:run:phase` get when a phase begins. */
export interface RunPhaseEvent {
  readonly run: RunTrace;
  readonly phase: RunPhase;
  /** When, in milliseconds since 1970, with fractions. */
  readonly time: number;
}

/** What subscribers of `owox:connector-runner:run:message` get, as `onMessage` would. */
export interface RunMessageEvent {
  readonly run: RunTrace;
  readonly message: ConnectorMessage;
}

/** Runs connectors. */
export class ConnectorRunner {
  /** @throws {Error} `INVALID_CONFIG` for an option that is unknown or wrong */
  constructor(options?: RunnerOptions);
  executionService: ConnectorExecutionService;
  /**
   * Runs one connector to its end.
   * @throws {ConnectorRunError} when anything but success came of it
   */
  run(
    datamartId: string,
    runId: string,
    config: ConfigLike | ConfigInput,
    runConfig?: RunConfigLike | RunConfigInput,
    stdio?: ConnectorStdio,
    options?: RunOptions,
  ): Promise<RunResult>;
  /**
   * Asks every run of this id to stop, also one that waits for its turn. They reject with the code
   * `ABORT_ERR`.
   * @param options.graceMs instead of the run's own; asking again can only make it shorter
   * @returns how many runs were asked
   */
  cancel(runId: string, options?: { graceMs?: number }): number;
  /**
   * Starts a run and gives its messages. The run begins at once; its failure is thrown by the
   * iterator when all messages have been taken. Output goes nowhere else unless `stdio` says so.
   */
  stream(
    datamartId: string,
    runId: string,
    config: ConfigLike | ConfigInput,
    runConfig?: RunConfigLike | RunConfigInput,
    stdio?: ConnectorStdio,
    options?: Omit<RunOptions, 'onMessage'>,
  ): MessageStream;
}

/** Runs connectors, in an environment of its own or one of the caller's. */
export class ConnectorExecutionService {
  /** A custom environment decides all by itself; such runs resolve to `undefined`. */
  constructor(executionEnvironment?: ExecutionEnvironmentLike | null, options?: RunnerOptions);
  executionEnvironment: ExecutionEnvironmentLike;
  /** As {@link ConnectorRunner.run}. */
  execute(
    datamartId: string,
    runId: string,
    config: ConfigLike | ConfigInput,
    runConfig?: RunConfigLike | RunConfigInput,
    stdio?: ConnectorStdio,
    options?: RunOptions,
  ): Promise<RunResult>;
  /** As {@link ConnectorRunner.cancel}. */
  cancel(runId: string, options?: { graceMs?: number }): number;
}

// ---------------------------------------------------------------------------------------------
// Environments
// ---------------------------------------------------------------------------------------------

/** One npm package of an environment, and the globals it becomes in `main.js`. */
export interface Dependency {
  name: string;
  /** npm version, range or specifier. {@link TemplateRenderer.render} does without. */
  version: string;
  global?: string[];
  /** Whether the module itself is the global, instead of its properties. */
  global_is?: boolean;
}

/** What a custom environment has. */
export interface ExecutionEnvironmentLike {
  /** Makes an environment and gives its path. */
  createEnvironment(
    datamartId: string,
    runId: string,
    dependencies: Dependency[],
  ): Promise<string> | string;
  /** Runs the connector in it. */
  executeConnector(
    path: string,
    env: Record<string, string>,
    stdio: ConnectorStdio,
  ): Promise<unknown> | unknown;
  /** Removes it; called also after a failure. */
  cleanup(datamartId: string, runId: string): Promise<unknown> | unknown;
}

/** Base class for environments: each method rejects until it is overridden. */
export class ExecutionEnvironment implements ExecutionEnvironmentLike {
  createEnvironment(datamartId: string, runId: string, dependencies: Dependency[]): Promise<string>;
  executeConnector(
    path: string,
    env: Record<string, string>,
    stdio: ConnectorStdio,
  ): Promise<unknown>;
  cleanup(datamartId: string, runId: string): Promise<unknown>;
}

/** Base class for dependency managers: each method throws or rejects until it is overridden. */
export class DependencyManager {
  installDependencies(workDir: string): Promise<unknown>;
  getDefaultDependencies(): Dependency[];
  generatePackageJson(connectorId: string, dependencies: Dependency[]): object;
}

/** Base class for template renderers. */
export class TemplateRenderer {
  /** @throws {Error} until it is overridden */
  render(dependencies: Dependency[]): string;
}

/** A directory with `package.json`, `node_modules` and `main.js`, and `node` to run it. */
export class NodeJsEnvironment extends ExecutionEnvironment {
  constructor(options?: RunnerOptions);
  /** May be replaced; then it is asked instead of native code. */
  dependencyManager: DependencyManager;
  /** May be replaced; then it is asked instead of native code. */
  templateRenderer: TemplateRenderer;
  createEnvironment(
    connectorId: string,
    runId: string,
    dependencies?: Dependency[],
  ): Promise<string>;
  /** `env` undefined means `process.env`; numbers become text, undefined values are left out. */
  executeConnector(
    path: string,
    env?: Record<string, unknown>,
    stdio?: ConnectorStdio,
    options?: RunOptions,
  ): Promise<RunResult>;
  /** Removes every directory of these ids that no live run holds. */
  cleanup(connectorId: string, runId: string): Promise<void>;
}

/** Installs with npm. */
export class NpmDependencyManager extends DependencyManager {
  constructor(options?: RunnerOptions);
  /** @throws {ConnectorRunError} `INSTALL_FAILED`, `npm install failed: <code>` */
  installDependencies(workDir: string): Promise<void>;
  getDefaultDependencies(): Dependency[];
  generatePackageJson(
    connectorId: string,
    dependencies?: Dependency[],
  ): { name: string; private: true; dependencies: Record<string, string> };
}

/** Renders `main.js`. */
export class NodeJsTemplateRenderer extends TemplateRenderer {
  /** @throws {Error} `INVALID_CONFIG` for a name that is no npm package or identifier */
  render(dependencies: (Omit<Dependency, 'version'> & { version?: string })[]): string;
}

/** The command line. */
export class ConnectorRunnerCli {
  /**
   * Runs what `process.argv` asks for, and prints. Never rejects.
   * @returns the exit code, which is also set as `process.exitCode`
   */
  run(argv: readonly string[]): Promise<number>;
}
