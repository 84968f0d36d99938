//! The store: environments that are installed once and shared, read-only, by all runs that want
//! the same.
//!
//! ```text
//! v2/environments/<key>-<random>/   node_modules, package.json, package-lock.json,
//!                                   environment.json (what it is), files.json (what it consists of)
//! v2/current/<key>.npm<major>       which of them to use, and the digest of its environment.json
//! v2/locks/                         one lock an environment (shared by its runs, alone for filling
//!                                   and removing it), one for filling a key
//! v2/marks/                         when it was used last, and in which boot it was verified
//! v2/files/                         digests of connectors packages' files, and what they were read from
//! ```
//!
//! Most environments are two: one with all packages but the connectors package, shared by all that ask
//! for the same, and a small one with the connectors package and links ([`assemble`]). An edit of a
//! connector makes a new one of the second kind, without npm.
//!
//! An environment is filled where it stays, since what npm builds may hold its path. Nobody sees it
//! before a file is renamed into `current`; one that no such file names is rubbish. The first run
//! does not wait until it is on the disk: what a crash of the machine leaves of it is read in full
//! before it is used, like every environment that was not verified since the machine started.

mod assemble;
mod collect;
mod content;
mod fill;
mod listing;
mod location;
mod recipe;
mod stamps;
mod waiting;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

pub use collect::{Checked, Limits, Pruned, Stored};
pub use content::Content;
pub use location::store_root;
pub use recipe::{Recipe, Wanted, platform};

use super::Remover;
use super::lock::{FileLock, Hold};
use crate::cancellation::Cancellation;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::isolation::LayerReport;
use crate::observer::{Observer, Step};
use fill::Filling;
use listing::Listing;
use waiting::Waiting;

/// Version of the layout and of the rules by which environments are filled, part of the path: another
/// version has a folder of its own. What `v1` let into an environment, no run uses any more.
const LAYOUT: &str = "v2";

/// Folder of what is known of packages' files.
const INDEXES: &str = "files";

const MANIFEST: &str = "environment.json";
const FILES: &str = "files.json";

/// What an environment says about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    recipe: Recipe,
    /// Milliseconds since 1970.
    created_ms: u64,
    /// How many packages npm installed.
    packages: usize,
    files: usize,
    bytes: u64,
    /// SHA-256 of `files.json`.
    listing: String,
    /// The environment that has all packages but the connectors package, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shared: Option<Pointer>,
}

/// What `current/<slot>` says, and an environment of the one that it shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pointer {
    environment: String,
    /// SHA-256 of the environment's `environment.json`.
    seal: String,
}

/// How an environment may be chosen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// Resolve versions anew, even where an environment is there.
    pub refresh: bool,
    /// Resolve versions anew where the environment is older than this.
    pub max_age: Option<Duration>,
}

/// An environment that is held: nobody removes it as long as this lives.
#[derive(Debug)]
pub struct Lease {
    /// Its folder.
    pub path: PathBuf,
    /// Its key.
    pub key: String,
    /// Whether it was there already.
    pub cached: bool,
    /// What a caller should know.
    pub warnings: Vec<String>,
    /// What has confined npm, where it has installed it just now.
    pub install: Option<Vec<LayerReport>>,
    /// Where npm has installed it: its folder, or that of the one that it shares.
    pub installed: PathBuf,
    lock: FileLock,
    /// What brings a new environment to the disk.
    syncing: Option<JoinHandle<()>>,
}

impl Lease {
    fn new(path: PathBuf, key: String, lock: FileLock) -> Self {
        let installed = path.clone();
        let (warnings, install) = (Vec::new(), None);
        Self { path, key, cached: false, warnings, install, installed, lock, syncing: None }
    }

    /// The lock, for the supervisor of what uses the environment: a killed host's run still does
    /// until it has been ended.
    pub fn descriptor(&self) -> Option<OwnedFd> {
        self.lock.descriptor().ok()
    }

    /// Waits until a new environment is on the disk.
    pub async fn synced(&mut self) {
        if let Some(syncing) = self.syncing.take() {
            let _ = syncing.await;
        }
    }
}

/// What a look at the store finds.
enum Found {
    Ready(Lease),
    /// It is intact as far as a look can tell, but the machine or a host crashed since it was verified.
    Unverified(Lease),
    /// There is none, or it is too old for the terms.
    Nothing,
}

