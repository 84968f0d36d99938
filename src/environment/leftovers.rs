//! Run directories that nobody uses any more: what a caller asks to have removed, and what hosts
//! that have died left.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::folder::{LOCK_SUFFIX, Lock, is_ours, name_prefix, remove};
use super::store::Store;
use super::tree::Remover;
use crate::error::{Result, RunnerError};

/// Removes every directory of these ids below `root` that no live run holds.
///
/// # Errors
/// `INTERNAL` when one of them cannot be removed; the others are gone.
pub fn cleanup(root: &Path, connector_id: &str, run_id: &str, remover: &Remover) -> Result<()> {
    let prefix = name_prefix(connector_id, run_id);
    let entries = fs::read_dir(root).map_err(|cause| RunnerError::file("read", root, &cause))?;
    let mut outcome = Ok(());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let of_these_ids =
            name.to_str().is_some_and(|name| name.starts_with(&prefix) && !name.ends_with(LOCK_SUFFIX));
        let path = entry.path();
        if !of_these_ids || !is_own_folder(&path) {
            continue;
        }
        if let Ok(lock) = Lock::take(&path) {
            outcome = remove(&path, Some(lock), remover, None).and(outcome);
        }
    }
    outcome
}

/// Removes what runs of hosts that have died left below `root`, and what could not be removed at
/// once. Errors do not matter: the next run tries again.
pub fn sweep(root: &Path, remover: &Remover) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(directory) = name.to_str().and_then(|name| name.strip_suffix(LOCK_SUFFIX)) else { continue };
        if !is_ours(Some(OsStr::new(directory))) {
            continue;
        }
        let directory = root.join(directory);
        if !is_own_folder(&directory) {
            continue;
        }
        if let Ok(lock) = Lock::take(&directory) {
            if let Ok(modules) = fs::read_link(directory.join("node_modules")) {
                Store::distrust(&modules);
            }
            let _ = remove(&directory, Some(lock), remover, None);
        }
    }
}

/// Whether this is a folder, not a symlink, of this very user: in a shared temporary folder others
/// may have put something under such a name. One that is gone counts: only its lock is left.
fn is_own_folder(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::folder::tests::{names, root};
    use super::super::folder::{RunFolder, lock_path};
    use super::*;

    #[test]
    fn cleanup_spares_what_a_live_run_holds() {
        let root = root();
        let live = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap();
        let left = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap().keep();
        let other = RunFolder::create(root.path(), "a", "c", &Remover::default()).unwrap().keep();
        let held = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap().keep();
        let lock = RunFolder::hold(&held).unwrap();
        cleanup(root.path(), "a", "b", &Remover::default()).unwrap();
        assert!(live.path().exists() && other.exists() && held.exists() && !left.exists());
        drop(lock);
        cleanup(root.path(), "a", "b", &Remover::default()).unwrap();
        assert!(live.path().exists() && !held.exists());
    }

    #[test]
    fn what_a_dead_host_left_is_swept_and_nothing_else() {
        let root = root();
        let live = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap();
        let kept = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap().keep();
        let abandoned = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap().keep();
        // the kernel lets go of a dead host's lock, and the file stays
        fs::write(lock_path(&abandoned), "").unwrap();
        fs::write(abandoned.join("file"), "").unwrap();
        let foreign = root.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(root.path().join("foreign.lock"), "").unwrap();
        let outside = tempfile::tempdir().unwrap();
        let planted = root.path().join(format!("{}planted", name_prefix("a", "b")));
        symlink(outside.path(), &planted).unwrap();
        fs::write(lock_path(&planted), "").unwrap();

        sweep(root.path(), &Remover::default());
        assert!(live.path().exists() && kept.exists() && foreign.exists() && !abandoned.exists());
        assert!(outside.path().exists() && planted.symlink_metadata().is_ok());
        fs::remove_file(lock_path(&planted)).unwrap();
        fs::remove_file(planted).unwrap();
        drop(live);
        fs::remove_dir(kept).unwrap();
        let mut left = names(root.path());
        left.sort();
        assert_eq!(left, ["foreign", "foreign.lock"]);
    }
}
