//! What the core needs to know of the program it runs in.

use std::path::{Path, PathBuf};

use crate::context::Variables;

/// Facts about the host, taken from JavaScript at the start of each call: Jest and others
/// replace `process.env`, so the C environment is never asked.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// `process.env`.
    pub variables: Variables,
    /// `process.execPath`.
    pub exec_path: PathBuf,
    /// Runtime other than Node.js that the host is, such as `Bun 1.4.5`: [`Self::exec_path`] is its program.
    pub runtime: Option<String>,
    /// Program that runs connectors (option `nodePath`), from the current directory.
    pub node_path: Option<PathBuf>,
    /// `process.cwd()`.
    pub cwd: PathBuf,
    /// `process.versions.modules`.
    pub node_abi: String,
    /// The folder of the program's main file, where there is one.
    pub program_dir: Option<PathBuf>,
    /// The folder of this package.
    pub package_root: PathBuf,
    /// The supervisor helper.
    pub supervisor: PathBuf,
    /// What programs may read that work for runs and load a package's code.
    pub helpers_read: HelpersRead,
}

/// What programs may read that work for runs and load a package's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelpersRead {
    /// All that the user may.
    Everything,
    /// What Node.js and the package need, and these paths.
    Needed(Vec<String>),
}

impl Default for HelpersRead {
    fn default() -> Self {
        Self::Needed(Vec::new())
    }
}

impl Host {
    /// A variable's value; empty counts as absent.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Makes a path absolute, from the current directory.
    pub fn absolute(&self, path: impl AsRef<Path>) -> PathBuf {
        self.cwd.join(path)
    }

    /// The system's folder for temporary files.
    pub fn temporary_folder(&self) -> PathBuf {
        self.absolute(self.variable("TMPDIR").unwrap_or("/tmp"))
    }

    /// The script that hands a run its configuration and becomes its `main.js`.
    pub fn bootstrap(&self) -> PathBuf {
        self.package_root.join("src").join("template").join("bootstrap.js")
    }

    /// The reference connectors package that ships with the runner.
    pub fn reference_package(&self) -> PathBuf {
        self.package_root.join("packages").join("connectors")
    }
}
