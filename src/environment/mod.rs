//! Where a run lives: a directory of its own with `package.json`, `main.js` and `node_modules`.
//!
//! `node_modules` leads into the [store](store), where each set of dependencies is installed once
//! and shared, read-only. Without the store each run installs for itself.

mod folder;
mod leftovers;
mod lock;
mod lockfile;
mod node;
mod noexec;
mod npm;
mod npm_settings;
mod npmrc;
mod own_folder;
mod packlist;
mod project;
mod provided;
mod replaced;
mod script_ground;
mod scripts;
mod sources;
pub mod store;
mod tree;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use folder::refused;
pub use folder::{Lock, RunFolder, discard, is_in_other_run, lock_beside, runs_root};
pub use leftovers::{cleanup, sweep};
pub use lock::{FileLock, Hold};
pub use lockfile::portable as portable_lockfile;
pub use node::{help as node_help, version as node_version};
pub use noexec::is_noexec;
pub use npm::{Install, Published, install, published, version as npm_version};
pub use project::Project;
pub use provided::Provided;
pub use scripts::Permit;
pub use tree::{Remover, Scratch};

use crate::cancellation::Cancellation;
use crate::connectors::Package;
use crate::error::{Code, Result, RunnerError};
use crate::foreign::read_text;
use crate::host::Host;
use crate::isolation::LayerReport;
use crate::manifest::{Dependency, connectors_dependency, package_json};
use crate::observer::{Observer, Step};
use crate::process;
use crate::specifier::AllowedOrigins;
use crate::template::{self, Script};
use sources::Allowed;
use store::{Lease, Recipe, Store, Terms, Wanted};

/// Which environment a run had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentInfo {
    /// The same for equal dependencies on equal machines: 16 hexadecimal digits.
    pub key: String,
    /// Whether it was there already.
    pub cached: bool,
}

/// Where environments come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether each run installs for itself.
    pub off: bool,
    /// Folder of the store; looked for where absent.
    pub dir: Option<String>,
    /// Whether to resolve versions anew.
    pub refresh: bool,
    /// Age from which on versions are resolved anew; never by default.
    pub max_age: Option<Duration>,
    /// Lockfile that pins versions.
    pub lockfile: Option<String>,
    /// Packages whose install scripts run: each a [`Permit`].
    pub scripts: Vec<String>,
    /// Whether npm may do all that its user may, as in the original.
    pub free_install: bool,
    /// What dependencies may ask for beside versions from the registry.
    pub specs: AllowedOrigins,
    /// Folder whose project says which registries are asked; the host's where absent.
    pub project: Option<String>,
}

impl StoreOptions {
    /// Whether versions are the registry's: those in npm's cache may be of any age.
    fn is_fresh(&self) -> bool {
        self.refresh || self.max_age.is_some()
    }
}

/// What an environment is for.
#[derive(Debug, Clone, Copy)]
pub struct Purpose<'a> {
    /// The connectors package.
    pub package: &'a Package,
    /// What the storage asks for.
    pub storage_dependencies: &'a [Dependency],
    /// The `node` that will run.
    pub node: &'a Path,
    /// What its script does.
    pub script: Script,
    /// Where it comes from.
    pub store: &'a StoreOptions,
    /// The host.
    pub host: &'a Host,
}

/// A directory that is ready.
#[derive(Debug)]
pub struct Prepared {
    /// Which environment it has.
    pub info: EnvironmentInfo,
    /// What holds the environment in the store.
    pub lease: Option<Lease>,
    /// What has confined npm, where it has installed.
    pub install: Option<Vec<LayerReport>>,
    /// What a caller should know of the installation.
    pub warnings: Vec<String>,
}

