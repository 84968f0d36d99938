//! Filling an environment with npm, sealing and publishing it.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::assemble::{self, COMPILED};
use super::content::Content;
use super::listing::{Listing, make_read_only};
use super::waiting::Waiting;
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

/// What an environment is filled for.
#[derive(Clone, Copy)]
pub(super) struct Filling<'a> {
    pub wanted: &'a Wanted<'a>,
    /// Since when what is shared must have been installed, where that matters.
    pub newer_than: Option<SystemTime>,
    pub host: &'a Host,
    pub cancellation: &'a Cancellation,
}

/// What is filled, as the connectors package is at this moment.
#[derive(Clone)]
struct Plan {
    content: Content,
    recipe: Recipe,
    slot: String,
}

impl Store {
    /// Fills an environment. The caller holds the slot's lock.
    pub(super) async fn fill<O: Observer>(&self, filling: Filling<'_>, observer: &O) -> Result<Lease> {
        let Filling { wanted, host, .. } = filling;
        for _ in 0..ATTEMPTS {
            let content = self.content(wanted)?;
            let recipe = Recipe::of(wanted, &content);
            let shared = content.plain.as_ref().map(|plain| recipe.shared(plain));
            let plan = Plan { slot: self.slot(&recipe.key(), host), content, recipe };
            let filled = match shared {
                Some(shared) => self.fill_in_two(&plan, &shared, filling, observer).await?,
                None => self.fill_whole(&plan, filling, observer).await?,
            };
            // none where a file of the connectors package has changed meanwhile
            let Some(mut lease) = filled else { continue };
            let (store, path) = (self.clone(), lease.path.clone());
            // no run waits for it
            lease.syncing = Some(tokio::task::spawn_blocking(move || {
                store.sync(&path, &plan.slot);
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

    /// Has npm make an environment that shares nothing.
    async fn fill_whole<O: Observer>(
        &self,
        plan: &Plan,
        filling: Filling<'_>,
        observer: &O,
    ) -> Result<Option<Lease>> {
        observer.step(Step::Installing).await;
        let staging = self.stage(&plan.recipe)?;
        let Some(done) = self.install(&staging, plan, filling).await? else { return Ok(None) };
        self.compile(&staging, filling).await;
        self.publish_whole(staging, plan, done).await.map(Some)
    }

    async fn publish_whole(&self, staging: Staging, plan: &Plan, done: Done) -> Result<Lease> {
        let (store, plan) = (self.clone(), plan.clone());
        let lease = blocking(move || store.publish(staging, plan.recipe, &plan.slot, None)).await?;
        Ok(Lease { install: Some(done.layers), warnings: done.warnings, ..lease })
    }

    /// Puts an environment together of one that is shared, which npm makes where it is missing, and of
    /// the connectors package.
    async fn fill_in_two<O: Observer>(
        &self,
        plan: &Plan,
        shared: &Recipe,
        filling: Filling<'_>,
        observer: &O,
    ) -> Result<Option<Lease>> {
        let Filling { wanted, host, .. } = filling;
        let slot = self.slot(&shared.key(), host);
        let _lock = self.lock_filling(&slot, filling, observer).await?;
        if let Some(shared) = self.usable(shared, &slot, filling.newer_than, observer).await? {
            let (store, plan, root) = (self.clone(), plan.clone(), wanted.package.root.clone());
            return blocking(move || store.put_together(&plan, &shared, &root)).await;
        }
        observer.step(Step::Installing).await;
        let staging = self.stage(shared)?;
        let Some(done) = self.install(&staging, plan, filling).await? else { return Ok(None) };
        let (path, content) = (staging.path.clone(), plan.content.clone());
        let failed = |cause: io::Error| self.refused("look at what npm has installed in", &cause);
        let is_separable =
            blocking(move || Ok(assemble::is_separable(&path, &content))).await?.map_err(failed)?;
        if !is_separable {
            self.compile(&staging, filling).await;
            return self.publish_whole(staging, plan, done).await.map(Some);
        }
        let own = self.stage(&plan.recipe)?;
        self.take_apart(&staging, &own)?;
        self.compile(&own, filling).await;
        // it is only there where Node.js compiles
        let _ = fs::remove_dir(staging.path.join(COMPILED));
        let (store, shared, plan) = (self.clone(), shared.clone(), plan.clone());
        let lease = blocking(move || {
            let base = store.publish(staging, shared, &slot, None)?;
            store.publish(own, plan.recipe, &plan.slot, Some(&base))
        });
        Ok(Some(Lease { install: Some(done.layers), warnings: done.warnings, ..lease.await? }))
    }

    fn take_apart(&self, shared: &Staging, own: &Staging) -> Result<()> {
        assemble::take_out(&shared.path, &own.path)
            .and_then(|()| assemble::link(&shared.path, &own.path))
            .and_then(|()| DirBuilder::new().mode(0o755).create(shared.path.join(COMPILED)))
            .and_then(|()| assemble::link_compiled(&own.path))
            .map_err(|cause| self.refused("fill an environment in the store", &cause))
    }

    /// An environment of a shared one and of the package's files. None where these have changed.
    fn put_together(&self, plan: &Plan, shared: &Lease, root: &Path) -> Result<Option<Lease>> {
        let failed = |cause: io::Error| self.refused("fill an environment in the store", &cause);
        let own = self.stage(&plan.recipe)?;
        match assemble::copy(root, &plan.content, &own.path) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        assemble::link(&shared.path, &own.path).map_err(failed)?;
        if shared.path.join(COMPILED).is_dir() {
            assemble::link_compiled(&own.path).map_err(failed)?;
        }
        self.publish(own, plan.recipe.clone(), &plan.slot, Some(shared)).map(Some)
    }

    /// Waits for the lock on what is shared.
    async fn lock_filling<O: Observer>(
        &self,
        slot: &str,
        filling: Filling<'_>,
        observer: &O,
    ) -> Result<FileLock> {
        let path = self.root.join("locks").join(format!("{slot}.fill"));
        let mut waiting = Waiting::new(filling.host);
        loop {
            filling.cancellation.check()?;
            let taken = FileLock::try_take(&path, Hold::Exclusive)
                .map_err(|cause| RunnerError::file("lock", &path, &cause))?;
            if let Some(mut lock) = taken {
                lock.write_note(&std::process::id().to_string());
                return Ok(lock);
            }
            waiting.pause(&path, observer).await?;
        }
    }

    /// Has node compile what runs will load.
    async fn compile(&self, staging: &Staging, filling: Filling<'_>) {
        let Wanted { node, dependencies, .. } = filling.wanted;
        let names: Vec<_> = dependencies.iter().map(|dependency| dependency.name.as_str()).collect();
        let lock = staging.lock.as_ref().and_then(|lock| lock.descriptor().ok());
        node::compile(node, &staging.path, &names, lock.as_ref(), filling.host).await;
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

    /// Gives nothing where a file of the connectors package has changed meanwhile.
    async fn install(&self, staging: &Staging, plan: &Plan, filling: Filling<'_>) -> Result<Option<Done>> {
        let Filling { wanted, host, cancellation, .. } = filling;
        let recipe = &plan.recipe;
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
            project: Some(wanted.project),
            is_free: wanted.free_install,
            lock: lock.as_ref(),
            ..Install::default()
        };
        let done = npm::install(&staging.path, how, host, cancellation).await;
        let done = done.map_err(|error| self.explain(error))?;
        for name in recipe.dependencies.as_object().into_iter().flat_map(|all| all.keys()) {
            if !staging.path.join("node_modules").join(name).join("package.json").is_file() {
                return Err(RunnerError::new(
                    Code::InstallFailed,
                    format!("npm install failed: it reported success, but {name} is not there"),
                ));
            }
        }
        Ok((self.content(wanted)? == plan.content).then_some(done))
    }

    /// Reads all files, takes the right to write from them, and makes the environment the one to
    /// use by one rename. That of a new one may reach the disk before its files: after a crash of
    /// the machine they are read again before they are used.
    fn publish(
        &self,
        mut staging: Staging,
        recipe: Recipe,
        slot: &str,
        shared: Option<&Lease>,
    ) -> Result<Lease> {
        let failed = |cause: io::Error| self.refused("publish an environment in the store", &cause);
        let path = staging.path.clone();
        let key = recipe.key();
        let seal = self.seal(&path, recipe, shared).map_err(failed)?;
        // A crash of the machine must not leave nothing where there was an environment; and it is
        // noticed by the boot's id only.
        let must_be_on_disk = self.pointer(slot).is_some() || boot_id().is_empty();
        if must_be_on_disk {
            sync_file_system(&path).map_err(failed)?;
        }

        let pointer = Pointer { environment: staging.name.clone(), seal };
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
        let installed = shared.map_or_else(|| path.clone(), |shared| shared.path.clone());
        Ok(Lease { installed, ..Lease::new(path, key, lock) })
    }

    /// Writes down what an environment consists of. Gives the digest of that.
    fn seal(&self, path: &Path, recipe: Recipe, shared: Option<&Lease>) -> io::Result<String> {
        let listing = Listing::of(path, &[])?;
        let listing_text = serde_json::to_vec(&listing)?;
        let shared = match shared.and_then(|shared| shared.path.file_name()?.to_str()) {
            Some(name) => {
                let text = fs::read(self.environment(name).join(MANIFEST))?;
                let manifest: Manifest = serde_json::from_slice(&text)?;
                Some((Pointer { environment: name.to_owned(), seal: hex(&Sha256::digest(&text)) }, manifest))
            }
            None => None,
        };
        let manifest = Manifest {
            packages: match &shared {
                Some((_, shared)) => shared.packages,
                None => super::super::lockfile::count_packages(path),
            },
            // versions are as old as what is shared
            created_ms: shared.as_ref().map_or_else(now_ms, |(_, shared)| shared.created_ms),
            files: listing.files(),
            bytes: listing.bytes(),
            listing: hex(&Sha256::digest(&listing_text)),
            shared: shared.map(|(pointer, _)| pointer),
            recipe,
        };
        let manifest = serde_json::to_vec_pretty(&manifest)?;
        fs::write(path.join(FILES), listing_text)?;
        fs::write(path.join(MANIFEST), &manifest)?;
        make_read_only(path)?;
        Ok(hex(&Sha256::digest(&manifest)))
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

/// Does what takes a while where nothing else waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))?
}

fn sync_file_system(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
