//! From the option to what the supervisor puts in force for one run.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::links::{Last, Place, follow};
use super::paths::{DEVICES, OF_THE_SYSTEM, WRITABLE_DEVICES, named_by};
use super::{Access, Grant, Isolation, Mode};
use crate::context::Variables;
use crate::environment::{Remover, Scratch, is_in_other_run, lock_beside};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::protocol::MAX_OPENED;
use crate::protocol::policy::{Demand, Layer, Opened, PerLayer, Policy};

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
    /// The environment that was prepared for it, where there is one: what its directory says of that may
    /// be a run's before it.
    pub environment: Option<&'a Path>,
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
        let found = Place::find(ground.directory);
        let directory =
            found.as_ref().map_or_else(|| ground.directory.to_owned(), |found| found.path.clone());
        let wants_files = demands[Layer::Files] != Demand::Off;
        if wants_files {
            let remover = Remover::of(ground.host);
            confined.temporary = temporary_folder(&directory, variables, &mut confined.warnings, remover);
        }

        let mut written: Vec<_> = found.into_iter().collect();
        written.extend(given("write", &self.write, &written, ground.host)?);
        for grant in ground.grants.iter().filter(|grant| grant.access == Access::Write && wants_files) {
            if let Some(place) = self.write_grant(grant, ground, &directory, &mut confined)? {
                written.push(place);
            }
        }
        let (mut reads, mut read) = (None, Vec::new());
        if self.mode == Mode::Strict {
            reads = Some(reads_of_run(ground, &directory, variables, &written, &mut confined.warnings));
            read = given("read", &self.read, &written, ground.host)?;
            read.extend(ground.grants.iter().map(|grant| grant.place.clone()));
        }

        let places = written.iter().chain(&read).map(|place| place.path.as_path());
        let granted: Vec<&Path> = places.chain(reads.iter().flatten().map(PathBuf::as_path)).collect();
        let sentinel =
            if wants_files { sentinel(&directory, &granted, ground.host) } else { Sentinel::default() };
        let mut policy = Policy {
            demands,
            reads: reads.map(|reads| reads.iter().filter_map(text).collect()),
            writes: WRITABLE_DEVICES.map(ToOwned::to_owned).into(),
            tcp_ports: self.tcp_ports.clone().unwrap_or_default(),
            sentinel: sentinel.path.as_deref().and_then(text),
            ..Policy::default()
        };
        for (places, is_written) in [(written, true), (read, false)] {
            for place in places {
                open(&mut policy, place, is_written);
            }
        }
        if policy.opened.len() > MAX_OPENED {
            return Err(invalid(format!(
                "more than {MAX_OPENED} paths are granted; grant folders that hold several of them"
            )));
        }
        confined.policy = Some(policy);
        confined.sentinel = sentinel.made;
        Ok(confined)
    }

    /// The folder of a write grant that a configuration asks for, unless it is another run's or the
    /// store's. One that holds these is granted in `standard`, which never refuses, and said.
    fn write_grant(
        &self,
        grant: &Grant,
        ground: &Ground<'_>,
        directory: &Path,
        confined: &mut Confined,
    ) -> Result<Option<Place>> {
        let Grant { place, parameter, .. } = grant;
        let path = &place.path;
        let is_ours = ground.own.iter().any(|folder| path.starts_with(folder));
        if is_ours || is_in_other_run(path, directory) {
            let why = "it belongs to the runner";
            confined.warnings.push(format!("{parameter} grants nothing: {} {why}", path.display()));
            return Ok(None);
        }
        let holds = ground.own.iter().chain(ground.shared).find(|folder| folder.starts_with(path));
        let Some(holds) = holds else { return Ok(Some(place.clone())) };
        let gap = format!(
            "{parameter} lies in {}, which also holds {}; a database in a folder of its own leaves no gap",
            path.display(),
            holds.display()
        );
        if self.demand(Layer::Files) == Demand::Required {
            return Err(invalid(format!("{gap}. In isolation 'strict' such a folder cannot be granted")));
        }
        confined.gap = Some(gap);
        Ok(Some(place.clone()))
    }
}

/// Grants what was found, once.
fn open(policy: &mut Policy, place: Place, is_written: bool) {
    let path = place.path.to_string_lossy().into_owned();
    let opened = Opened { path, is_written };
    if !policy.opened.contains(&opened) {
        policy.opened.push(opened);
        policy.descriptors.push(place.descriptor);
    }
}

/// What `strict` reads beside what is granted: what Node.js and this run need.
fn reads_of_run(
    ground: &Ground<'_>,
    directory: &Path,
    variables: &Variables,
    written: &[Place],
    warnings: &mut Vec<String>,
) -> Vec<PathBuf> {
    let mut reads = reads_of_node(ground.node);
    reads.push(ground.bootstrap.to_owned());
    // Node.js asks it for the kind of module, and does not start where it may not
    reads.extend([ground.bootstrap, directory].into_iter().filter_map(nearest_manifest));
    if let Some(modules) = modules(ground, directory, written, warnings) {
        let shared = shared_with(&modules).into_iter();
        reads.extend(shared.flat_map(|shared| [shared.join("compiled"), shared.join("node_modules")]));
        reads.push(modules.with_file_name("compiled"));
        reads.push(modules);
    }
    reads.extend(named_by(variables, directory));
    reads
}

