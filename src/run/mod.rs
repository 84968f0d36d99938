//! The story of a run: find the connectors package, check what is asked of it, make an
//! environment, run the connector in it, clean up, and say how it ended.

mod control;
mod course;
mod endless_wait;
mod execute;
mod masks;
mod notices;
mod report;
mod secrets;
mod verdict;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use control::{Control, Place, Registered, Turn};
pub use course::{Course, FailedRun};
pub use execute::{Execution, Job, execute};
pub use report::{Report, Resources, Timings};
pub use verdict::{Evidence, Status, verdict};

use crate::cancellation::Cancellation;
use crate::connectors::{self, Catalog, Depth, Package};
use crate::environment::store::Lease;
use crate::environment::{self, EnvironmentInfo, Purpose, Remover, RunFolder};
use crate::error::{Result, RunnerError};
use crate::host::Host;
use crate::isolation::{Grant, LayerReport};
use crate::manifest::Dependency;
use crate::observer::Observer;
use crate::options::Options;
use crate::output::redact::Secrets;
use crate::process::Reserved;

/// Why a run failed.
#[derive(Debug)]
pub enum Failure {
    /// By a rule or a process of ours.
    Ours(Box<RunnerError>),
    /// An object of the caller's threw; JavaScript keeps what it threw.
    Thrown,
}

impl From<RunnerError> for Failure {
    fn from(error: RunnerError) -> Self {
        Self::Ours(Box::new(error))
    }
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The report; none if no process was started, or the caller's own environment ran it.
    pub report: Option<Report>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// The end of what the connector wrote to stderr.
    pub stderr_tail: Option<String>,
    /// Where the page about the run is, if it was written.
    pub page: Option<String>,
    /// More of a run that failed, where its course is known.
    pub failed: Option<FailedRun>,
}

impl Outcome {
    /// The outcome without secrets in its texts. The connector's own output was redacted as it
    /// passed; this is for what we and the system say.
    #[must_use]
    pub fn redacted(mut self, secrets: Option<&Secrets>) -> Self {
        let Some(secrets) = secrets else { return self };
        if let Some(report) = &mut self.report {
            report.warnings.iter_mut().for_each(|warning| *warning = secrets.redact(warning));
        }
        if let Some(Failure::Ours(error)) = &mut self.failure {
            error.message = secrets.redact(&error.message);
            error.hint = error.hint.as_deref().map(|hint| secrets.redact(hint));
        }
        self.stderr_tail = self.stderr_tail.as_deref().map(|tail| secrets.redact(tail));
        self
    }
}

impl<F: Into<Failure>> From<F> for Outcome {
    fn from(failure: F) -> Self {
        Self { failure: Some(failure.into()), ..Self::default() }
    }
}

