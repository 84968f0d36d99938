//! Running `node main.js` in a directory that is ready.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::report::{Environment, Isolation, Report, Resources, State, Timings, signal_name};
use super::{Failure, Outcome, milliseconds, secrets, verdict};
use crate::environment::EnvironmentInfo;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::output::redact::Secrets;
use crate::output::{Inspector, Observer, StreamKind, StreamReport, pump};
use crate::process::{self, Exit, Output, Running, Start, Wiring};

/// What is run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The directory that holds `main.js`.
    pub directory: &'a Path,
    /// The whole environment of the process.
    pub variables: Vec<(String, String)>,
    /// Its descriptors.
    pub wiring: Wiring,
    /// What must not leave it.
    pub secrets: Option<Arc<Secrets>>,
}

/// What came of it.
#[derive(Debug)]
pub struct Execution {
    pid: u32,
    exit: Exit,
    spawn_ms: u64,
    ran_ms: u64,
    total_ms: u64,
    inspector: Inspector,
    stderr_tail: Option<String>,
}

/// Runs `node main.js` and delivers all of its output before returning.
///
/// # Errors
/// `SPAWN_FAILED` when it did not start, `INTERNAL` when the supervisor was killed.
pub async fn execute<O: Observer>(mut job: Job<'_>, host: &Host, observer: &O) -> Result<Execution> {
    let begun = Instant::now();
    let node = process::find_node(&job.variables, &host.cwd, &host.exec_path);
    let mut args = vec!["main.js".to_owned()];
    if let Some(configuration) = secrets::take(&mut job.variables)? {
        args.insert(0, host.bootstrap().display().to_string());
        args.push(job.wiring.child.len().to_string());
        job.wiring.child.push(configuration);
    }
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: &node,
        args,
        directory: job.directory,
        variables: job.variables,
        descriptors: job.wiring.child,
    })
    .await?;
    let pid = running.pid;
    let spawn_ms = milliseconds(begun);
    let started = Instant::now();
    observer.started(pid).await;

    let mut streams = job.wiring.outputs.into_iter();
    let (first, second) = (streams.next(), streams.next());
    let (ended, end) = watch::channel(false);
    let (exit, first, second) = tokio::join!(
        watch_process(&mut running, started, &ended),
        read(first, observer, job.secrets.as_ref(), &end),
        read(second, observer, job.secrets.as_ref(), &end),
    );
    let (exit, ran_ms) = exit?;

    let mut inspector = Inspector::default();
    let mut stderr_tail = None;
    for (stream, report) in [first, second].into_iter().flatten() {
        let report = report.map_err(|cause| {
            RunnerError::new(Code::Internal, format!("failed to read the connector's {stream:?}: {cause}"))
        })?;
        match stream {
            StreamKind::Stdout => inspector = report.inspector,
            StreamKind::Stderr => stderr_tail = report.tail,
        }
    }
    let total_ms = milliseconds(begun);
    Ok(Execution { pid, exit, spawn_ms, ran_ms, total_ms, inspector, stderr_tail })
}

/// Waits for the exit and for the rest of the tree to go, then tells the streams, which need not
/// wait any longer than their pipes take to empty.
async fn watch_process(
    running: &mut Running,
    started: Instant,
    ended: &watch::Sender<bool>,
) -> Result<(Exit, u64)> {
    let exit = running.exit().await;
    let execution_ms = milliseconds(started);
    running.tree_gone().await;
    ended.send_replace(true);
    exit.map(|exit| (exit, execution_ms))
}

async fn read<O: Observer>(
    output: Option<Output>,
    observer: &O,
    secrets: Option<&Arc<Secrets>>,
    end: &watch::Receiver<bool>,
) -> Option<(StreamKind, std::io::Result<StreamReport>)> {
    let Output { stream, reader, sink } = output?;
    Some((stream, pump(stream, reader, sink, observer, secrets.cloned(), end.clone()).await))
}

impl Execution {
    /// The verdict and the report.
    pub fn into_outcome(self, environment: Option<EnvironmentInfo>) -> Outcome {
        let failure = verdict(&self.exit, self.inspector.last_status).err();
        let report = Report {
            status: if failure.is_none() { "success" } else { "failed" },
            exit_code: self.exit.code,
            signal: self.exit.signal.map(signal_name),
            pid: self.pid,
            duration_ms: self.total_ms,
            timings: Timings {
                environment_ms: 0,
                spawn_ms: self.spawn_ms,
                execution_ms: self.ran_ms,
                cleanup_ms: self.total_ms.saturating_sub(self.spawn_ms + self.ran_ms),
            },
            environment: environment.map(|info| Environment { key: info.key, cached: info.cached }),
            resources: Resources { peak_rss_bytes: self.exit.peak_rss_bytes, cpu_ms: self.exit.cpu_ms },
            last_status: self.inspector.last_status,
            state: self.inspector.date.clone().map(|date| State { date }),
            warnings: self.inspector.into_warnings(),
            isolation: Isolation::NONE,
        };
        Outcome { report: Some(report), failure: failure.map(Failure::from), stderr_tail: self.stderr_tail }
    }
}
