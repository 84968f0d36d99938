//! Listing, verifying and removing environments.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use super::{Manifest, Pointer, Store, names_in};
use crate::environment::lock::{FileLock, Hold};

/// Unused for so long, an environment goes by itself when another is installed.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Of environments that share the rest, so many are kept where nothing uses them: each edit of a
/// connector makes one.
const KEPT_EDITS: usize = 8;

/// One environment, for people and programs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Name of its folder.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// Name and version of the connectors package.
    pub connectors: String,
    /// What was asked of npm.
    pub dependencies: Value,
    /// How many packages that made.
    pub packages: usize,
    /// How many files.
    pub files: usize,
    /// Bytes of its own files.
    pub bytes: u64,
    /// Name of the environment whose packages it shares with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<String>,
    /// Bytes of what it shares; 0 where it shares nothing.
    pub shared_bytes: u64,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Milliseconds since 1970.
    pub used_ms: u64,
    /// Whether a run, or its installation, holds it.
    pub in_use: bool,
    /// Whether new runs use it.
    pub current: bool,
}

/// What to remove. Environments in use always stay; what no run can use any more always goes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Those that were not used for longer.
    pub unused_for: Option<Duration>,
    /// The least recently used, until all together have at most so many bytes.
    pub max_bytes: Option<u64>,
    /// All.
    pub all: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unused_for: Some(UNUSED), max_bytes: None, all: false }
    }
}

/// What was removed.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pruned {
    /// These.
    pub removed: Vec<Stored>,
    /// Bytes of their files.
    pub freed_bytes: u64,
    /// Names of those that should have gone and are in use.
    pub in_use: Vec<String>,
}

/// Whether an environment is intact.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Name of its folder.
    pub name: String,
    /// Files that are not what they were. Not empty: it was taken out of use, and the next run
    /// installs it anew.
    pub damaged: Vec<String>,
}

impl Store {
    /// Every environment that runs use, the most recently used first.
    pub fn list(&self) -> Vec<Stored> {
        let current = self.current();
        let mut all: Vec<_> = self
            .all()
            .into_iter()
            .filter(|(_, manifest)| manifest.as_ref().is_none_or(|manifest| !manifest.recipe.is_shared()))
            .map(|(name, manifest)| self.describe(name, manifest, &current))
            .collect();
        all.sort_by_key(|stored| std::cmp::Reverse(stored.used_ms));
        all
    }

    /// Every folder of an environment, and what it says about itself.
    fn all(&self) -> Vec<(String, Option<Manifest>)> {
        let names = names_in(&self.root.join("environments")).into_iter();
        names.map(|name| (self.manifest(&name), name)).map(|(manifest, name)| (name, manifest)).collect()
    }

    /// Reads every file of every environment that runs can use.
    pub fn verify(&self) -> Vec<Checked> {
        let mut checked = Vec::new();
        let mut of_shared: HashMap<String, Vec<String>> = HashMap::new();
        for (name, _) in self.current() {
            let Ok(Some(_held)) = FileLock::try_take(&self.lock_path(&name), Hold::Shared) else { continue };
            let manifest = self.manifest(&name);
            if manifest.as_ref().is_some_and(|manifest| manifest.recipe.is_shared()) {
                let check = || self.check(&self.environment(&name));
                of_shared.entry(name.clone()).or_insert_with(check);
                continue;
            }
            let mut damaged = self.check(&self.environment(&name));
            if let Some(Pointer { environment, .. }) = manifest.and_then(|manifest| manifest.shared) {
                let check = || self.check(&self.environment(&environment));
                damaged.extend_from_slice(of_shared.entry(environment.clone()).or_insert_with(check));
            }
            if !damaged.is_empty() {
                self.forget_all_of(&name);
            }
            checked.push(Checked { name, damaged });
        }
        checked.sort_by(|one, other| one.name.cmp(&other.name));
        checked
    }

    /// Removes what the limits say.
    pub fn prune(&self, limits: &Limits) -> Pruned {
        let mut pruned = Pruned::default();
        let mut bytes = 0;
        // how many there are of each that is shared
        let mut sharing: HashMap<String, usize> = HashMap::new();
        for stored in self.list() {
            let kept = stored.shared.clone().map_or(0, |shared| sharing.get(&shared).copied().unwrap_or(0));
            let size = stored.bytes + if kept == 0 { stored.shared_bytes } else { 0 };
            bytes += size;
            let is_old = is_unused(stored.used_ms, limits.unused_for);
            let is_too_much = limits.max_bytes.is_some_and(|limit| bytes > limit);
            let is_old_edit = kept >= KEPT_EDITS;
            let is_unwanted = limits.all || is_old || is_too_much || !stored.current;
            if (is_unwanted || is_old_edit) && self.remove(&stored, limits) {
                bytes -= size;
                pruned.freed_bytes += stored.bytes;
                pruned.removed.push(stored);
                continue;
            }
            if let Some(shared) = &stored.shared {
                *sharing.entry(shared.clone()).or_default() += 1;
            }
            if is_unwanted {
                pruned.in_use.push(stored.name);
            }
        }
        pruned.freed_bytes += self.prune_shared(limits);
        pruned
    }

