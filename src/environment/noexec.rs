//! File systems mounted `noexec`: Node.js cannot load native packages from them, and the loader's
//! error ("failed to map segment") names neither cause nor remedy.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::error::{Code, Result, RunnerError};

/// Folders that are searched at most.
const MOST_FOLDERS: usize = 20_000;

/// Whether nothing in this folder can be run or loaded as a program, by the way it is mounted.
pub fn is_noexec(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Refuses an environment from which something would have to be loaded that cannot be. `remedy` says
/// how to name another place.
///
/// # Errors
/// `INVALID_CONFIG` where the environment has native addons and is mounted `noexec`.
pub fn check(environment: &Path, remedy: &str) -> Result<()> {
    if !is_noexec(environment) {
        return Ok(());
    }
    let Some(addon) = native_addon(&environment.join("node_modules")) else { return Ok(()) };
    let message = format!(
        "{} is on a file system that is mounted noexec, from where Node.js cannot load native packages such as {}; \
         {remedy}, or mount it without noexec",
        environment.display(),
        addon.strip_prefix(environment.join("node_modules")).unwrap_or(&addon).display()
    );
    Err(RunnerError::new(Code::InvalidConfig, message))
}

/// A file `*.node` below this folder; links are not followed.
fn native_addon(folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    for _ in 0..MOST_FOLDERS {
        for entry in fs::read_dir(folders.pop()?).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && entry.path().extension().is_some_and(|end| end == "node") => {
                    return Some(entry.path());
                }
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addons_are_found_below_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).unwrap();
        assert_eq!(native_addon(root.path()), None);
        fs::write(deep.join("duckdb.node"), "").unwrap();
        assert_eq!(native_addon(root.path()), Some(deep.join("duckdb.node")));
        assert_eq!(native_addon(&root.path().join("none")), None);
    }
}
