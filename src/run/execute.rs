//! Running `node main.js` in a directory that is ready.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::masks::Masks;
use super::notices::Notices;
use super::report::{Environment, Report, Resources, Timings};
use super::verdict::{Evidence, Status, verdict};
use super::{Failure, Outcome, endless_wait, milliseconds, secrets};
use crate::cancellation::{Cancellation, Stop, StopReason};
use crate::environment::{EnvironmentInfo, runs_root, store::store_root};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::isolation::{Confined, Grant, Ground, IsolationReport, SeatBelt};
use crate::observer::{Observer, Phase, StreamKind};
use crate::options::Options;
use crate::output::redact::Secrets;
use crate::output::{Inspector, Progress, StreamReport, pump, saved_rows};
use crate::process::{self, Cause, Exit, Output, Reserved, Running, Sample, Start, Usage, signal_name};
use crate::protocol::policy::Layer;
use crate::state::moves_state;

/// What is run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The directory that holds `main.js`.
    pub directory: &'a Path,
    /// The whole environment of the process.
    pub variables: Vec<(String, String)>,
    /// Its descriptors.
    pub stdio: Reserved,
    /// Locks on what it uses, which its supervisor holds as well.
    pub held: Vec<OwnedFd>,
    /// What it may use.
    pub options: &'a Options,
    /// Whether it has to stop.
    pub cancellation: &'a Cancellation,
    /// What must not leave it.
    pub secrets: Option<Arc<Secrets>>,
    /// Paths that its configuration grants.
    pub grants: &'a [Grant],
    /// The environment in the store that is meant for it.
    pub environment: Option<&'a Path>,
}

/// What came of it.
#[derive(Debug)]
pub struct Execution {
    pid: u32,
    ended: Ended,
    stop: Option<Stop>,
    memory_limit_mb: Option<u64>,
    isolation: IsolationReport,
    warnings: Vec<String>,
    spawn_ms: u64,
    total_ms: u64,
    inspector: Inspector,
    moves_state: bool,
    stderr_tail: Option<String>,
    /// What was not read of its output, in words.
    unread: Vec<String>,
    is_undelivered: bool,
}

/// How the process and its tree ended.
#[derive(Debug)]
struct Ended {
    exit: Exit,
    usage: Usage,
    ran_ms: u64,
    /// The supervisor was killed: nobody knows the rest.
    lost: Option<Lost>,
}

/// A supervisor that is gone before its time.
#[derive(Debug)]
struct Lost {
    error: RunnerError,
    /// Why the run had been asked to stop before that, if it had.
    stop: Option<Stop>,
}

