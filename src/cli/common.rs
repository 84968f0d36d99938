//! What commands share: options, facts about the terminal, and what they answer.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::ending::code_row;
use super::look::{Paint, printable};
use super::shown::answer;
use crate::error::RunnerError;
pub use crate::suggest::{nearest, suggestion};

/// The command's name, as people type it.
pub const NAME: &str = "connector-runner";

/// Options of every command that needs a connectors package.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectorsArgs {
    /// Connectors package: an npm package's name, or the path of a package's folder
    #[arg(long, value_name = "PACKAGE")]
    pub connectors: Option<String>,
}

/// Options of every command that makes an environment.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Environment")]
pub struct EnvironmentArgs {
    /// Folder of the store [default: the variable `OWOX_RUNNER_STORE`, else in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub store: Option<String>,

    /// Resolve versions anew, as the registry has them now, even where an environment is in the store
    #[arg(long)]
    pub refresh: bool,

    /// Lockfile that pins versions [default: <CONFIG>.lock.json beside the configuration, if there is one]
    #[arg(long, value_name = "FILE")]
    pub lockfile: Option<String>,

    /// Package whose install script may run: a name of the registry, or NAME@file:/path, NAME@git+https://… and
    /// NAME@https://… for one from elsewhere; may be repeated
    #[arg(long, value_name = "PACKAGE")]
    pub allow_scripts: Vec<String>,

    /// What dependencies may name beside versions of the registry: file, git or url; may be repeated
    #[arg(long, value_name = "KIND")]
    pub allow_specs: Vec<String>,
}

/// The lockfile of a configuration: beside it, `config.lock.json` for `config.json`.
pub fn lockfile_beside(config: &Path) -> PathBuf {
    config.with_extension("lock.json")
}

/// The folder of a configuration's file, where npm's settings of its project are looked for.
pub fn project_of(config: &str) -> Option<String> {
    let folder = Path::new(config).parent()?.to_str().filter(|_| config != "-")?;
    Some(if folder.is_empty() { "." } else { folder }.to_owned())
}

impl EnvironmentArgs {
    /// The lockfile that was named, or the one beside the configuration.
    pub fn lockfile_for(&self, config: &Path) -> Option<String> {
        let beside = lockfile_beside(config);
        self.lockfile.clone().or_else(|| beside.is_file().then(|| beside.display().to_string()))
    }
}

/// Facts about the terminal, taken from JavaScript.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal {
    /// Whether stdout may have colours: it is a terminal, and nobody asked for none.
    pub colours: bool,
    /// How wide it is, where it is a terminal.
    pub columns: Option<usize>,
}

/// What a command prints, and the exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Printed {
    /// For stdout.
    pub stdout: String,
    /// For stderr.
    pub stderr: String,
    /// The exit code.
    pub exit_code: i32,
    /// Why a command could not do its work: [`Printed::told`] makes words of it.
    #[serde(skip)]
    pub error: Option<RunnerError>,
}

impl Printed {
    /// Text on stdout and exit code 0.
    pub fn ok(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// Text on stderr and exit code 1.
    pub fn error(stderr: impl Into<String>) -> Self {
        Self { stderr: stderr.into(), exit_code: 1, ..Self::default() }
    }
}

/// A command that could not do its work: exit code 1.
impl From<RunnerError> for Printed {
    fn from(error: RunnerError) -> Self {
        Self { error: Some(error), exit_code: 1, ..Self::default() }
    }
}

impl Printed {
    /// What is written of it: all that a command prints takes this way.
    #[must_use]
    pub fn shown(self, stdout: Paint, stderr: Paint) -> Self {
        Self {
            stdout: answer(&self.stdout, stdout.colours),
            stderr: printable(&self.stderr, stderr.colours),
            ..self
        }
    }

    /// With what its error says on stderr: message, hint and code.
    #[must_use]
    pub fn told(mut self, paint: Paint) -> Self {
        let Some(error) = &self.error else { return self };
        let mut text = format!("{} {}\n", paint.error("Error:"), error.message);
        for line in error.hint.iter().flat_map(|hint| hint.trim_end().lines()) {
            let _ = writeln!(text, "  {line}"); // a String takes everything
        }
        let code = code_row(error.code.as_str(), self.exit_code);
        let _ = writeln!(text, "  {} {code}", paint.dim(&format!("{:<8}", "Code")));
        self.stderr = text;
        self
    }
}
