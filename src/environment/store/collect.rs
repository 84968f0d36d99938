//! Listing, verifying and removing environments.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use super::{MANIFEST, Manifest, Pointer, Store, names_in, verify};
use crate::environment::lock::{FileLock, Hold};

/// Unused for so long, an environment goes by itself when another is installed.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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
    /// Bytes of all files.
    pub bytes: u64,
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
    /// Every environment, the most recently used first.
    pub fn list(&self) -> Vec<Stored> {
        let current = self.current();
        let mut all: Vec<_> = names_in(&self.root.join("environments"))
            .into_iter()
            .map(|name| self.describe(name, &current))
            .collect();
        all.sort_by_key(|stored| std::cmp::Reverse(stored.used_ms));
        all
    }

    /// Reads every file of every environment that runs can use.
    pub fn verify(&self) -> Vec<Checked> {
        let mut checked = Vec::new();
        for (name, slot) in self.current() {
            let Ok(Some(_held)) = FileLock::try_take(&self.lock_path(&name), Hold::Shared) else { continue };
            let path = self.environment(&name);
            let damaged = verify(&path).unwrap_or_else(|cause| vec![cause.to_string()]);
            if damaged.is_empty() {
                self.mark_verified(&path);
            } else {
                self.forget(&slot);
            }
            checked.push(Checked { name, damaged });
        }
        checked.sort_by(|one, other| one.name.cmp(&other.name));
        checked
    }

    /// Removes what the limits say.
    pub fn prune(&self, limits: &Limits) -> Pruned {
        let mut pruned = Pruned::default();
        let all = self.list();
        let mut bytes = 0;
        for stored in all {
            bytes += stored.bytes;
            let unused_since = UNIX_EPOCH + Duration::from_millis(stored.used_ms);
            let unused = SystemTime::now().duration_since(unused_since).unwrap_or_default();
            let is_old = limits.unused_for.is_some_and(|limit| unused > limit);
            let is_too_much = limits.max_bytes.is_some_and(|limit| bytes > limit);
            if !(limits.all || is_old || is_too_much || !stored.current) {
                continue;
            }
            if self.remove(&stored, limits) {
                bytes -= stored.bytes;
                pruned.freed_bytes += stored.bytes;
                pruned.removed.push(stored);
            } else {
                pruned.in_use.push(stored.name);
            }
        }
        pruned
    }

    /// Removes one environment unless somebody holds it.
    fn remove(&self, stored: &Stored, limits: &Limits) -> bool {
        let lock = FileLock::try_take(&self.lock_path(&stored.name), Hold::Exclusive);
        let Ok(Some(lock)) = lock else { return false };
        // it may have been published, or used, since it was listed
        let now = self.describe(stored.name.clone(), &self.current());
        let has_changed = now.current != stored.current || now.used_ms != stored.used_ms;
        if has_changed && !limits.all {
            return false;
        }
        for (name, slot) in self.current() {
            if name == stored.name {
                self.forget(&slot);
            }
        }
        let removed = self.remover.remove(&self.environment(&stored.name)).is_ok();
        for mark in ["used", "verified"] {
            let _ = fs::remove_file(self.mark(&stored.name, mark));
        }
        lock.remove();
        removed
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

    fn describe(&self, name: String, current: &HashMap<String, String>) -> Stored {
        let path = self.environment(&name);
        let manifest = fs::read(path.join(MANIFEST))
            .ok()
            .and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
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
                created_ms: 0,
                used_ms: used_ms.unwrap_or_default(),
                in_use,
                current: is_current,
            },
        }
    }
}