/// Runs `node main.js` and delivers all of its output before returning.
///
/// # Errors
/// `SPAWN_FAILED` when it did not start, and the error of a run that was asked to stop before it
/// started.
pub async fn execute<O: Observer>(mut job: Job<'_>, host: &Host, observer: &O) -> Result<Execution> {
    let (options, cancellation) = (job.options, job.cancellation);
    cancellation.check()?;
    observer.phase(Phase::Spawn).await;
    let begun = Instant::now();
    process::make_absolute(&mut job.variables, &host.cwd);
    let node = process::find_node(&job.variables, host)?;
    let supervision = options.supervision(host);
    let mut confined = confine(&mut job, &node, host)?;
    let moves_state = moves_state(variable(&job.variables, "OW_RUN_CONFIG"));
    let mut wiring = job.stdio.open()?;
    let mut args = heap_limit(options.limits.memory_mb);
    let seat_belt = SeatBelt::fasten(confined.policy.as_ref(), &node, host).await;
    args.extend_from_slice(seat_belt.as_ref().map(SeatBelt::flags).unwrap_or_default());
    let Script { args: script, notices, masks } =
        script(&mut job.variables, &mut wiring.child, job.secrets.as_ref(), host)?;
    args.extend(script);
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: &node,
        args,
        directory: job.directory,
        variables: job.variables,
        descriptors: wiring.child,
        held: job.held,
        supervision,
        policy: confined.policy.take(),
    })
    .await?;
    let pid = running.pid;
    if let (Some(seat_belt), Some(layers)) = (seat_belt, &mut running.layers) {
        seat_belt.improve(&mut layers[Layer::Files]);
    }
    let isolation = IsolationReport::new(
        &options.isolation,
        std::mem::take(&mut running.containment),
        running.layers.as_deref(),
        confined.gap.as_deref(),
    );
    let mut warnings = std::mem::take(&mut confined.warnings);
    let spawn_ms = milliseconds(begun);
    observer.phase(Phase::Execution).await;
    observer.started(pid).await;

    let (samples, recorded) = (running.samples.subscribe(), running.samples.subscribe());
    let progress = Progress::watched(options.limits.stall.is_some());
    let mut streams = wiring.outputs.into_iter();
    let (first, second) = (streams.next(), streams.next());
    let all = async {
        tokio::join!(
            watch_process(&mut running, observer, options, cancellation, &progress),
            read(first, observer, job.secrets.as_ref(), &progress),
            read(second, observer, job.secrets.as_ref(), &progress),
        )
    };
    let (ended, first, second) = tokio::select! {
        all = all => all,
        never = give_up_delivery(options.limits.grace, cancellation, &progress) => match never {},
        never = record_usage(recorded, observer) => match never {},
        never = serve(masks) => match never {},
        never = pass_on_usage(samples, options.listeners.usage_every_ms, observer) => match never {},
    };

    warnings.extend(notices.map(Notices::read).unwrap_or_default());
    warnings.extend(endless_wait::told(job.directory));
    let mut inspector = Inspector::default();
    let (mut stderr_tail, mut unread) = (None, Vec::new());
    for (stream, report) in [first, second].into_iter().flatten() {
        let report = report.map_err(|cause| {
            RunnerError::new(Code::Internal, format!("failed to read the connector's {stream:?}: {cause}"))
        })?;
        if report.cut_lines > 0 && stream == StreamKind::Stdout {
            unread.push(long_lines(report.cut_lines, report.max_line));
        }
        match stream {
            StreamKind::Stdout => inspector = report.inspector,
            StreamKind::Stderr => stderr_tail = report.tail,
        }
    }
    Ok(Execution {
        pid,
        ended,
        stop: cancellation.requested(),
        memory_limit_mb: options.limits.memory_mb,
        isolation,
        warnings,
        spawn_ms,
        total_ms: milliseconds(begun),
        inspector,
        moves_state,
        stderr_tail,
        unread,
        is_undelivered: progress.is_abandoned(),
    })
}

/// What Node.js is told to run, and what it has to say beside its output.
#[derive(Debug)]
struct Script {
    args: Vec<String>,
    notices: Option<Notices>,
    masks: Option<Masks>,
}

/// Where there are secrets it is by the script that takes them from a descriptor, which also hands over
/// what Node.js itself has to say, and lets the connector name secrets of its own.
fn script(
    variables: &mut Vec<(String, String)>,
    descriptors: &mut Vec<OwnedFd>,
    secrets: Option<&Arc<Secrets>>,
    host: &Host,
) -> Result<Script> {
    let Some(configuration) = secrets::take(variables)? else {
        return Ok(Script { args: vec![MAIN.to_owned()], notices: None, masks: None });
    };
    let bootstrap = format!("--require={}", host.bootstrap().display());
    let mut args = vec![bootstrap, MAIN.to_owned()];
    let (notices, notices_end) = Notices::open().unzip();
    let (masks, masks_end) = Masks::open(secrets).unzip();
    for end in [Some(configuration), notices_end, masks_end] {
        args.push(end.as_ref().map_or_else(|| "-".to_owned(), |_| descriptors.len().to_string()));
        descriptors.extend(end);
    }
    Ok(Script { args, notices, masks })
}

async fn serve(masks: Option<Masks>) -> Infallible {
    match masks {
        Some(masks) => masks.serve().await,
        None => std::future::pending().await,
    }
}

