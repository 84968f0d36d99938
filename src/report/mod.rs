//! The report of one run (`report: 'run.html'`): one HTML file that needs neither network nor
//! script, written however the run ended.
//!
//! What a connector prints, what things are called and what the system says is foreign text: it is
//! cut to a bounded size, redacted, and can only become text of the page ([`html`]).

mod bounded;
mod chart;
mod curves;
mod file;
mod html;
mod page;
mod printed;
mod record;
mod settings;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

pub use file::{Target, UNWRITTEN};
pub use record::Recorder;

use crate::connectors::Package;
use crate::context::Variables;
use crate::error::{Code, Result, RunnerError};
use crate::options::{Limits, Options};
use crate::output::redact::{Marked, Redaction, Secrets};
use crate::run::{Failure, Outcome};

/// What was asked of a run.
#[derive(Debug, Default)]
pub struct Facts {
    /// The data mart's id and the run's.
    pub ids: (String, String),
    /// Names of the configuration, its source and its storage.
    pub config_name: String,
    /// The source's name.
    pub source: String,
    /// The storage's name.
    pub storage: String,
    /// `OW_CONFIG` and `OW_RUN_CONFIG`.
    pub config: (String, String),
    /// The connectors package and its version.
    pub connectors: Option<String>,
    /// The run's limits.
    pub limits: Limits,
    /// Whether the connector's stdout was read here.
    pub is_read: bool,
    /// What is secret besides.
    pub redaction: Redaction,
    /// What manifests mark as secret.
    pub marked: Marked,
    /// The run's secrets.
    pub secrets: Option<Arc<Secrets>>,
}

impl Facts {
    /// What is known when a run is called for. Its secrets are those that show by their names, until
    /// the manifests have been read.
    pub fn of(ids: (String, String), options: &Options, variables: &Variables, is_read: bool) -> Self {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let config = (variable("OW_CONFIG"), variable("OW_RUN_CONFIG"));
        let (config_name, source, storage) = settings::names(&config.0);
        Self {
            ids,
            config_name,
            source,
            storage,
            config,
            connectors: None,
            limits: options.limits.clone(),
            is_read,
            redaction: options.redact.clone(),
            marked: Marked::default(),
            secrets: Secrets::find(&options.redact, variables, &Marked::default()),
        }
    }

    /// What the connectors package tells.
    pub fn found(&mut self, package: &Package, marked: Marked, secrets: Option<Arc<Secrets>>) {
        self.connectors = Some(package.title());
        self.marked = marked;
        self.secrets = secrets;
    }
}

/// A report that will be written.
#[derive(Debug)]
pub struct Reporting {
    target: Target,
    /// Whoever remembers the run.
    pub recorder: Recorder,
    /// What was asked for.
    pub facts: Facts,
}

impl Reporting {
    /// A report for a run that begins now.
    pub fn new(target: Target, facts: Facts) -> Self {
        Self { target, recorder: Recorder::default(), facts }
    }

    /// Writes it. What goes wrong is a warning of the run, or more help with its error: a run that
    /// has done its work has not failed because nobody can read of it.
    pub async fn write(self, mut outcome: Outcome) -> Outcome {
        let recording = self.recorder.recording_so_far();
        let page = page::write(&self.facts, &recording, &outcome);
        let target = self.target;
        let path = target.path();
        let written = tokio::task::spawn_blocking(move || target.write(&page)).await;
        let problem = match written {
            Ok(Ok(())) => {
                if let Some(report) = &mut outcome.report {
                    report.page = Some(path.clone());
                }
                outcome.page = Some(path);
                return outcome;
            }
            Ok(Err(error)) => error.message,
            Err(cause) => format!("the report was not written: {cause}"),
        };
        match (&mut outcome.report, &mut outcome.failure) {
            (Some(report), _) => report.warnings.push(problem),
            (None, Some(Failure::Ours(error))) => {
                let hint = error.hint.take().map(|hint| hint + "\n").unwrap_or_default();
                error.hint = Some(hint + &problem);
            }
            _ => {}
        }
        outcome
    }
}

/// Writes the report of a run that was refused before it was called for, such as one without a
/// configuration: what an earlier run has written must not be taken for this one's. Gives its path.
///
/// # Errors
/// As [`target`] and [`Target::write`].
pub async fn write_refusal(path: PathBuf, config_name: String, error: RunnerError) -> Result<String> {
    let target = target(path).await?;
    let written = target.path();
    let facts = Facts { config_name, is_read: true, ..Facts::default() };
    let page = page::write(&facts, &Recorder::default().recording_so_far(), &Outcome::from(error));
    tokio::task::spawn_blocking(move || target.write(&page))
        .await
        .unwrap_or_else(|cause| Err(RunnerError::new(Code::Internal, cause.to_string())))
        .map(|()| written)
}

/// Looks at the file that was asked for, away from the threads that others wait for.
///
/// # Errors
/// `INVALID_CONFIG`, as [`Target::check`].
pub async fn target(path: PathBuf) -> Result<Target> {
    tokio::task::spawn_blocking(move || Target::check(path))
        .await
        .unwrap_or_else(|cause| Err(RunnerError::new(Code::Internal, cause.to_string())))
}
