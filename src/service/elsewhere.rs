//! Runs in an environment of the caller's.

use super::{Admitted, Names, Watched, turn};
use crate::connectors::storage_dependencies;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::manifest::Dependency;
use crate::observer::{Observer, Phase};
use crate::options::{Limits, Options};
use crate::run::{ExecutionEnvironment, Failure, Outcome, find_connectors, lifecycle};

impl Admitted {
    /// Does the run in an environment of the caller's.
    pub async fn run_in<E: ExecutionEnvironment + Send, O: Observer>(
        self,
        environment: E,
        names: &Names,
        options: &Options,
        host: &Host,
        observer: &O,
    ) -> Outcome {
        let Self { run, place, course } = self;
        let cancellation = &run.cancellation;
        let observer = Watched { observer, recorder: None, course: Some(&course), state: None };
        let _turn = match turn(place, cancellation, &observer).await {
            Ok(turn) => turn,
            Err(error) => return course.completed(error.into()),
        };
        let timeout = options.limits.timeout.filter(|_| !environment.keeps_time());
        let run = async {
            let prepared = async {
                let connectors = find_connectors(options.connectors_package.as_deref(), host).await?;
                storage_dependencies(&connectors.catalog, &connectors.package, &names.storage)
            };
            match cancellation.or_stop(prepared).await {
                Ok(dependencies) => {
                    lifecycle(&mut Told { environment, observer: &observer }, &dependencies).await
                }
                Err(error) => error.into(),
            }
        };
        let outcome = Box::pin(cancellation.within(timeout, run)).await;
        course.completed(outcome)
    }
}

/// An environment whose phases are told.
struct Told<'a, E, O> {
    environment: E,
    observer: &'a O,
}

impl<E: ExecutionEnvironment + Send, O: Observer> ExecutionEnvironment for Told<'_, E, O> {
    async fn create(&mut self, dependencies: &[Dependency]) -> Result<(), Failure> {
        self.environment.create(dependencies).await
    }

    async fn execute(&mut self) -> Outcome {
        self.observer.phase(Phase::Execution).await;
        self.environment.execute().await
    }

    async fn cleanup(&mut self) -> Result<(), Failure> {
        self.observer.phase(Phase::Cleanup).await;
        self.environment.cleanup().await
    }
}

/// Refuses options that need a process which was started here.
///
/// # Errors
/// `INVALID_CONFIG`.
pub fn refuse_what_only_ours_can(options: &Options) -> Result<()> {
    for (name, is_set) in [("onMessage", options.listeners.messages), ("report", options.report.is_some())] {
        if is_set {
            let message = format!(
                "option {name} needs the built-in environment: one of the caller's own reads its output itself"
            );
            return Err(RunnerError::new(Code::InvalidConfig, message));
        }
    }
    let Limits { stall, memory_mb, .. } = &options.limits;
    for (name, is_set) in [("stallTimeoutMs", stall.is_some()), ("memoryLimitMb", memory_mb.is_some())] {
        if is_set {
            return Err(RunnerError::new(
                Code::InvalidConfig,
                format!(
                    "option {name} cannot be used with an environment of your own, whose processes are not seen here"
                ),
            ));
        }
    }
    Ok(())
}
