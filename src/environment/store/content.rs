//! What a connectors package consists of, as one digest. npm installs a copy of its files, so a
//! changed file is another environment.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::hex;
use crate::error::{Result, RunnerError};

/// Most files of a connectors package.
const MOST_FILES: usize = 200_000;

/// Folders of a package that npm never packs.
const LEFT_OUT: [&str; 2] = ["node_modules", ".git"];

/// Digests of packages whose files have not been touched since: by folder, the state of its files
/// and what they contain.
static KNOWN: LazyLock<Mutex<HashMap<PathBuf, Known>>> = LazyLock::new(Mutex::default);

/// The state of a package's files, and the digest of what they contain.
type Known = ([u8; 32], String);

/// The digest of a package's files: 64 hexadecimal digits. Files are only read again when one of
/// them has another size, time or inode than before.
///
/// # Errors
/// `INTERNAL`, naming the file that cannot be read.
pub fn package_digest(root: &Path) -> Result<String> {
    let failed = |cause: io::Error| RunnerError::file("read the connectors package in", root, &cause);
    let files = files_of(root).map_err(failed)?;
    let state = state_of(root, &files);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, digest)) = known().get(root).filter(|(known, _)| *known == state) {
        return Ok(digest.clone());
    }
    let digest = read_all(root, &files).map_err(failed)?;
    known().insert(root.to_owned(), (state, digest.clone()));
    Ok(digest)
}

type Files = Vec<(PathBuf, Metadata)>;

/// All files and symlinks, in a fixed order.
fn files_of(root: &Path) -> io::Result<Files> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let metadata = entry.metadata()?; // of a symlink itself
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_file() || metadata.is_symlink() {
                files.push((entry.path(), metadata));
            }
            if files.len() + folders.len() > MOST_FILES {
                return Err(io::Error::other(format!("a package may have {MOST_FILES} files")));
            }
        }
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(files)
}

/// Changes whenever a file may have. The change time cannot be set back by hand.
fn state_of(root: &Path, files: &Files) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (path, metadata) in files {
        add_name(&mut hash, root, path);
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        for number in [metadata.size(), metadata.ino()].into_iter().chain(times.map(i64::cast_unsigned)) {
            hash.update(number.to_le_bytes());
        }
    }
    hash.finalize().into()
}

fn read_all(root: &Path, files: &Files) -> io::Result<String> {
    let mut hash = Sha256::new();
    for (path, metadata) in files {
        add_name(&mut hash, root, path);
        let is_program = metadata.permissions().mode() & 0o111 != 0;
        hash.update([u8::from(metadata.is_symlink()), u8::from(is_program)]);
        if metadata.is_symlink() {
            let target = fs::read_link(path)?;
            hash.update(target.as_os_str().len().to_le_bytes());
            hash.update(target.as_os_str().as_bytes());
        } else {
            let length = add_content(&mut hash, path)?;
            // after the content: a file may grow while it is read
            hash.update(length.to_le_bytes());
        }
    }
    Ok(hex(&hash.finalize()))
}

/// Gives how many bytes there were.
fn add_content(hash: &mut Sha256, path: &Path) -> io::Result<u64> {
    let mut file = io::BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut length = 0;
    loop {
        let part = file.fill_buf()?;
        if part.is_empty() {
            return Ok(length);
        }
        hash.update(part);
        let count = part.len();
        length += count as u64;
        file.consume(count);
    }
}

fn add_name(hash: &mut Sha256, root: &Path, path: &Path) {
    let name = path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes();
    hash.update(name.len().to_le_bytes());
    hash.update(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_to_what_npm_would_copy_changes_the_digest() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("package.json", "{}");
        write("src/a.js", "1");
        let digest = || package_digest(root.path()).unwrap();
        let mut seen = vec![digest()];
        assert_eq!(digest(), seen[0]);
        write("node_modules/x/index.js", "1");
        write(".git/HEAD", "1");
        assert_eq!(digest(), seen[0]);
        let mut changed = |what: &str| {
            let now = digest();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        write("src/a.js", "2"); // of the same size
        changed("content");
        fs::rename(root.path().join("src/a.js"), root.path().join("src/b.js")).unwrap();
        changed("name");
        fs::set_permissions(root.path().join("src/b.js"), fs::Permissions::from_mode(0o755)).unwrap();
        changed("mode");
        std::os::unix::fs::symlink("b.js", root.path().join("src/c.js")).unwrap();
        changed("symlink");
    }
}