impl Purpose<'_> {
    /// All dependencies: the connectors package, what it needs beside itself, the storage's.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for one that is no package, identifier or allowed specifier.
    fn dependencies(&self) -> Result<Vec<Dependency>> {
        let mut asked = self.package.manifest.runner_dependencies();
        asked.extend_from_slice(self.storage_dependencies);
        for dependency in &asked {
            dependency.check()?;
            self.store.specs.check(&dependency.name, &dependency.version, &self.package.root)?;
        }
        asked.insert(0, connectors_dependency(&self.package.root));
        Ok(asked)
    }

    /// The environment in the store, installed where it is missing.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for dependencies or a lockfile that cannot be, and those of [`Store::obtain`].
    pub async fn obtain<O: Observer>(&self, cancellation: &Cancellation, observer: &O) -> Result<Lease> {
        self.obtain_for(&self.dependencies()?, cancellation, observer).await
    }

    async fn obtain_for<O: Observer>(
        &self,
        dependencies: &[Dependency],
        cancellation: &Cancellation,
        observer: &O,
    ) -> Result<Lease> {
        let lockfile = self.lockfile()?;
        let node_abi = node::abi(self.node, self.host).await?;
        let provided = Provided::by(self.host);
        let project = self.project();
        let wanted = Wanted {
            package: self.package,
            dependencies,
            node: self.node,
            node_abi: &node_abi,
            scripts: &self.store.scripts,
            specs: &self.store.specs,
            free_install: self.store.free_install,
            lockfile: lockfile.as_deref(),
            provided: &provided,
            project: &project,
            is_fresh: self.store.is_fresh(),
        };
        let root = store::store_root(self.store.dir.as_deref(), self.host)?;
        let store = Store::open(&root, Remover::of(self.host))?;
        let terms = Terms { refresh: self.store.refresh, max_age: self.store.max_age };
        let mut lease = store.obtain(&wanted, terms, self.host, cancellation, observer).await?;
        lease.warnings.extend(store.mended());
        lease.warnings.extend(provided.notices(&lease.path));
        Ok(lease)
    }

    /// What the project's `.npmrc` says.
    fn project(&self) -> Project {
        let folder = self.store.project.as_ref().map(|folder| self.host.absolute(folder));
        Project::of(folder.as_deref().unwrap_or(&self.host.cwd), self.host)
    }

    fn lockfile(&self) -> Result<Option<String>> {
        let Some(path) = &self.store.lockfile else { return Ok(None) };
        let path = self.host.absolute(path);
        read_text(&path).map(Some).map_err(|cause| {
            RunnerError::new(
                Code::InvalidConfig,
                format!(
                    "the lockfile {} cannot be read: {cause}; make it with connector-runner store lock CONFIG",
                    path.display()
                ),
            )
        })
    }
}

/// Fills a run's directory: `package.json`, the dependencies, `main.js`.
///
/// # Errors
/// `INVALID_CONFIG` for dependencies that cannot be, `INSTALL_FAILED` from npm,
/// `STORE_LOCK_TIMEOUT`; the error of a run that is asked to stop meanwhile.
pub async fn prepare<O: Observer>(
    folder: &RunFolder,
    connector_id: &str,
    purpose: &Purpose<'_>,
    cancellation: &Cancellation,
    observer: &O,
) -> Result<Prepared> {
    let directory = folder.path();
    let all = purpose.dependencies()?;
    let script = template::render(&all, purpose.script)?;
    let manifest = package_json(connector_id, &[], &all);
    write(&directory.join("package.json"), &format!("{manifest:#}\n"))?;
    let prepared = if purpose.store.off {
        install_here(folder, purpose, &all, cancellation, observer)
            .await
            .map_err(|error| with_missing(error, purpose.storage_dependencies))?
    } else {
        let obtained = purpose.obtain_for(&all, cancellation, observer).await;
        let mut lease = obtained.map_err(|error| with_missing(error, purpose.storage_dependencies))?;
        for environment in [&lease.path, &lease.installed] {
            noexec::check(environment, "name another folder with storeDir, --store or OWOX_RUNNER_STORE")?;
        }
        let modules = lease.path.join("node_modules");
        let link = directory.join("node_modules");
        std::os::unix::fs::symlink(&modules, &link)
            .map_err(|cause| refused("link the environment at", &link, &cause))?;
        let info = EnvironmentInfo { key: lease.key.clone(), cached: lease.cached };
        let install = lease.install.take();
        let warnings = std::mem::take(&mut lease.warnings);
        Prepared { info, lease: Some(lease), install, warnings }
    };
    write(&directory.join("main.js"), &script)?;
    Ok(prepared)
}

