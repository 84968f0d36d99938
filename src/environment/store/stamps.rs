//! Stamps of an environment's folders: what a cleaner of caches, or somebody by hand, removes from one
//! or puts there changes when the folder was written. Looking at some dozens of folders takes less
//! than a millisecond; what is changed inside a file is only found by a verification.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::assemble::COMPILED;

/// Between two fields.
const NUL: char = '\0';

/// The stamps of all folders below this one, as one text; links are not followed.
///
/// # Errors
/// Where a folder cannot be read.
pub fn of(environment: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut folders = vec![environment.to_owned()];
    while let Some(folder) = folders.pop() {
        // first the stamp: what changes while it is read is noticed the next time
        let stamp = stamp(&fs::symlink_metadata(&folder)?);
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            // what Node.js keeps of its own there is not what runs need
            let is_cache = folder == environment && entry.file_name() == COMPILED;
            if entry.file_type()?.is_dir() && !is_cache {
                folders.push(entry.path());
            }
        }
        if let Some(name) = folder.strip_prefix(environment).ok().and_then(Path::to_str) {
            text.extend([name, "\0", &stamp, "\0"]);
        }
    }
    Ok(text)
}

/// Whether the folders are as they were when this text was made.
pub fn hold(text: &str, environment: &Path) -> bool {
    let mut fields = text.split_terminator(NUL);
    let mut count = 0;
    while let (Some(name), Some(was)) = (fields.next(), fields.next()) {
        count += 1;
        if !fs::symlink_metadata(environment.join(name)).is_ok_and(|now| now.is_dir() && stamp(&now) == was) {
            return false;
        }
    }
    count > 0
}

fn stamp(metadata: &Metadata) -> String {
    format!("{}.{}.{}", metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_or_added_anywhere_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("node_modules/a/lib");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("index.js"), "1").unwrap();
        let before = of(root.path()).unwrap();
        assert!(hold(&before, root.path()));
        fs::write(deep.join("index.js"), "2").unwrap();
        assert!(hold(&before, root.path()), "its content is another matter");
        fs::remove_file(deep.join("index.js")).unwrap();
        assert!(!hold(&before, root.path()));
        let without = of(root.path()).unwrap();
        fs::remove_dir(&deep).unwrap();
        assert!(!hold(&without, root.path()) && !hold("", root.path()));
    }
}