/// What a run does at its three stages. The caller may bring an environment of its own.
pub trait ExecutionEnvironment {
    /// Makes the environment.
    fn create(&mut self, dependencies: &[Dependency]) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Runs the connector in it.
    fn execute(&mut self) -> impl Future<Output = Outcome> + Send;
    /// Removes it; called also after a failure.
    fn cleanup(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Whether it ends a run itself whose time is over.
    fn keeps_time(&self) -> bool {
        true
    }
}

/// Creates, executes and cleans up, in this order. Clean-up happens always, and its error wins,
/// as in the original.
pub async fn lifecycle<E: ExecutionEnvironment>(environment: &mut E, dependencies: &[Dependency]) -> Outcome {
    let outcome = match environment.create(dependencies).await {
        Ok(()) => environment.execute().await,
        Err(failure) => failure.into(),
    };
    match environment.cleanup().await {
        Ok(()) => outcome,
        Err(failure) => Outcome { failure: Some(failure), ..outcome },
    }
}

/// The connectors package of a run, and what it has.
#[derive(Debug)]
pub struct Connectors {
    /// Where it is.
    pub package: Package,
    /// What it has.
    pub catalog: std::sync::Arc<Catalog>,
}

/// Finds the connectors package and reads what it has.
///
/// # Errors
/// `CONNECTORS_NOT_FOUND`.
pub async fn find_connectors(named: Option<&str>, host: &Host) -> Result<Connectors> {
    describe_connectors(named, host, Depth::Manifests).await
}

/// The same, looked at more closely.
///
/// # Errors
/// `CONNECTORS_NOT_FOUND`.
pub async fn describe_connectors(named: Option<&str>, host: &Host, depth: Depth) -> Result<Connectors> {
    let package = connectors::locate(named, host)?;
    let catalog = connectors::read_catalog(&package, host, depth).await?;
    Ok(Connectors { package, catalog })
}

/// Our own environment: a directory, npm, and `node main.js`.
pub struct NodeEnvironment<'a, O> {
    /// The host.
    pub host: &'a Host,
    /// Who watches.
    pub observer: &'a O,
    /// The connectors package.
    pub package: &'a Package,
    /// Where directories are made.
    pub runs_root: PathBuf,
    /// The data mart's id and the run's.
    pub ids: (String, String),
    /// The connector's variables.
    pub variables: Vec<(String, String)>,
    /// Its descriptors, until it starts.
    pub stdio: Option<Reserved>,
    /// Whether it has to stop.
    pub cancellation: Cancellation,
    /// What it may use.
    pub options: &'a Options,
    /// What must not leave it.
    pub secrets: Option<Arc<Secrets>>,
    /// Paths that its configuration grants.
    pub grants: Vec<Grant>,
    /// The lock of its state, for the supervisor.
    pub held: Option<OwnedFd>,
    /// Clean-up that did not work; the run itself may have.
    pub warnings: Vec<String>,
    /// What is there of it so far.
    pub made: Made,
}

/// What is there of an environment of ours; nothing at first.
#[derive(Debug, Default)]
pub struct Made {
    folder: Option<RunFolder>,
    /// Holds the environment in the store until the run's directory is gone.
    lease: Option<Lease>,
    info: Option<EnvironmentInfo>,
    /// What has confined npm, where it has installed.
    install: Option<Vec<LayerReport>>,
    environment_ms: u64,
}

impl<O: Observer> ExecutionEnvironment for NodeEnvironment<'_, O> {
    async fn create(&mut self, dependencies: &[Dependency]) -> Result<(), Failure> {
        let start = Instant::now();
        self.cancellation.check()?;
        let (root, remover) = (self.runs_root.clone(), Remover::of(self.host));
        let folder = RunFolder::create(&self.runs_root, &self.ids.0, &self.ids.1, &remover)?;
        tokio::task::spawn_blocking(move || environment::sweep(&root, &remover)); // nobody waits for it
        let folder = self.made.folder.insert(folder);
        let purpose = Purpose {
            package: self.package,
            storage_dependencies: dependencies,
            node: &environment::node_for(&self.variables, self.host)?,
            script: self.options.script,
            store: &self.options.store,
            host: self.host,
        };
        let prepared =
            environment::prepare(folder, &self.ids.0, &purpose, &self.cancellation, self.observer).await?;
        self.made.info = Some(prepared.info);
        self.made.install = prepared.install;
        self.warnings.extend(prepared.warnings);
        self.made.lease = prepared.lease;
        self.made.environment_ms = milliseconds(start);
        Ok(())
    }

    async fn execute(&mut self) -> Outcome {
        let (Some(folder), Some(stdio)) = (&self.made.folder, self.stdio.take()) else {
            return RunnerError::new(crate::error::Code::Internal, "the environment was not created").into();
        };
        let job = Job {
            directory: folder.path(),
            variables: std::mem::take(&mut self.variables),
            stdio,
            held: [
                folder.descriptor(),
                self.made.lease.as_ref().and_then(Lease::descriptor),
                self.held.take(),
            ]
            .into_iter()
            .flatten()
            .collect(),
            options: self.options,
            cancellation: &self.cancellation,
            secrets: self.secrets.clone(),
            grants: &self.grants,
            environment: self.made.lease.as_ref().map(|lease| lease.path.as_path()),
        };
        match execute(job, self.host, self.observer).await {
            Ok(execution) => {
                let mut outcome = execution.into_outcome(self.made.info.clone());
                if let Some(report) = &mut outcome.report {
                    report.isolation.install = self.made.install.take();
                    report.timings.environment_ms = self.made.environment_ms;
                    report.duration_ms += self.made.environment_ms;
                }
                outcome
            }
            Err(error) => error.into(),
        }
    }

    async fn cleanup(&mut self) -> Result<(), Failure> {
        let Some(folder) = self.made.folder.take() else { return Ok(()) };
        // What is deleted may be thousands of files: not on a thread that others wait for.
        let lease = self.made.lease.take();
        let removed = tokio::task::spawn_blocking(move || {
            let removed = folder.remove();
            drop(lease);
            removed
        })
        .await;
        // A connector that has done its work has not failed because its folder is still there.
        match removed {
            Ok(Err(error)) => self.warnings.push(error.message),
            Err(error) => self.warnings.push(error.to_string()),
            Ok(Ok(still_going)) => self.warnings.extend(still_going),
        }
        Ok(())
    }
}