/// A folder of environments.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    remover: Remover,
    /// What was damaged in an environment that was wanted.
    damage: Arc<OnceLock<String>>,
}

impl Store {
    /// The store below a folder, which is made when missing.
    ///
    /// # Errors
    /// `INVALID_CONFIG` when the folder cannot be used.
    pub fn open(folder: &Path, remover: Remover) -> Result<Self> {
        let root = folder.join(LAYOUT);
        for name in ["environments", "current", "locks", "marks", INDEXES] {
            let path = root.join(name);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|cause| {
                RunnerError::new(
                    Code::InvalidConfig,
                    format!(
                        "the store {} cannot be used: {cause}; name another folder with storeDir, --store or \
                         OWOX_RUNNER_STORE",
                        folder.display()
                    ),
                )
            })?;
        }
        let root =
            fs::canonicalize(&root).map_err(|cause| RunnerError::file("open the store", &root, &cause))?;
        Ok(Self { root, remover, damage: Arc::default() })
    }

    /// The environment for `wanted`: the one that is there, or a new one. Of all that want the
    /// same at the same time, in whatever process, one installs and the others wait for it.
    ///
    /// # Errors
    /// `INSTALL_FAILED` from npm, `STORE_LOCK_TIMEOUT` when waiting took too long, and the
    /// error of a run that is asked to stop.
    pub async fn obtain<O: Observer>(
        &self,
        wanted: &Wanted<'_>,
        terms: Terms,
        host: &Host,
        cancellation: &Cancellation,
        observer: &O,
    ) -> Result<Lease> {
        let content = self.content(wanted)?;
        let recipe = Recipe::of(wanted, &content);
        let newer_than = if terms.refresh {
            Some(SystemTime::now())
        } else {
            terms.max_age.and_then(|age| SystemTime::now().checked_sub(age))
        };
        let slot = self.slot(&recipe.key(), host);
        let path = self.root.join("locks").join(format!("{slot}.fill"));
        let mut waiting = Waiting::new(host);
        loop {
            cancellation.check()?;
            if let Some(lease) = self.usable(&recipe, &slot, newer_than, observer).await? {
                return Ok(lease);
            }
            let taken = FileLock::try_take(&path, Hold::Exclusive)
                .map_err(|cause| RunnerError::file("lock", &path, &cause))?;
            if let Some(mut lock) = taken {
                // whoever held it may just have finished
                if let Some(lease) = self.usable(&recipe, &slot, newer_than, observer).await? {
                    return Ok(lease);
                }
                lock.write_note(&std::process::id().to_string());
                let filling = Filling { wanted, newer_than, host, cancellation };
                let filled = self.fill(filling, observer).await;
                return match filled {
                    Err(error) if error.code == Code::InstallFailed && !terms.refresh => {
                        self.outlived(&recipe, &slot, error, observer).await
                    }
                    filled => filled,
                };
            }
            waiting.pause(&path, observer).await?;
        }
    }

    /// What the connectors package consists of.
    fn content(&self, wanted: &Wanted<'_>) -> Result<Content> {
        Content::of(&wanted.package.root, Some(&self.root.join(INDEXES)))
    }

    /// A warning that the environment which was wanted had to be installed anew, where it was damaged.
    pub fn mended(&self) -> Option<String> {
        let damage = self.damage.get()?;
        Some(format!(
            "the environment in the store was damaged and has been made anew: {damage}. Does something clean \
             {}? Move the store with storeDir, --store or OWOX_RUNNER_STORE",
            self.root.display()
        ))
    }

    /// The environment of a slot, if it can be used right away or after a verification.
    async fn usable<O: Observer>(
        &self,
        recipe: &Recipe,
        slot: &str,
        newer_than: Option<SystemTime>,
        observer: &O,
    ) -> Result<Option<Lease>> {
        match self.look(recipe, slot, newer_than)? {
            Found::Ready(lease) => Ok(Some(lease)),
            Found::Nothing => Ok(None),
            Found::Unverified(lease) => {
                observer.step(Step::Verifying).await;
                let (store, path, installed) = (self.clone(), lease.path.clone(), lease.installed.clone());
                let verified = tokio::task::spawn_blocking(move || {
                    let shared = (installed != path).then_some(installed);
                    let is_intact = shared.is_none_or(|shared| store.check(&shared).is_empty());
                    is_intact && store.check(&path).is_empty()
                });
                if verified.await.unwrap_or(false) {
                    return Ok(Some(lease));
                }
                self.forget(slot);
                Ok(None)
            }
        }
    }

    /// Looks without reading more than two small files.
    fn look(&self, recipe: &Recipe, slot: &str, newer_than: Option<SystemTime>) -> Result<Found> {
        let Some(pointer) = self.pointer(slot) else { return Ok(Found::Nothing) };
        let path = self.environment(&pointer.environment);
        let lock_path = self.lock_path(&pointer.environment);
        let lock = FileLock::try_take(&lock_path, Hold::Shared)
            .map_err(|cause| RunnerError::file("lock", &lock_path, &cause))?;
        let Some(lock) = lock else { return Ok(Found::Nothing) }; // it is being removed
        let Some(manifest) = sealed_manifest(&path, &pointer.seal) else {
            if !path.exists() {
                lock.remove();
            }
            self.forget(slot);
            return Ok(Found::Nothing);
        };
        if manifest.recipe != *recipe || !path.join("node_modules").is_dir() {
            self.forget(slot);
            return Ok(Found::Nothing);
        }
        let installed = match &manifest.shared {
            Some(shared) => {
                let path = self.environment(&shared.environment);
                if sealed_manifest(&path, &shared.seal).is_none() || !path.join("node_modules").is_dir() {
                    self.forget(slot);
                    return Ok(Found::Nothing);
                }
                path
            }
            None => path.clone(),
        };
        let is_verified = self.is_verified(&pointer.environment)
            && manifest.shared.as_ref().is_none_or(|shared| self.is_verified(&shared.environment));
        let lease = Lease { installed, cached: true, ..Lease::new(path, recipe.key(), lock) };
        let created = UNIX_EPOCH + Duration::from_millis(manifest.created_ms);
        if !is_new_enough(created, newer_than, SystemTime::now()) {
            return Ok(Found::Nothing);
        }
        let _ = fs::write(self.mark(&pointer.environment, "used"), ""); // its time is what counts
        Ok(if is_verified { Found::Ready(lease) } else { Found::Unverified(lease) })
    }

    /// An environment that became too old, where a new one cannot be had: better than none.
    async fn outlived<O: Observer>(
        &self,
        recipe: &Recipe,
        slot: &str,
        error: RunnerError,
        observer: &O,
    ) -> Result<Lease> {
        let Some(mut lease) = self.usable(recipe, slot, None, observer).await? else { return Err(error) };
        lease.warnings.push(format!(
            "the environment has reached its maximum age and could not be renewed; it is used as it is: {}",
            error.message
        ));
        Ok(lease)
    }

    /// Makes sure that an environment is verified before it is used again: a host that ran
    /// connectors in it has crashed. `modules` is where its run's `node_modules` led.
    pub fn distrust(modules: &Path) {
        let Some(environment) = modules.parent() else { return };
        let (Some(name), Some(environments)) = (environment.file_name(), environment.parent()) else {
            return;
        };
        let is_ours = environments.ends_with(Path::new(LAYOUT).join("environments"));
        if let (true, Some(name), Some(root)) = (is_ours, name.to_str(), environments.parent()) {
            let store = Store { root: root.to_owned(), remover: Remover::default(), damage: Arc::default() };
            let shared = store.manifest(name).and_then(|manifest| manifest.shared);
            for name in
                [Some(name), shared.as_ref().map(|shared| shared.environment.as_str())].into_iter().flatten()
            {
                let _ = fs::remove_file(store.mark(name, "verified"));
            }
        }
    }

    /// Name of the file in `current`. Where npm is missing, whatever npm installed will do.
    fn slot(&self, key: &str, host: &Host) -> String {
        if let Some(major) = super::npm::major_version(host) {
            return format!("{key}.npm{major}");
        }
        let prefix = format!("{key}.npm");
        let mut there = names_in(&self.root.join("current"));
        there.retain(|name| name.starts_with(&prefix));
        there.sort();
        there.pop().unwrap_or(prefix)
    }

    fn pointer(&self, slot: &str) -> Option<Pointer> {
        let text = fs::read(self.root.join("current").join(slot)).ok()?;
        let pointer: Pointer = serde_json::from_slice(&text).ok()?;
        is_name(&pointer.environment).then_some(pointer)
    }

    /// Makes nobody use what a slot names; what it names becomes rubbish.
    fn forget(&self, slot: &str) {
        let _ = fs::remove_file(self.root.join("current").join(slot));
    }

    fn environment(&self, name: &str) -> PathBuf {
        self.root.join("environments").join(name)
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(format!("{name}.lock"))
    }

    fn mark(&self, name: &str, mark: &str) -> PathBuf {
        self.root.join("marks").join(format!("{name}.{mark}"))
    }

    /// What an environment says about itself, sealed or not.
    fn manifest(&self, name: &str) -> Option<Manifest> {
        let manifest = fs::read(self.environment(name).join(MANIFEST)).ok()?;
        let manifest: Manifest = serde_json::from_slice(&manifest).ok()?;
        manifest.shared.as_ref().is_none_or(|shared| is_name(&shared.environment)).then_some(manifest)
    }

    /// Whether it was verified since the machine started, and its folders are what they were then.
    fn is_verified(&self, name: &str) -> bool {
        let mark = fs::read_to_string(self.mark(name, "verified")).unwrap_or_default();
        let Some((boot, folders)) = mark.split_once('\0') else { return false };
        if boot != boot_id() {
            return false;
        }
        let environment = self.environment(name);
        if stamps::hold(folders, &environment) {
            return true;
        }
        // A package without isolation may have put something there, such as a cache of its own.
        let is_whole = sealed_listing(&environment).is_ok_and(|listing| listing.is_there(&environment));
        if is_whole {
            self.mark_verified(&environment);
        }
        is_whole
    }

    /// Reads all of one environment. Gives the paths of what is damaged; then no run uses it any more.
    fn check(&self, environment: &Path) -> Vec<String> {
        let damaged = verify(environment).unwrap_or_else(|cause| vec![cause.to_string()]);
        if damaged.is_empty() {
            self.mark_verified(environment);
        } else {
            let name = environment.file_name().and_then(|name| name.to_str());
            self.forget_all_of(name.unwrap_or_default());
            let (count, first) = (damaged.len(), &damaged[0]);
            let _ = self.damage.set(format!("{count} of its files are missing or changed, such as {first}"));
        }
        damaged
    }

    fn mark_verified(&self, environment: &Path) {
        if let Some(name) = environment.file_name().and_then(|name| name.to_str()) {
            let folders = stamps::of(environment).unwrap_or_default();
            let _ = fs::write(self.mark(name, "verified"), format!("{}\0{folders}", boot_id()));
        }
    }
}

