//! Where a run lives: a directory of its own with `package.json`, `node_modules` and `main.js`.
//!
//! Each run installs for itself. A store that shares what was installed once belongs behind
//! [`prepare`]: it would fill the same directory from elsewhere.

mod folder;
mod lock;
mod npm;
mod tree;

use std::path::Path;

pub use folder::{RunFolder, cleanup, discard, runs_root, sweep};
pub use npm::install;

use crate::connectors::Package;
use crate::error::{Result, RunnerError};
use crate::host::Host;
use crate::manifest::{Dependency, connectors_dependency, package_json};
use crate::template;

/// Which environment a run had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentInfo {
    /// The same for equal dependencies on equal machines: 16 hexadecimal digits.
    pub key: String,
    /// Whether it was there already.
    pub cached: bool,
}

/// Fills a run's directory: `package.json`, the dependencies, `main.js`.
///
/// # Errors
/// `INVALID_CONFIG` for dependencies that cannot be, `INSTALL_FAILED` from npm.
pub async fn prepare(
    directory: &Path,
    connector_id: &str,
    package: &Package,
    storage_dependencies: &[Dependency],
    host: &Host,
) -> Result<EnvironmentInfo> {
    let mut defaults = vec![connectors_dependency(&package.root)];
    defaults.extend(package.manifest.runner_dependencies());
    let all: Vec<_> = defaults.iter().chain(storage_dependencies).cloned().collect();
    let script = template::render(&all)?;
    let manifest = package_json(connector_id, &defaults, storage_dependencies);
    write(&directory.join("package.json"), &format!("{manifest:#}\n"))?;
    install(directory, host).await?;
    write(&directory.join("main.js"), &script)?;
    Ok(EnvironmentInfo { key: key(&manifest), cached: false })
}

/// Writes one file of an environment.
///
/// # Errors
/// `INTERNAL`, naming the path.
pub fn write(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content).map_err(|cause| RunnerError::file("write", path, &cause))
}

/// A digest of everything here that can change what npm installs.
fn key(manifest: &serde_json::Value) -> String {
    let content =
        format!("{}\n{}\n{}", manifest["dependencies"], std::env::consts::OS, std::env::consts::ARCH);
    folder::digest(&[&content])
}