/// Runs a connector in an environment of ours.
pub async fn run_in_node<O: Observer>(
    mut environment: NodeEnvironment<'_, O>,
    dependencies: &[Dependency],
) -> Outcome {
    let start = Instant::now();
    let secrets = environment.secrets.clone();
    let mut outcome = lifecycle(&mut environment, dependencies).await;
    if let Some(report) = &mut outcome.report {
        // to what was left of the output comes the removal of the environment
        report.timings.cleanup_ms += milliseconds(start).saturating_sub(report.duration_ms);
        report.duration_ms = milliseconds(start);
        report.warnings.extend(environment.package.fallback_notice());
        report.warnings.append(&mut environment.warnings);
    }
    outcome.redacted(secrets.as_deref())
}

/// Whole milliseconds since then.
fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    /// Records the calls, and fails where it is told to.
    struct Scripted {
        calls: Vec<&'static str>,
        fails: &'static [&'static str],
    }

    impl Scripted {
        fn call(&mut self, name: &'static str) -> Result<(), Failure> {
            self.calls.push(name);
            if self.fails.contains(&name) {
                return Err(RunnerError::new(Code::Internal, name).into());
            }
            Ok(())
        }
    }

    impl ExecutionEnvironment for Scripted {
        async fn create(&mut self, _: &[Dependency]) -> Result<(), Failure> {
            self.call("create")
        }
        async fn execute(&mut self) -> Outcome {
            match self.call("execute") {
                Ok(()) => Outcome::default(),
                Err(failure) => failure.into(),
            }
        }
        async fn cleanup(&mut self) -> Result<(), Failure> {
            self.call("cleanup")
        }
    }

    fn play(fails: &'static [&'static str]) -> (Vec<&'static str>, Option<String>) {
        let mut environment = Scripted { calls: Vec::new(), fails };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(lifecycle(&mut environment, &[]));
        let failure = outcome.failure.map(|failure| match failure {
            Failure::Ours(error) => error.message,
            Failure::Thrown => "thrown".into(),
        });
        (environment.calls, failure)
    }

    #[test]
    fn cleanup_happens_always_and_its_error_wins() {
        let all = vec!["create", "execute", "cleanup"];
        assert_eq!(play(&[]), (all.clone(), None));
        assert_eq!(play(&["create"]), (vec!["create", "cleanup"], Some("create".into())));
        assert_eq!(play(&["execute"]), (all.clone(), Some("execute".into())));
        assert_eq!(play(&["execute", "cleanup"]), (all, Some("cleanup".into())));
    }
}