    /// Removes what environments shared that are gone. Gives how many bytes that were.
    fn prune_shared(&self, limits: &Limits) -> u64 {
        let (all, current) = (self.all(), self.current());
        let used: HashSet<_> = all
            .iter()
            .filter_map(|(_, manifest)| Some(manifest.as_ref()?.shared.as_ref()?.environment.clone()))
            .collect();
        let mut freed = 0;
        for (name, manifest) in all {
            let is_shared = manifest.as_ref().is_some_and(|manifest| manifest.recipe.is_shared());
            if !is_shared || used.contains(&name) {
                continue;
            }
            let stored = self.describe(name, manifest, &current);
            let is_unwanted = limits.all || limits.max_bytes.is_some() || !stored.current;
            let is_old = is_unused(stored.used_ms, limits.unused_for);
            if (is_unwanted || is_old) && self.remove(&stored, limits) {
                freed += stored.bytes;
            }
        }
        freed
    }

    /// Removes one environment unless somebody holds it.
    fn remove(&self, stored: &Stored, limits: &Limits) -> bool {
        let lock = FileLock::try_take(&self.lock_path(&stored.name), Hold::Exclusive);
        let Ok(Some(lock)) = lock else { return false };
        // it may have been published, or used, since it was listed
        let now = self.describe(stored.name.clone(), self.manifest(&stored.name), &self.current());
        let has_changed = now.current != stored.current || now.used_ms != stored.used_ms;
        if has_changed && !limits.all {
            return false;
        }
        self.forget_all_of(&stored.name);
        let removed = self.remover.remove(&self.environment(&stored.name)).is_ok();
        for mark in ["used", "verified"] {
            let _ = fs::remove_file(self.mark(&stored.name, mark));
        }
        lock.remove();
        removed
    }

    /// Makes nobody use an environment any more.
    pub(super) fn forget_all_of(&self, environment: &str) {
        for (name, slot) in self.current() {
            if name == environment {
                self.forget(&slot);
            }
        }
    }

    /// Which environments runs use, by name, and the slot that says so.
    fn current(&self) -> HashMap<String, String> {
        let slots = names_in(&self.root.join("current"));
        slots
            .into_iter()
            .filter_map(|slot| {
                let Pointer { environment, .. } = self.pointer(&slot)?;
                Some((environment, slot))
            })
            .collect()
    }

    fn describe(
        &self,
        name: String,
        manifest: Option<Manifest>,
        current: &HashMap<String, String>,
    ) -> Stored {
        let path = self.environment(&name);
        let shared = manifest.as_ref().and_then(|manifest| manifest.shared.as_ref());
        let shared = shared.map(|shared| shared.environment.clone());
        let of_shared = shared.as_ref().and_then(|shared| self.manifest(shared));
        let shared_bytes = of_shared.map_or(0, |manifest| manifest.bytes);
        let used = fs::metadata(self.mark(&name, "used")).and_then(|metadata| metadata.modified());
        let used_ms = used.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let used_ms = used_ms.map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let lock_path = self.lock_path(&name);
        let in_use =
            lock_path.exists() && !matches!(FileLock::try_take(&lock_path, Hold::Exclusive), Ok(Some(_)));
        let is_current = current.contains_key(&name);
        let path = path.display().to_string();
        match manifest {
            Some(manifest) => Stored {
                name,
                path,
                connectors: manifest.recipe.connectors,
                dependencies: manifest.recipe.dependencies,
                packages: manifest.packages,
                files: manifest.files,
                bytes: manifest.bytes,
                shared,
                shared_bytes,
                created_ms: manifest.created_ms,
                used_ms: used_ms.unwrap_or(manifest.created_ms),
                in_use,
                current: is_current,
            },
            None => Stored {
                name,
                path,
                connectors: String::new(),
                dependencies: Value::Null,
                packages: 0,
                files: 0,
                bytes: 0,
                shared,
                shared_bytes,
                created_ms: 0,
                used_ms: used_ms.unwrap_or_default(),
                in_use,
                current: is_current,
            },
        }
    }
}

fn is_unused(used_ms: u64, limit: Option<Duration>) -> bool {
    let since = UNIX_EPOCH + Duration::from_millis(used_ms);
    let unused = SystemTime::now().duration_since(since).unwrap_or_default();
    limit.is_some_and(|limit| unused > limit)
}
