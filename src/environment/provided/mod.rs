//! Modules that environments get from the runner instead of from npm (contract, section 7):
//! `@kaciras/deasync`, which takes a core as long as it waits, and `sync-request`, which starts a
//! process for each call. npm installs the originals; wherever in the tree it puts them, what can be
//! required there is ours.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::store::hex;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::removal;

/// Variable that names the modules of which the originals are wanted, separated by commas.
const ORIGINALS: &str = "OWOX_RUNNER_ORIGINALS";

/// File of the addon, beside the supervisor and in an environment.
const ADDON: &str = "event-loop.node";

/// Longest `package.json` that is looked into.
const MANIFEST_BYTES: u64 = 1 << 20;

/// A module that can be provided.
struct Module {
    name: &'static str,
    /// The versions whose API it has, up to the first dot.
    major: &'static str,
    /// What it consists of, for the key.
    sources: &'static [&'static str],
    /// Whether it needs the addon.
    needs_addon: bool,
    /// Whether the original cannot be used before its install script has run.
    needs_script: bool,
}

const DEASYNC: Module = Module {
    name: "@kaciras/deasync",
    major: "1",
    sources: &[
        include_str!("deasync/index.js"),
        include_str!("../../../native/event-loop/src/lib.rs"),
        include_str!("../../../native/event-loop/src/ffi.rs"),
    ],
    needs_addon: true,
    needs_script: true,
};

const SYNC_REQUEST: Module = Module {
    name: "sync-request",
    major: "6",
    sources: &[include_str!("sync-request/index.js"), include_str!("sync-request/thread.js")],
    needs_addon: false,
    needs_script: false,
};

const MODULES: [&Module; 2] = [&DEASYNC, &SYNC_REQUEST];

impl Module {
    /// Name and digest, as the key of an environment has them.
    fn mark(&self) -> String {
        let mut hash = Sha256::new();
        self.sources.iter().for_each(|source| hash.update(source));
        format!("{}:{}", self.name, &hex(&hash.finalize())[..16])
    }
}

static MARKS: LazyLock<[String; 2]> = LazyLock::new(|| MODULES.map(Module::mark));

/// Which modules an environment gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provided {
    addon: Option<PathBuf>,
    /// Modules of which the originals are wanted.
    originals: Vec<&'static str>,
}

impl Provided {
    /// What this host provides: all of them, but for those that it was told not to, and those that
    /// were not built for its platform.
    pub fn by(host: &Host) -> Self {
        let asked = host.variable(ORIGINALS).unwrap_or_default();
        let is_asked = |module: &&Module| asked.split(',').any(|name| name.trim() == module.name);
        let addon = host.supervisor.with_file_name(ADDON);
        Self {
            addon: addon.is_file().then_some(addon),
            originals: MODULES.into_iter().filter(is_asked).map(|module| module.name).collect(),
        }
    }

    fn has(&self, module: &Module) -> bool {
        !self.originals.contains(&module.name) && (!module.needs_addon || self.addon.is_some())
    }

    fn modules(&self) -> impl Iterator<Item = (usize, &'static Module)> {
        MODULES.into_iter().enumerate().filter(|(_, module)| self.has(module))
    }

    /// What it changes of an environment, as part of its key.
    pub fn marks(&self) -> Vec<String> {
        self.modules().map(|(at, _)| MARKS[at].clone()).collect()
    }

    /// Packages whose originals are used, and whose install scripts have to run for that.
    pub fn scripts(&self) -> Vec<String> {
        let originals = MODULES.into_iter().filter(|module| module.needs_script && !self.has(module));
        originals.map(|module| module.name.to_owned()).collect()
    }

    /// What a run should be told of an original that it gets without anybody having asked for it.
    pub fn notices(&self, environment: &Path) -> Vec<String> {
        let is_missed = |module: &&Module| !self.originals.contains(&module.name) && !self.has(module);
        let is_there = |module: &&Module| environment.join("node_modules").join(module.name).is_dir();
        let missed = MODULES.into_iter().filter(is_missed).filter(is_there);
        missed
            .map(|module| {
                format!(
                    "{0} is the original one, which has to be compiled and takes a processor core as long as it \
                     waits: {ADDON} is missing beside the addon of @owox/connector-runner; install the \
                     package of this platform again, or set {ORIGINALS}={0} if that is what you want",
                    module.name
                )
            })
            .collect()
    }

