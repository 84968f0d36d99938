//! From the option to what the supervisor puts in force for one run.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::paths::{DEVICES, OF_THE_SYSTEM, WRITABLE_DEVICES, named_by};
use super::{Access, Grant, Isolation, Mode};
use crate::context::Variables;
use crate::environment::{Remover, Scratch, is_in_other_run, lock_beside};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::protocol::policy::{Demand, Layer, PerLayer, Policy};

/// What a run stands on.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Its directory.
    pub directory: &'a Path,
    /// The program that is started.
    pub node: &'a Path,
    /// The script that hands the configuration over.
    pub bootstrap: &'a Path,
    /// Paths that its configuration grants.
    pub grants: &'a [Grant],
    /// Folders of the runner's own, in which no configuration grants anything.
    pub own: &'a [PathBuf],
    /// Folders that no grant should hold, since they hold what is not this run's.
    pub shared: &'a [PathBuf],
    /// The host.
    pub host: &'a Host,
}

/// What is put in force, and what belongs to it while the run lives.
#[derive(Debug, Default)]
pub struct Confined {
    /// What goes to the supervisor; none where nothing was asked for.
    pub policy: Option<Policy>,
    /// What a user should know.
    pub warnings: Vec<String>,
    /// What keeps the files from being fully isolated: a grant that holds more than this run's.
    pub gap: Option<String>,
    /// The folder for temporary files; held for its drop.
    temporary: Option<Scratch>,
    /// The file that the process must fail to open; held for its drop.
    sentinel: Option<TempPath>,
}

fn invalid(message: String) -> RunnerError {
    RunnerError::new(Code::InvalidConfig, message)
}

impl Isolation {
    /// The policy of one run. Gives its variables a folder for temporary files of its own.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a grant that cannot be given.
    pub fn confine(&self, ground: &Ground<'_>, variables: &mut Variables) -> Result<Confined> {
        let mut demands = PerLayer::all(Demand::Off);
        let mut any = false;
        for layer in Layer::ALL {
            demands[layer] = self.demand(layer);
            any |= layer != Layer::Processes && demands[layer] != Demand::Off;
        }
        if !any {
            return Ok(Confined::default());
        }
        let mut confined = Confined::default();
        // one that is not there is an error of the start, which has its own words
        let directory = fs::canonicalize(ground.directory).unwrap_or_else(|_| ground.directory.to_owned());
        let wants_files = demands[Layer::Files] != Demand::Off;
        if wants_files {
            let remover = Remover::of(ground.host);
            confined.temporary = temporary_folder(&directory, variables, &mut confined.warnings, remover);
        }

        let mut writes = vec![directory.clone()];
        writes.extend(given("write", &self.write, ground.host)?);
        for grant in ground.grants.iter().filter(|grant| grant.access == Access::Write && wants_files) {
            if let Some(path) = self.write_grant(grant, ground, &directory, &mut confined)? {
                writes.push(path);
            }
        }
        let reads =
            (self.mode == Mode::Strict).then(|| self.reads(ground, &directory, variables)).transpose()?;

        let granted: Vec<&Path> = writes.iter().chain(reads.iter().flatten()).map(PathBuf::as_path).collect();
        let sentinel =
            if wants_files { sentinel(&directory, &granted, ground.host) } else { Sentinel::default() };
        writes.extend(WRITABLE_DEVICES.map(PathBuf::from));
        confined.policy = Some(Policy {
            demands,
            reads: reads.map(|reads| reads.iter().filter_map(text).collect()),
            writes: writes.iter().filter_map(text).collect(),
            tcp_ports: self.tcp_ports.clone().unwrap_or_default(),
            sentinel: sentinel.path.as_deref().and_then(text),
        });
        confined.sentinel = sentinel.made;
        Ok(confined)
    }

    /// What `strict` reads: what Node.js and this run need, and what is granted.
    fn reads(&self, ground: &Ground<'_>, directory: &Path, variables: &Variables) -> Result<Vec<PathBuf>> {
        let mut reads: Vec<PathBuf> = OF_THE_SYSTEM.into_iter().chain(DEVICES).map(PathBuf::from).collect();
        // the program may be a symbolic link (nvm): the rule is for what it leads to
        reads.push(fs::canonicalize(ground.node).unwrap_or_else(|_| ground.node.to_owned()));
        reads.push(ground.bootstrap.to_owned());
        // Node.js asks it for the kind of module, and does not start where it may not
        reads.extend([ground.bootstrap, directory].into_iter().filter_map(nearest_manifest));
        if let Ok(modules) = fs::canonicalize(directory.join("node_modules")) {
            reads.push(modules.with_file_name("compiled"));
            reads.push(modules);
        }
        reads.extend(named_by(variables, directory));
        reads.extend(given("read", &self.read, ground.host)?);
        reads.extend(ground.grants.iter().map(|grant| grant.path.clone()));
        Ok(reads)
    }

