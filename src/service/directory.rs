//! Directories that a caller has made beforehand, and keeps for as long as it likes.

use std::path::PathBuf;

use super::Watched;
use super::page::Page;
use crate::cancellation::Cancellation;
use crate::connectors::locate;
use crate::context::Variables;
use crate::environment::{
    self, Lock, Purpose, Remover, RunFolder, discard, keep_lease, kept_environment, node_for, prepare,
    runs_root,
};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::isolation::{Grant, granted_by};
use crate::manifest::Dependency;
use crate::observer::Observer;
use crate::options::Options;
use crate::output::redact::{Marked, Secrets};
use crate::process::Reserved;
use crate::report::Facts;
use crate::run::{Connectors, Execution, Job, Outcome, execute, find_connectors};

/// What is asked of a directory's connector, beside its options.
#[derive(Debug)]
pub struct DirectoryRequest {
    /// The directory that holds `main.js`.
    pub directory: PathBuf,
    /// The connector's variables.
    pub variables: Variables,
    /// Its descriptors.
    pub stdio: Reserved,
    /// Where the page about the run is written, if one is wanted.
    pub report: Option<PathBuf>,
}

/// An empty directory for the run of these ids, which is removed unless it is kept.
///
/// # Errors
/// `INTERNAL`, naming the path.
pub fn new_folder((connector_id, run_id): (&str, &str), options: &Options, host: &Host) -> Result<RunFolder> {
    let root = runs_root(options.runs_dir.as_deref(), host)?;
    RunFolder::create(&root, connector_id, run_id, &Remover::of(host))
}

/// Makes a run's directory, fills it, and gives its path.
///
/// # Errors
/// Those of the folder, the connectors package and the installation; the error of a run that is
/// asked to stop meanwhile.
pub async fn create_directory<O: Observer>(
    ids: (&str, &str),
    dependencies: &[Dependency],
    options: &Options,
    host: &Host,
    cancellation: &Cancellation,
    observer: &O,
) -> Result<PathBuf> {
    let folder = new_folder(ids, options, host)?;
    let package = locate(options.connectors_package.as_deref(), host)?;
    let purpose = Purpose {
        package: &package,
        storage_dependencies: dependencies,
        node: &node_for(&host.variables, host)?,
        script: options.script,
        store: &options.store,
        host,
    };
    let lease = prepare(&folder, ids.0, &purpose, cancellation, observer).await?.lease;
    let path = folder.keep();
    if let Some(lease) = lease {
        keep_lease(&path, lease);
    }
    Ok(path)
}

/// Runs `main.js` of a directory.
pub async fn execute_directory<O: Observer>(
    request: DirectoryRequest,
    options: &Options,
    host: &Host,
    cancellation: &Cancellation,
    observer: &O,
) -> Outcome {
    let DirectoryRequest { directory, variables, stdio, report } = request;
    let facts = || {
        let of = |name: &str| variables.iter().find(|(known, _)| known == name);
        let id = |name| of(name).map(|(_, value)| value.clone()).unwrap_or_default();
        let ids = (id("OW_DATAMART_ID"), id("OW_RUN_ID"));
        Facts::of(ids, options, &variables, stdio.is_read())
    };
    let page = match Page::of(report.as_deref(), facts).await {
        Ok(page) => page,
        Err(error) => return error.into(),
    };
    let observer = Watched { observer, recorder: page.recorder(), course: None, state: None };
    let lock = RunFolder::hold(&directory);
    let secrets = Secrets::find(&options.redact, &variables, &Marked::default());
    let environment = kept_environment(&directory);
    let outcome = match grants(options, &variables, host).await {
        Ok((grants, warnings)) => {
            let job = Job {
                directory: &directory,
                variables,
                stdio,
                held: lock.as_ref().and_then(Lock::descriptor).into_iter().collect(),
                options,
                cancellation,
                secrets: secrets.clone(),
                grants: &grants,
                environment: environment.as_deref(),
            };
            let work = Box::pin(execute(job, host, &observer));
            let ended = cancellation.within(options.limits.timeout, work).await;
            ended.map_or_else(Outcome::from, |execution| told(execution, warnings))
        }
        Err(error) => error.into(),
    };
    page.written(outcome.redacted(secrets.as_deref())).await
}

/// What came of a run, with what else its caller should know.
fn told(execution: Execution, warnings: Vec<String>) -> Outcome {
    let mut outcome = execution.into_outcome(None);
    if let Some(report) = &mut outcome.report {
        report.warnings.extend(warnings);
    }
    outcome
}

/// The paths that the configuration of a directory's connector grants. Where there is no connectors
/// package that knows it, none: then they are for the caller to grant.
async fn grants(options: &Options, variables: &Variables, host: &Host) -> Result<(Vec<Grant>, Vec<String>)> {
    let has_config = variables.iter().any(|(name, _)| name == "OW_CONFIG");
    if !has_config || !options.isolation.needs_grants() {
        return Ok(Default::default());
    }
    match find_connectors(options.connectors_package.as_deref(), host).await {
        Ok(Connectors { package, catalog }) => {
            granted_by((&package, &catalog), variables, &options.isolation, host)
        }
        Err(_) => Ok(Default::default()),
    }
}

/// Which directories are removed.
#[derive(Debug)]
pub enum Which {
    /// Exactly this one.
    Directory(PathBuf),
    /// Every one of these ids that no live run holds.
    Ids(String, String),
}

/// Removes directories that were made here.
///
/// # Errors
/// `INTERNAL`, naming the path that is left.
pub async fn clean_up(which: Which, options: Options, host: Host) -> Result<()> {
    let work = move || {
        let root = runs_root(options.runs_dir.as_deref(), &host)?;
        let remover = Remover::of(&host);
        match which {
            Which::Directory(directory) => discard(&root, &directory, &remover),
            Which::Ids(connector_id, run_id) => environment::cleanup(&root, &connector_id, &run_id, &remover),
        }
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|cause| Err(RunnerError::new(Code::Internal, cause.to_string())))
}
