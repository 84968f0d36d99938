//! Filling an environment with npm, sealing and publishing it.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::listing::{Listing, make_read_only};
use super::{FILES, Lease, MANIFEST, Manifest, Pointer, Recipe, Store, Wanted, boot_id, hex};
use crate::cancellation::Cancellation;
use crate::environment::Remover;
use crate::environment::lock::{FileLock, Hold};
use crate::environment::node;
use crate::environment::npm::{self, Done, Install};
use crate::environment::sources::Allowed;
use crate::environment::tree::Removal;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::observer::{Observer, Step};

/// How often to begin again when the connectors package changes while it is copied.
const ATTEMPTS: usize = 3;

/// An environment that is being filled. Unless it is published, it goes when this is dropped; if
/// the process dies first, it is rubbish that nobody names and nobody holds.
struct Staging {
    path: PathBuf,
    name: String,
    lock: Option<FileLock>,
    remover: Remover,
}

impl Drop for Staging {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        match self.remover.begin(&self.path, Some(&lock)) {
            Ok(Removal::Done) => lock.remove(),
            // the helper holds the lock, and removes its file
            Ok(removal) => removal.leave(),
            // it is rubbish, and goes when the store is cleared of it
            Err(_) => {}
        }
    }
}

impl Store {
    /// Installs an environment. The caller holds the slot's lock.
    pub(super) async fn fill<O: Observer>(
        &self,
        recipe: &Recipe,
        wanted: &Wanted<'_>,
        slot: &str,
        host: &Host,
        cancellation: &Cancellation,
        observer: &O,
    ) -> Result<Lease> {
        observer.step(Step::Installing).await;
        for _ in 0..ATTEMPTS {
            let staging = self.stage(recipe)?;
            let installed = self.install(&staging, recipe, wanted, host, cancellation).await;
            let Done { layers, warnings } = installed.map_err(|error| self.explain(error))?;
            if Recipe::of(wanted)? != *recipe {
                continue; // a file of the connectors package has changed meanwhile
            }
            let (store, recipe, name) = (self.clone(), recipe.clone(), slot.to_owned());
            let published = tokio::task::spawn_blocking(move || store.publish(staging, recipe, &name)).await;
            let mut lease =
                published.map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))??;
            lease.install = Some(layers);
            lease.warnings = warnings;
            let (store, path, slot) = (self.clone(), lease.path.clone(), slot.to_owned());
            // no run waits for it
            lease.syncing = Some(tokio::task::spawn_blocking(move || {
                store.sync(&path, &slot);
                store.prune(&super::Limits::default());
            }));
            return Ok(lease);
        }
        Err(RunnerError::new(
            Code::InstallFailed,
            format!(
                "the files of the connectors package in {} kept changing while it was installed; run again when it \
                 is at rest",
                wanted.package.root.display()
            ),
        ))
    }

    fn stage(&self, recipe: &Recipe) -> Result<Staging> {
        let failed = |cause: io::Error| self.refused("make an environment in the store", &cause);
        let environments = self.root.join("environments");
        let (lock, path) = tempfile::Builder::new()
            .prefix(&format!("{}-", recipe.key()))
            .rand_bytes(8)
            .make_in(&environments, |path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                // the lock comes first: without it the environment would be rubbish
                let lock = FileLock::try_take(&self.lock_path(name), Hold::Exclusive)?
                    .ok_or(io::ErrorKind::AlreadyExists)?;
                DirBuilder::new().mode(0o700).create(path)?;
                Ok(lock)
            })
            .map_err(failed)?
            .keep()
            .map_err(|cause| failed(cause.error))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        Ok(Staging { path, name, lock: Some(lock), remover: self.remover.clone() })
    }

    async fn install(
        &self,
        staging: &Staging,
        recipe: &Recipe,
        wanted: &Wanted<'_>,
        host: &Host,
        cancellation: &Cancellation,
    ) -> Result<Done> {
        let lock = staging.lock.as_ref().and_then(|lock| lock.descriptor().ok());
        let write = |name: &str, text: &str| {
            fs::write(staging.path.join(name), text)
                .map_err(|cause| self.refused("fill an environment in the store", &cause))
        };
        let manifest = recipe.package_json(&wanted.package.root);
        write("package.json", &format!("{manifest:#}\n"))?;
        if let Some(lockfile) = wanted.lockfile {
            write(
                "package-lock.json",
                &super::super::lockfile::with_connectors(lockfile, &wanted.package.root, &staging.path)?,
            )?;
        }
        let how = Install {
            pinned: wanted.lockfile.is_some(),
            is_fresh: wanted.is_fresh,
            scripts: wanted.scripts,
            allowed: Some(Allowed { connectors_root: &wanted.package.root, origins: wanted.specs }),
            provided: Some(wanted.provided),
            is_free: wanted.free_install,
            lock: lock.as_ref(),
        };
        let done = npm::install(&staging.path, how, host, cancellation).await?;
        let names: Vec<_> = wanted.dependencies.iter().map(|dependency| dependency.name.as_str()).collect();
        node::compile(wanted.node, &staging.path, &names, lock.as_ref(), host).await;
        for name in recipe.dependencies.as_object().into_iter().flat_map(|all| all.keys()) {
            if !staging.path.join("node_modules").join(name).join("package.json").is_file() {
                return Err(RunnerError::new(
                    Code::InstallFailed,
                    format!("npm install failed: it reported success, but {name} is not there"),
                ));
            }
        }
        Ok(done)
    }

    /// Reads all files, takes the right to write from them, and makes the environment the one to
    /// use by one rename. That of a new one may reach the disk before its files: after a crash of
    /// the machine they are read again before they are used.
    fn publish(&self, mut staging: Staging, recipe: Recipe, slot: &str) -> Result<Lease> {
        let failed = |cause: io::Error| self.refused("publish an environment in the store", &cause);
        let path = staging.path.clone();
        let listing = Listing::of(&path, &[]).map_err(failed)?;
        let listing_text = serde_json::to_vec(&listing).map_err(|cause| failed(cause.into()))?;
        let manifest = Manifest {
            packages: super::super::lockfile::count_packages(&path),
            created_ms: now_ms(),
            files: listing.files(),
            bytes: listing.bytes(),
            listing: hex(&Sha256::digest(&listing_text)),
            recipe,
        };
        let key = manifest.recipe.key();
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(|cause| failed(cause.into()))?;
        fs::write(path.join(FILES), listing_text).map_err(failed)?;
        fs::write(path.join(MANIFEST), &manifest).map_err(failed)?;
        make_read_only(&path).map_err(failed)?;
        // A crash of the machine must not leave nothing where there was an environment; and it is
        // noticed by the boot's id only.
        let must_be_on_disk = self.pointer(slot).is_some() || boot_id().is_empty();
        if must_be_on_disk {
            sync_file_system(&path).map_err(failed)?;
        }

        let pointer = Pointer { environment: staging.name.clone(), seal: hex(&Sha256::digest(&manifest)) };
        self.mark_verified(&path);
        let current = self.root.join("current");
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&current)
            .map_err(failed)?;
        serde_json::to_writer(&mut file, &pointer).map_err(|cause| failed(cause.into()))?;
        file.flush().map_err(failed)?;
        if must_be_on_disk {
            file.as_file().sync_all().map_err(failed)?;
        }
        file.persist(current.join(slot)).map_err(|cause| failed(cause.error))?;

        let lock = staging
            .lock
            .take()
            .ok_or_else(|| RunnerError::new(Code::Internal, "the environment's lock is gone"))?;
        let lock = lock.share().map_err(failed)?;
        Ok(Lease { path, key, cached: false, warnings: Vec::new(), install: None, lock, syncing: None })
    }

    /// Brings a published environment to the disk. Where the disk refuses, no further run uses it.
    fn sync(&self, path: &Path, slot: &str) {
        let is_named =
            || self.pointer(slot).is_some_and(|pointer| self.environment(&pointer.environment) == path);
        if sync_file_system(path).is_err() && is_named() {
            self.forget(slot);
        }
    }

    /// What the file system refused; a full disk gets its remedy.
    fn refused(&self, action: &str, cause: &io::Error) -> RunnerError {
        if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return self.disk_full();
        }
        RunnerError::file(action, &self.root, cause)
    }

    /// npm's failure, with the remedy where the disk is full.
    fn explain(&self, error: RunnerError) -> RunnerError {
        let is_full = error
            .hint
            .as_deref()
            .is_some_and(|output| output.contains("ENOSPC") || output.contains("EDQUOT"));
        if !is_full {
            return error;
        }
        let full = self.disk_full();
        RunnerError { message: format!("{} ({})", error.message, full.message), ..error }
    }

    fn disk_full(&self) -> RunnerError {
        RunnerError::new(
            Code::InstallFailed,
            format!(
                "no space is left for the store {}; free some (connector-runner store prune --all removes what is \
                 not in use), or name another folder with storeDir, --store or OWOX_RUNNER_STORE",
                self.root.parent().unwrap_or(&self.root).display()
            ),
        )
    }
}

fn sync_file_system(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