/// The manifest of an environment, if it is the one that was sealed.
fn sealed_manifest(environment: &Path, seal: &str) -> Option<Manifest> {
    let text = fs::read(environment.join(MANIFEST)).ok()?;
    let manifest: Manifest =
        serde_json::from_slice(&text).ok().filter(|_| hex(&Sha256::digest(&text)) == seal)?;
    manifest.shared.as_ref().is_none_or(|shared| is_name(&shared.environment)).then_some(manifest)
}

/// What an environment consists of.
///
/// # Errors
/// `InvalidData` where that is not what was sealed.
fn sealed_listing(environment: &Path) -> io::Result<Listing> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(environment.join(MANIFEST))?)?;
    let listing = fs::read(environment.join(FILES))?;
    if hex(&Sha256::digest(&listing)) != manifest.listing {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    Ok(serde_json::from_slice(&listing)?)
}

/// Reads every file of an environment. Gives the paths of those that are not what they were.
fn verify(environment: &Path) -> io::Result<Vec<String>> {
    let before = match sealed_listing(environment) {
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => return Ok(vec![FILES.to_owned()]),
        listing => listing?,
    };
    Ok(before.differences(&Listing::of(environment, &[MANIFEST, FILES])?))
}

/// Changes with each start of the machine; after a crash files may be cut.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether a text can be the name of an environment, and not a path to elsewhere.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether an environment was made since the limit. One of the future was made before the clock was
/// set back, nobody knows how long ago.
fn is_new_enough(created: SystemTime, limit: Option<SystemTime>, now: SystemTime) -> bool {
    limit.is_none_or(|limit| (limit..=now).contains(&created))
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_in_the_future_is_not_new() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(is_new_enough(at(5), None, at(9)) && is_new_enough(at(99), None, at(9)));
        assert!(is_new_enough(at(5), Some(at(5)), at(9)) && is_new_enough(at(9), Some(at(5)), at(9)));
        assert!(!is_new_enough(at(4), Some(at(5)), at(9)), "too old");
        assert!(!is_new_enough(at(10), Some(at(5)), at(9)), "the clock was set back");
    }
}