/// What to say of lines that came in parts.
fn long_lines(count: u64, limit: usize) -> String {
    let megabytes = limit / (1024 * 1024);
    format!(
        "{count} lines of the output were longer than {megabytes} MB, and were taken in parts: messages in them \
         do not count"
    )
}

/// What the run may do.
fn confine(job: &mut Job<'_>, node: &Path, host: &Host) -> Result<Confined> {
    let options = job.options;
    let mut own: Vec<_> = host.supervisor.parent().map(Path::to_owned).into_iter().collect();
    own.extend(store_root(options.store.dir.as_deref(), host).ok());
    let mut shared = vec![host.package_root.clone()];
    shared.extend(runs_root(options.runs_dir.as_deref(), host).ok());
    for folder in own.iter_mut().chain(&mut shared) {
        if let Ok(resolved) = std::fs::canonicalize(&folder) {
            *folder = resolved;
        }
    }
    let ground = Ground {
        directory: job.directory,
        node,
        bootstrap: &host.bootstrap(),
        grants: job.grants,
        environment: job.environment,
        own: &own,
        shared: &shared,
        host,
    };
    options.isolation.confine(&ground, &mut job.variables)
}

/// The last one of a name, as a process would have it.
fn variable<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    variables.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What `node` runs.
const MAIN: &str = "main.js";

/// The heap's limit, as an argument and not in `NODE_OPTIONS`, which every process of the tree
/// would inherit. It is below the tree's limit, since there is more in memory than the heap: so
/// V8 collects its garbage in earnest before the limit is reached.
fn heap_limit(memory_limit_mb: Option<u64>) -> Vec<String> {
    memory_limit_mb.map(|limit| format!("--max-old-space-size={}", limit * 3 / 4)).into_iter().collect()
}

/// Waits for the exit and for the rest of the tree to go, then tells the streams, which need not
/// wait any longer than their pipes take to empty.
async fn watch_process<O: Observer>(
    running: &mut Running,
    observer: &O,
    options: &Options,
    cancellation: &Cancellation,
    progress: &Progress,
) -> Ended {
    let grace = options.limits.grace;
    let started = Instant::now();
    let exit = tokio::select! {
        exit = running.exit_unless(cancellation, grace) => exit,
        never = watch_silence(options.limits.stall, cancellation, progress) => match never {},
    };
    let ran_ms = milliseconds(started);
    let exit = exit.map_err(|error| Lost { error, stop: cancellation.requested() });
    let (usage, ()) =
        tokio::join!(running.tree_gone_unless(cancellation, grace), observer.phase(Phase::Cleanup));
    progress.end();
    let (exit, usage, lost) = match (exit, usage) {
        (Ok(exit), Ok(usage)) => (exit, usage, None),
        (Err(lost), usage) => (Exit::default(), usage.unwrap_or_default(), Some(lost)),
        (Ok(exit), Err(error)) => {
            let stop = cancellation.requested().filter(|_| exit.cause == Cause::Stopped);
            (exit, Usage::default(), Some(Lost { error, stop }))
        }
    };
    Ended { exit, usage, ran_ms, lost }
}

/// Asks a run to stop whose connector shows no sign of life for too long.
async fn watch_silence(
    limit: Option<Duration>,
    cancellation: &Cancellation,
    progress: &Progress,
) -> Infallible {
    if let Some(limit) = limit {
        progress.silent_for(limit).await;
        cancellation.request(StopReason::Stalled(limit), None);
    }
    std::future::pending().await
}

/// Whoever takes the output holds a run up for as long as they like; but not one that was asked
/// to stop and whose processes are gone.
async fn give_up_delivery(grace: Duration, cancellation: &Cancellation, progress: &Progress) -> Infallible {
    progress.ended().await;
    let stop = cancellation.wait().await;
    tokio::time::sleep(stop.grace.unwrap_or(grace).max(LEAST_DELIVERY)).await;
    progress.abandon();
    std::future::pending().await
}

/// Shows the observer what the run's processes use.
async fn record_usage<O: Observer>(mut samples: watch::Receiver<Sample>, observer: &O) -> Infallible {
    while samples.changed().await.is_ok() {
        let sample = *samples.borrow_and_update();
        observer.sampled(sample);
    }
    std::future::pending().await
}

