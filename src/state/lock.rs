//! One run at a time: the lock of a state, and who holds it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::place::unavailable;
use crate::environment::{FileLock, Hold};
use crate::error::{Code, Result, RunnerError};

/// Who holds a lock, as its file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id, as its host counts.
    pub pid: u32,
    /// The host's name.
    pub host: String,
    /// Since when, ISO 8601.
    pub since: String,
}

impl Holder {
    /// This process.
    pub fn here(since: &str) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { pid: std::process::id(), host, since: since.to_owned() }
    }

    /// The error for whoever wants the lock as well.
    pub fn error(&self, state: &Path) -> RunnerError {
        let who = if self.pid == 0 {
            "by a process that has left no note of itself".to_owned()
        } else {
            format!("by process {} on {}, since {}", self.pid, self.host, self.since)
        };
        let state = state.display();
        let message = format!("another run of this configuration is going on, {who} (state {state})");
        RunnerError::new(Code::RunInProgress, message)
            .with_hint("wait for its end with --wait, or run beside it with --state FILE or --no-state")
    }
}

/// A lock that a run holds until its tree has ended.
#[derive(Debug)]
pub struct RunLock {
    lock: Option<FileLock>,
    path: PathBuf,
}

/// What came of trying.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(RunLock),
    /// Another run has it.
    Held(Holder),
    /// There are no locks here: why not.
    Impossible(String),
}

impl RunLock {
    /// Tries to take the lock at `base`, beside a state file.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE` where its file cannot be made.
    pub fn try_take(base: &Path, state: &Path, since: &str) -> Result<Taken> {
        let path = with_suffix(base, ".lock");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|cause| unavailable("locked", state, &cause))?;
        }
        match FileLock::try_take(&path, Hold::Exclusive) {
            Ok(Some(mut lock)) => {
                as_the_state(&path, state);
                let note = serde_json::to_string(&Holder::here(since)).unwrap_or_default();
                lock.write_note(&note);
                Ok(Taken::Ours(Self { lock: Some(lock), path }))
            }
            Ok(None) => {
                let note = FileLock::read_note(&path);
                Ok(Taken::Held(serde_json::from_str(&note).unwrap_or_default()))
            }
            Err(cause) if has_no_locks(&cause) => {
                Ok(Taken::Impossible(format!("{} cannot be locked: {cause}", path.display())))
            }
            Err(cause) => {
                let cause = format!("{}: {cause}", path.display());
                Err(unavailable("locked", state, &cause))
            }
        }
    }

    /// Another descriptor of the lock, for the helper that watches the run's tree.
    pub fn descriptor(&self) -> Option<OwnedFd> {
        self.lock.as_ref()?.descriptor().ok()
    }
}

impl Drop for RunLock {
    /// Lets go, and removes the file where nobody holds it: a helper that is left behind still may.
    fn drop(&mut self) {
        drop(self.lock.take());
        if let Ok(Some(free)) = FileLock::try_take(&self.path, Hold::Exclusive) {
            free.remove();
        }
    }
}

/// Whoever may write the state may take its lock.
fn as_the_state(lock: &Path, state: &Path) {
    let Ok(found) = fs::metadata(state) else { return };
    let _ = std::os::unix::fs::chown(lock, Some(found.uid()), Some(found.gid()));
    let _ = fs::set_permissions(lock, fs::Permissions::from_mode(found.mode() & 0o666));
}

fn has_no_locks(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(libc::ENOLCK | libc::EOPNOTSUPP | libc::ENOSYS))
}

fn with_suffix(base: &Path, suffix: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Longest time that a change of a state file may take.
const EDIT_LIMIT: Duration = Duration::from_secs(10);

/// Keeps others from changing the file between reading and writing it. Where there are no locks, or
/// no place for one, it is done without.
pub fn editing<T>(base: Option<&Path>, edit: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(path) = base.map(|base| with_suffix(base, ".edit")) else { return edit() };
    if let Some(folder) = path.parent() {
        let _ = fs::create_dir_all(folder);
    }
    let begun = Instant::now();
    let lock = loop {
        match FileLock::try_take(&path, Hold::Exclusive) {
            Ok(Some(lock)) => break Some(lock),
            Err(_) => break None,
            Ok(None) if begun.elapsed() > EDIT_LIMIT => {
                return Err(unavailable(
                    "written",
                    &path,
                    &"another process has been writing it for too long",
                ));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let done = edit();
    if let Some(lock) = lock {
        lock.remove();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it_and_a_descriptor_holds_it_too() {
        let folder = tempfile::tempdir().unwrap();
        let (base, state) = (folder.path().join("deep/.s"), folder.path().join("s"));
        let take = || RunLock::try_take(&base, &state, "2026-01-01T00:00:00.000Z").unwrap();
        let Taken::Ours(first) = take() else { panic!("not taken") };
        let Taken::Held(holder) = take() else { panic!("taken twice") };
        assert_eq!(holder, Holder::here("2026-01-01T00:00:00.000Z"));
        let error = holder.error(&state);
        assert_eq!(error.code, Code::RunInProgress);
        assert!(
            error.message.contains(&std::process::id().to_string()) && error.message.contains("2026-01-01")
        );
        let descriptor = first.descriptor().unwrap();
        drop(first);
        assert!(matches!(take(), Taken::Held(_)), "the tree of a killed host still runs");
        drop(descriptor);
        assert!(matches!(take(), Taken::Ours(_)));
        assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 0);
    }
}