/// The error with a last line that names the version that npm's registry lacks, where npm says so.
fn with_missing(mut error: RunnerError, of_storage: &[Dependency]) -> RunnerError {
    if error.code != Code::InstallFailed {
        return error;
    }
    let Some(hint) = &error.hint else { return error };
    let Some((name, version)) = npm::missing_version(hint) else { return error };
    let asks = if of_storage.iter().any(|dependency| dependency.name == name) {
        "the storage's manifest asks for"
    } else {
        "the connectors package or one of its dependencies asks for"
    };
    error.hint = Some(format!(
        "{}\nThe registry has no {name} {version}, which {asks}: correct it there, or use a registry that has it",
        hint.trim_end()
    ));
    error
}

/// Installs into the run's own directory, as the original did.
async fn install_here<O: Observer>(
    folder: &RunFolder,
    purpose: &Purpose<'_>,
    dependencies: &[Dependency],
    cancellation: &Cancellation,
    observer: &O,
) -> Result<Prepared> {
    let (directory, lock) = (folder.path(), folder.descriptor());
    let lockfile = purpose.lockfile()?;
    if let Some(text) = &lockfile {
        let text = lockfile::with_connectors(text, &purpose.package.root, directory)?;
        write(&directory.join("package-lock.json"), &text)?;
    }
    observer.step(Step::Installing).await;
    let provided = Provided::by(purpose.host);
    let project = purpose.project();
    let how = Install {
        pinned: lockfile.is_some(),
        is_fresh: purpose.store.is_fresh(),
        scripts: &purpose.store.scripts,
        allowed: Some(Allowed { connectors_root: &purpose.package.root, origins: &purpose.store.specs }),
        provided: Some(&provided),
        project: Some(&project),
        is_free: purpose.store.free_install,
        lock: lock.as_ref(),
        ..Install::default()
    };
    let done = install(directory, how, purpose.host, cancellation).await?;
    noexec::check(directory, "name another folder with runsDir, --runs-dir or OWOX_RUNNER_RUNS_DIR")?;
    let wanted = Wanted {
        package: purpose.package,
        dependencies,
        node: purpose.node,
        node_abi: &node::abi(purpose.node, purpose.host).await?,
        scripts: &purpose.store.scripts,
        specs: &purpose.store.specs,
        free_install: purpose.store.free_install,
        lockfile: lockfile.as_deref(),
        provided: &provided,
        project: &project,
        is_fresh: purpose.store.is_fresh(),
    };
    let content = store::Content::of(&purpose.package.root, None)?;
    let info = EnvironmentInfo { key: Recipe::of(&wanted, &content).key(), cached: false };
    let mut warnings = done.warnings;
    warnings.extend(provided.notices(directory));
    Ok(Prepared { info, lease: None, install: Some(done.layers), warnings })
}

/// The `node` that a connector with these variables gets.
///
/// # Errors
/// `SPAWN_FAILED` where there is none.
pub fn node_for(variables: &crate::context::Variables, host: &Host) -> Result<PathBuf> {
    process::find_node(variables, host)
}

/// Environments of directories that a caller keeps between two calls.
static KEPT: LazyLock<Mutex<HashMap<PathBuf, Lease>>> = LazyLock::new(Mutex::default);

/// Holds an environment for a directory that its caller keeps, until the directory is removed or
/// this process ends.
pub fn keep_lease(directory: &Path, lease: Lease) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.to_owned(), lease);
}

/// The environment in the store that is held for a directory that its caller keeps.
pub fn kept_environment(directory: &Path) -> Option<PathBuf> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let real = || kept.get(&fs::canonicalize(directory).ok()?);
    kept.get(directory).or_else(real).map(|lease| lease.path.clone())
}

/// Lets go of what [`keep_lease`] holds.
fn release_lease(directory: &Path) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).remove(directory);
}

/// Writes one file of an environment.
///
/// # Errors
/// `INTERNAL`, naming the path.
pub fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).map_err(|cause| refused("write", path, &cause))
}
