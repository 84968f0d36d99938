//! Whole runs, without napi and without a terminal: from the turn in the queue to the page about it.
//!
//! [`Service::admit`] gives a run its place when it is called for; [`Admitted::run`] tells its story.
//! A directory that is ready is run by [`execute_directory`].

mod directory;
mod elsewhere;
mod page;
mod request;
mod settled;
mod watched;

use std::time::{Duration, Instant};

pub use directory::{DirectoryRequest, Which, clean_up, create_directory, execute_directory, new_folder};
pub use elsewhere::refuse_what_only_ours_can;
pub use request::{Names, RunRequest};

use crate::cancellation::Cancellation;
use crate::connectors::{check_source, storage_dependencies};
use crate::environment::runs_root;
use crate::error::Result;
use crate::host::Host;
use crate::isolation::granted_by;
use crate::manifest::Dependency;
use crate::observer::{Observer, Phase};
use crate::options::Options;
use crate::output::redact::Secrets;
use crate::report::Facts;
use crate::run::{
    Connectors, Control, Course, Made, NodeEnvironment, Outcome, Place, Registered, Turn, find_connectors,
    run_in_node,
};
use page::Page;
use watched::Watched;

/// The runs of one runner, which wait for each other. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Service(Control);

/// A run that was called for: it has its place in the line, and can be cancelled.
#[derive(Debug)]
pub struct Admitted {
    run: Registered,
    place: Place,
    course: Course,
}

impl Service {
    /// A service with at most so many runs at the same time.
    pub fn new(max_concurrent_runs: Option<usize>) -> Self {
        Self(Control::new(max_concurrent_runs))
    }

    /// Gives a run its place in the line.
    pub fn admit(&self, run_id: &str) -> Admitted {
        let course = Course::default();
        let (run, place) = self.0.register(run_id);
        Admitted { run, place, course }
    }

    /// Admits a run and does it.
    pub async fn run<O: Observer>(
        &self,
        request: RunRequest,
        options: &Options,
        host: &Host,
        observer: &O,
    ) -> Outcome {
        self.admit(&request.ids.1).run(request, options, host, observer).await
    }

    /// Asks every run of this id to stop, and gives their number.
    pub fn cancel(&self, run_id: &str, grace: Option<Duration>) -> usize {
        self.0.cancel(run_id, grace)
    }
}

impl Admitted {
    /// Where the run is asked to stop.
    pub fn cancellation(&self) -> &Cancellation {
        &self.run.cancellation
    }

    /// Does the run in an environment of ours, and writes the page where one is wanted, however the
    /// run ended.
    pub async fn run<O: Observer>(
        self,
        request: RunRequest,
        options: &Options,
        host: &Host,
        observer: &O,
    ) -> Outcome {
        let Self { run, place, course } = self;
        let facts = || Facts::of(request.ids.clone(), options, &request.variables, request.stdio.is_read());
        let mut page = match Page::of(request.report.as_deref(), facts).await {
            Ok(page) => page,
            Err(error) => return course.completed(error.into()),
        };
        let state = request.state.clone();
        let watched =
            Watched { observer, recorder: page.recorder(), course: Some(&course), state: state.as_deref() };
        let work = Work { options, host, cancellation: &run.cancellation, observer: &watched };
        let work = work.done(place, request, page.facts());
        let outcome = match &state {
            Some(state) => settled::settled(state.clone(), state.keeping(work).await).await,
            None => work.await,
        };
        course.completed(page.written(outcome).await)
    }
}

/// What all parts of one run need.
struct Work<'a, O> {
    options: &'a Options,
    host: &'a Host,
    cancellation: &'a Cancellation,
    observer: &'a O,
}

impl<O: Observer> Work<'_, O> {
    /// Waits for the turn, and does the run within its time.
    async fn done(&self, place: Place, request: RunRequest, facts: Option<&mut Facts>) -> Outcome {
        let called = Instant::now();
        let _turn = match turn(place, self.cancellation, self.observer).await {
            Ok(turn) => turn,
            Err(error) => return error.into(),
        };
        let queued = called.elapsed();
        let run = async {
            match self.cancellation.or_stop(self.found(&request.names)).await {
                Ok((connectors, dependencies)) => {
                    self.in_node(&connectors, &dependencies, request, facts).await
                }
                Err(error) => error.into(),
            }
        };
        let mut outcome = Box::pin(self.cancellation.within(self.options.limits.timeout, run)).await;
        if let Some(report) = &mut outcome.report {
            report.was_queued(queued);
        }
        outcome
    }

    /// The connectors package, and what the storage asks for.
    async fn found(&self, names: &Names) -> Result<(Connectors, Vec<Dependency>)> {
        let connectors = find_connectors(self.options.connectors_package.as_deref(), self.host).await?;
        let dependencies = storage_dependencies(&connectors.catalog, &connectors.package, &names.storage)?;
        if let Some(source) = &names.source {
            check_source(&connectors.catalog, &connectors.package, source)?;
        }
        Ok((connectors, dependencies))
    }

    async fn in_node(
        &self,
        connectors: &Connectors,
        dependencies: &[Dependency],
        request: RunRequest,
        facts: Option<&mut Facts>,
    ) -> Outcome {
        let Self { options, host, cancellation, observer } = *self;
        let runs_root = match runs_root(options.runs_dir.as_deref(), host) {
            Ok(root) => root,
            Err(error) => return error.into(),
        };
        let RunRequest { ids, names, variables, stdio, state, .. } = request;
        let marked = names.marked(&connectors.catalog);
        let secrets = Secrets::find(&options.redact, &variables, &marked);
        let package = &connectors.package;
        let granted = granted_by((package, &connectors.catalog), &variables, &options.isolation, host);
        if let Some(facts) = facts {
            facts.found(package, marked, secrets.clone());
        }
        let (grants, warnings) = match granted {
            Ok(granted) => granted,
            Err(error) => return Outcome::from(error).redacted(secrets.as_deref()),
        };
        let environment = NodeEnvironment {
            host,
            observer,
            package,
            runs_root,
            ids,
            variables,
            stdio: Some(stdio),
            cancellation: cancellation.clone(),
            options,
            secrets,
            grants,
            held: state.and_then(|state| state.descriptor()),
            warnings,
            made: Made::default(),
        };
        run_in_node(environment, dependencies).await
    }
}

/// Waits for a run's turn.
async fn turn<O: Observer>(place: Place, cancellation: &Cancellation, observer: &O) -> Result<Turn> {
    observer.phase(Phase::Queue).await;
    let turn = place.turn(cancellation).await?;
    observer.phase(Phase::Environment).await;
    Ok(turn)
}