    /// The folder of a write grant that a configuration asks for, unless it is another run's or the
    /// store's. One that holds these is granted in `standard`, which never refuses, and said.
    fn write_grant(
        &self,
        grant: &Grant,
        ground: &Ground<'_>,
        directory: &Path,
        confined: &mut Confined,
    ) -> Result<Option<PathBuf>> {
        let Grant { path, parameter, .. } = grant;
        let is_ours = ground.own.iter().any(|folder| path.starts_with(folder));
        if is_ours || is_in_other_run(path, directory) {
            let why = "it belongs to the runner";
            confined.warnings.push(format!("{parameter} grants nothing: {} {why}", path.display()));
            return Ok(None);
        }
        let holds = ground.own.iter().chain(ground.shared).find(|folder| folder.starts_with(path));
        let Some(holds) = holds else { return Ok(Some(path.clone())) };
        let gap = format!(
            "{parameter} lies in {}, which also holds {}; a database in a folder of its own leaves no gap",
            path.display(),
            holds.display()
        );
        if self.demand(Layer::Files) == Demand::Required {
            return Err(invalid(format!("{gap}. In isolation 'strict' such a folder cannot be granted")));
        }
        confined.gap = Some(gap);
        Ok(Some(path.clone()))
    }
}

/// What a program of ours may do that works in a directory for a run before there is one: write in
/// these places and read everything; with the network, or without. Each layer where the system has it.
pub fn for_helper(directory: &Path, writes: &[PathBuf], has_network: bool, host: &Host) -> Confined {
    let mut demands = PerLayer::all(Demand::Preferred);
    if has_network {
        demands[Layer::UnixSockets] = Demand::Off;
        demands[Layer::TcpPorts] = Demand::Off;
    }
    // a folder may be named by way of a symbolic link
    let resolved: Vec<_> = writes.iter().filter_map(|folder| fs::canonicalize(folder).ok()).collect();
    let granted: Vec<_> = writes.iter().chain(&resolved).map(PathBuf::as_path).collect();
    let sentinel = sentinel(directory, &granted, host);
    let devices = WRITABLE_DEVICES.map(PathBuf::from);
    let policy = Policy {
        demands,
        reads: None,
        writes: writes.iter().chain(&devices).filter_map(text).collect(),
        tcp_ports: Vec::new(),
        sentinel: sentinel.path.as_deref().and_then(text),
    };
    Confined { policy: Some(policy), sentinel: sentinel.made, ..Confined::default() }
}

/// The `package.json` that holds for a script or folder.
fn nearest_manifest(of: &Path) -> Option<PathBuf> {
    of.ancestors().map(|folder| folder.join("package.json")).find(|file| file.is_file())
}

/// Paths that the caller grants: as they are, but they must be there.
fn given(name: &str, paths: &[String], host: &Host) -> Result<Vec<PathBuf>> {
    let resolve = |path: &String| {
        fs::canonicalize(host.absolute(path)).map_err(|cause| {
            invalid(format!("option isolation.{name} grants {path:?}, which cannot be resolved: {cause}"))
        })
    };
    paths.iter().map(resolve).collect()
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    path.as_ref().to_str().map(ToOwned::to_owned)
}

/// Everything that a run writes stays in its directory, temporary files too. Two processes in one
/// directory have folders of their own.
fn temporary_folder(
    directory: &Path,
    variables: &mut Variables,
    warnings: &mut Vec<String>,
    remover: Remover,
) -> Option<Scratch> {
    let folder = match Scratch::new(directory, remover) {
        Ok(folder) => folder,
        Err(error) => {
            warnings.push(format!(
                "no folder for temporary files could be made in {}: {error}; the connector has none",
                directory.display()
            ));
            return None;
        }
    };
    variables.retain(|(name, _)| !["TMPDIR", "TMP", "TEMP"].contains(&name.as_str()));
    variables.push(("TMPDIR".to_owned(), folder.path().display().to_string()));
    Some(folder)
}

/// A file that can be opened and that nothing grants: the lock of a run's directory, or one that is
/// made for it.
#[derive(Debug, Default)]
struct Sentinel {
    path: Option<PathBuf>,
    made: Option<TempPath>,
}

fn sentinel(directory: &Path, granted: &[&Path], host: &Host) -> Sentinel {
    let is_granted = |path: &Path| granted.iter().any(|grant| path.starts_with(grant));
    let lock = lock_beside(directory);
    if lock.is_file() && !is_granted(&lock) {
        return Sentinel { path: Some(lock), made: None };
    }
    let folders =
        [Some(host.temporary_folder()), directory.parent().map(Path::to_owned), Some("/var/tmp".into())];
    let folders = folders.into_iter().flatten().filter_map(|folder| fs::canonicalize(folder).ok());
    let made = folders
        .filter(|folder| !is_granted(folder))
        .find_map(|folder| tempfile::Builder::new().prefix("owox-sentinel-").tempfile_in(folder).ok())
        .map(tempfile::NamedTempFile::into_temp_path);
    Sentinel { path: made.as_deref().map(Path::to_owned), made }
}