    /// Puts them into the place of the originals, wherever npm has put those in this directory.
    /// Nothing may run there any more: what is no plain folder or file is left alone.
    ///
    /// # Errors
    /// `INSTALL_FAILED`, naming the folder.
    pub fn replace_originals(&self, directory: &Path) -> Result<()> {
        for package in packages_in(directory) {
            for (_, module) in self.modules() {
                if package.ends_with(module.name) && is_original(&package, module) {
                    self.put(module, &package).map_err(|cause| {
                        RunnerError::new(
                            Code::InstallFailed,
                            format!("{} cannot be put into {}: {cause}", module.name, package.display()),
                        )
                    })?;
                }
            }
        }
        Ok(())
    }

    fn put(&self, module: &Module, package: &Path) -> io::Result<()> {
        if module.name == SYNC_REQUEST.name {
            return put_sync_request(package);
        }
        match &self.addon {
            Some(addon) => put_deasync(package, addon),
            None => Ok(()),
        }
    }
}

/// The install script of this package runs for whoever gets the original one, since 0.11 needs it.
pub const BUILT_ORIGINAL: &str = DEASYNC.name;

/// All of the package: the original's other files would only be built.
fn put_deasync(package: &Path, addon: &Path) -> io::Result<()> {
    let version = manifest_of(package).and_then(|manifest| manifest.version).unwrap_or_default();
    let manifest = serde_json::json!({
        "name": DEASYNC.name,
        "version": version,
        "description": "The API of @kaciras/deasync, by @owox/connector-runner",
        "license": "MIT",
        "main": "index.js",
    });
    removal::remove(package)?;
    DirBuilder::new().create(package)?;
    write_new(&package.join("package.json"), format!("{manifest:#}\n").as_bytes())?;
    write_new(&package.join("index.js"), DEASYNC.sources[0].as_bytes())?;
    write_new(&package.join(ADDON), &fs::read(addon)?)
}

/// Only how a request reaches the original's own code, which stays.
fn put_sync_request(package: &Path) -> io::Result<()> {
    let lib = package.join("lib");
    let is_plain = |name: &str| lib.join(name).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    if !is_folder(&lib) || !["index.js", "worker.js", "FormData.js"].into_iter().all(is_plain) {
        return Ok(());
    }
    if lib.join("original.js").symlink_metadata().is_ok() {
        return Ok(()); // ours is there
    }
    fs::rename(lib.join("index.js"), lib.join("original.js"))?;
    write_new(&lib.join("index.js"), SYNC_REQUEST.sources[0].as_bytes())?;
    write_new(&lib.join("thread.js"), SYNC_REQUEST.sources[1].as_bytes())
}

/// A file that is not there yet: nothing that is is written to, or followed.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(content)
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

#[derive(Deserialize)]
struct Manifest {
    name: Option<String>,
    version: Option<String>,
}

fn manifest_of(package: &Path) -> Option<Manifest> {
    let path = package.join("package.json");
    let metadata = path.symlink_metadata().ok()?;
    let is_readable = metadata.is_file() && metadata.len() <= MANIFEST_BYTES;
    is_readable.then(|| serde_json::from_slice(&fs::read(path).ok()?).ok())?
}

/// Whether the folder holds the module that is meant, and not another one under its name.
fn is_original(package: &Path, module: &Module) -> bool {
    manifest_of(package).is_some_and(|manifest| {
        let major = manifest.version.as_deref().and_then(|version| version.split('.').next());
        manifest.name.as_deref() == Some(module.name) && major == Some(module.major)
    })
}

/// Folders of all packages that are installed below a directory, nested ones too.
fn packages_in(directory: &Path) -> Vec<PathBuf> {
    let mut packages = vec![];
    let mut holders = vec![directory.join("node_modules")];
    while let Some(holder) = holders.pop() {
        let mut folders = folders_in(&holder);
        let is_scope = |folder: &PathBuf| {
            folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"@"))
        };
        let scopes: Vec<_> = folders.extract_if(.., |folder| is_scope(folder)).collect();
        folders.extend(scopes.iter().flat_map(|scope| folders_in(scope)));
        holders.extend(folders.iter().map(|folder| folder.join("node_modules")));
        packages.append(&mut folders);
    }
    packages
}

/// Its folders; symlinks are none.
fn folders_in(path: &Path) -> Vec<PathBuf> {
    if !is_folder(path) {
        return Vec::new();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests;