/// Tells the observer of it once in so many milliseconds. Whoever is slow misses some.
async fn pass_on_usage<O: Observer>(
    mut samples: watch::Receiver<Sample>,
    every_ms: Option<u64>,
    observer: &O,
) -> Infallible {
    let Some(every_ms) = every_ms else { return std::future::pending().await };
    let mut due_ms = 0;
    while samples.changed().await.is_ok() {
        let sample = *samples.borrow_and_update();
        if sample.at_ms >= due_ms {
            due_ms = sample.at_ms + every_ms;
            observer.usage(sample).await;
        }
    }
    std::future::pending().await
}

/// What is ready to be taken gets this time at least.
const LEAST_DELIVERY: Duration = Duration::from_secs(2);

async fn read<O: Observer>(
    output: Option<Output>,
    observer: &O,
    secrets: Option<&Arc<Secrets>>,
    progress: &Progress,
) -> Option<(StreamKind, std::io::Result<StreamReport>)> {
    let Output { stream, reader, sink } = output?;
    Some((stream, pump(stream, reader, sink, observer, secrets.cloned(), progress).await))
}

impl Execution {
    /// The verdict and the report.
    pub fn into_outcome(mut self, environment: Option<EnvironmentInfo>) -> Outcome {
        let Ended { exit, usage, ran_ms, lost } = self.ended;
        let evidence = Evidence {
            exit,
            usage,
            stop: self.stop,
            last_status: self.inspector.last_status,
            stderr_tail: self.stderr_tail.as_deref().unwrap_or_default(),
            memory_limit_mb: self.memory_limit_mb,
        };
        let mut of_supervisor = None;
        let (status, error) = match lost {
            // what had been begun has come to its end, if in another way
            Some(Lost { error, stop: Some(stop) }) => {
                of_supervisor = Some(error.message);
                (stop.reason.status(), Some(stop.reason.error()))
            }
            Some(Lost { error, stop: None }) => (Status::Failed, Some(error)),
            None => verdict(&evidence),
        };
        let tables = std::mem::take(&mut self.inspector.tables).into_vec();
        // of a failed run: nothing saved in all of its tables is known, and is no row
        let rows = self.inspector.rows.or_else(|| saved_rows(&tables).filter(|_| error.is_some()));
        let last_status = self.inspector.last_status;
        let reached = self.inspector.reached.clone();
        let has_ended = status == Status::Success;
        let state = reached.clone().filter(|_| has_ended && self.moves_state);
        let checkpoint = if has_ended { reached } else { self.inspector.checkpoint() };
        let mut warnings = self.inspector.into_warnings();
        warnings.extend(self.warnings);
        warnings.extend(of_supervisor);
        warnings.extend(self.unread);
        if self.is_undelivered {
            warnings.push("some output was not delivered: whoever takes it did not come back in time".into());
        }
        if usage.left > 0 {
            warnings.push(format!("{} processes of the run could not be ended", usage.left));
        }
        let report = Report {
            status,
            exit_code: exit.code,
            signal: exit.signal.map(signal_name),
            pid: self.pid,
            duration_ms: self.total_ms,
            timings: Timings {
                queue_ms: 0,
                environment_ms: 0,
                spawn_ms: self.spawn_ms,
                execution_ms: ran_ms,
                cleanup_ms: self.total_ms.saturating_sub(self.spawn_ms + ran_ms),
            },
            environment: environment.map(|info| Environment { key: info.key, cached: info.cached }),
            resources: Resources { peak_rss_bytes: usage.peak_rss_bytes, cpu_ms: usage.cpu_ms },
            rows,
            tables,
            last_status,
            state,
            checkpoint,
            warnings,
            isolation: self.isolation,
            page: None,
        };
        Outcome {
            report: Some(report),
            failure: error.map(Failure::from),
            stderr_tail: self.stderr_tail,
            ..Outcome::default()
        }
    }
}
