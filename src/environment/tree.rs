//! Removing whole folders.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Removes a folder and what is in it; one that is gone already is no error. Folders without
/// permissions are opened first. Symlinks are removed, never followed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match remove_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path);
            remove_all(path)
        }
        other => other,
    }
}

/// The standard library's removal never follows a symlink, not even one that is put in place
/// while it works.
fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives the owner access to every folder of a tree: a connector may have left mode 000 behind,
/// and environments in the store are read-only.
fn open_up(path: &Path) {
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