/// The dependencies of a run that do not lie in its directory.
fn modules(
    ground: &Ground<'_>,
    directory: &Path,
    written: &[Place],
    warnings: &mut Vec<String>,
) -> Option<PathBuf> {
    if let Some(environment) = ground.environment {
        return Some(environment.join("node_modules"));
    }
    let modules = follow(&directory.join("node_modules"), written, Last::Folder)?;
    let path = &modules.place.path;
    let link = modules.leads_out(written)?;
    if ground.own.iter().any(|folder| path.starts_with(folder)) {
        return Some(modules.place.path);
    }
    warnings.push(format!(
        "the connector cannot read its dependencies: {link}; if you have made it, grant {} by isolation.read \
         (--allow-read)",
        path.display()
    ));
    None
}

/// What Node.js itself needs to read of a machine.
pub fn reads_of_node(node: &Path) -> Vec<PathBuf> {
    let mut reads: Vec<PathBuf> = OF_THE_SYSTEM.into_iter().chain(DEVICES).map(PathBuf::from).collect();
    // the program may be a symbolic link (nvm): the rule is for what it leads to
    reads.push(fs::canonicalize(node).unwrap_or_else(|_| node.to_owned()));
    // libraries of its own, as Conda's and Homebrew's have them
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut libraries: Vec<_> = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]))
        .filter(|path| path.contains(".so"))
        .collect();
    libraries.dedup();
    reads.extend(libraries.into_iter().map(PathBuf::from));
    reads
}

/// What a program of ours may do that works in a directory for a run before there is one: write in
/// these places and read those, or everything; with the network, or without. Each layer where the
/// system has it.
pub fn for_helper(
    directory: &Path,
    writes: &[PathBuf],
    reads: Option<&[PathBuf]>,
    has_network: bool,
    host: &Host,
) -> Confined {
    let mut demands = PerLayer::all(Demand::Preferred);
    if has_network {
        demands[Layer::UnixSockets] = Demand::Off;
        demands[Layer::TcpPorts] = Demand::Off;
    }
    // a folder may be named by way of a symbolic link
    let places = || writes.iter().chain(reads.into_iter().flatten());
    let resolved: Vec<_> = places().filter_map(|folder| fs::canonicalize(folder).ok()).collect();
    let granted: Vec<_> = places().chain(&resolved).map(PathBuf::as_path).collect();
    let sentinel = sentinel(directory, &granted, host);
    let devices = WRITABLE_DEVICES.map(PathBuf::from);
    let policy = Policy {
        demands,
        reads: reads.map(|reads| reads.iter().filter_map(text).collect()),
        writes: writes.iter().chain(&devices).filter_map(text).collect(),
        sentinel: sentinel.path.as_deref().and_then(text),
        ..Policy::default()
    };
    Confined { policy: Some(policy), sentinel: sentinel.made, ..Confined::default() }
}

/// The environment with the packages that links in these modules lead to: one of the store's, beside
/// theirs.
fn shared_with(modules: &Path) -> Option<PathBuf> {
    let environment = modules.parent()?;
    let shared = fs::canonicalize(environment.join("shared")).ok()?;
    (shared.parent() == environment.parent()).then_some(shared)
}

/// The `package.json` that holds for a script or folder.
fn nearest_manifest(of: &Path) -> Option<PathBuf> {
    of.ancestors().map(|folder| folder.join("package.json")).find(|file| file.is_file())
}

/// Paths that the caller grants: as they are, but they must be there, and no link that a run may have
/// made in one of them, or in `written`, leads out of these.
fn given(name: &str, paths: &[String], written: &[Place], host: &Host) -> Result<Vec<Place>> {
    let refused =
        |path: &str, why: String| invalid(format!("option isolation.{name} grants {path:?}, {why}"));
    let mut all = written.to_vec();
    if name == "write" {
        all.extend(paths.iter().filter_map(|path| Place::find(&host.absolute(path))));
    }
    let find = |path: &String| {
        let absolute = host.absolute(path);
        follow(&absolute, &all, Last::Folder).ok_or_else(|| {
            let cause = fs::canonicalize(&absolute).err();
            let cause = cause.map_or_else(|| "it has changed".to_owned(), |cause| cause.to_string());
            refused(path, format!("which cannot be resolved: {cause}"))
        })
    };
    let found: Vec<_> = paths.iter().map(find).collect::<Result<_>>()?;
    let mut sure = written.to_vec();
    if name == "write" {
        sure.extend(found.iter().filter(|found| !found.is_doubtful()).map(|found| found.place.clone()));
    }
    let checked = found.into_iter().zip(paths).map(|(found, path)| match found.leads_out(&sure) {
        Some(link) => Err(refused(path, format!("but {link}; name the path that is meant"))),
        None => Ok(found.place),
    });
    checked.collect()
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
