//! Which files an environment has, and whether they are still what they were.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Most files and folders of an environment: some ten times as many as the largest that are known.
const MOST_ITEMS: usize = 500_000;

/// One file of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Item {
    /// A folder; empty ones matter too.
    Folder,
    /// A file: size in bytes, whether it is a program, and BLAKE3 of its content, which takes a
    /// third of SHA-256's time where the processor helps with that, and less where it does not.
    File(u64, bool, String),
    /// A symlink, and where it leads; anything that is no UTF-8 is replaced.
    Link(String),
}

/// All files below a folder, by their paths in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing(pub BTreeMap<String, Item>);

impl Listing {
    /// Reads every file below `root`, but for those at the top that `skip` names.
    ///
    /// # Errors
    /// When one cannot be read, such as for its path's length, or there are too many.
    pub fn of(root: &Path, skip: &[&str]) -> io::Result<Self> {
        let mut items = BTreeMap::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                if skip.contains(&name.as_str()) {
                    continue;
                }
                let metadata = fs::symlink_metadata(&path)?;
                let item = if metadata.is_dir() {
                    folders.push(path);
                    Item::Folder
                } else if metadata.is_symlink() {
                    Item::Link(
                        String::from_utf8_lossy(fs::read_link(&path)?.as_os_str().as_bytes()).into_owned(),
                    )
                } else if metadata.is_file() {
                    let is_program = metadata.permissions().mode() & 0o111 != 0;
                    Item::File(metadata.len(), is_program, digest_of(&path, &mut buffer)?)
                } else {
                    return Err(io::Error::other(format!("{name} is neither a file nor a folder")));
                };
                items.insert(name, item);
                if items.len() > MOST_ITEMS {
                    let cause = format!("an environment may have {MOST_ITEMS} files and folders");
                    return Err(io::Error::other(cause));
                }
            }
        }
        Ok(Self(items))
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|item| if let Item::File(size, ..) = item { *size } else { 0 }).sum()
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.0.values().filter(|item| matches!(item, Item::File(..))).count()
    }

    /// Whether everything is there below `root`, as large as it was. No file is read.
    pub fn is_there(&self, root: &Path) -> bool {
        self.0.iter().all(|(name, item)| {
            fs::symlink_metadata(root.join(name)).is_ok_and(|metadata| match item {
                Item::Folder => metadata.is_dir(),
                Item::Link(_) => metadata.is_symlink(),
                Item::File(size, ..) => metadata.is_file() && metadata.len() == *size,
            })
        })
    }

    /// Paths that differ from what is there now: changed, missing or added.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let changed = self.0.iter().filter(|(name, item)| now.0.get(*name) != Some(item));
        let added = now.0.keys().filter(|name| !self.0.contains_key(*name));
        changed.map(|(name, _)| name).chain(added).cloned().collect()
    }
}

fn digest_of(path: &Path, buffer: &mut [u8]) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = blake3::Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hash.finalize().to_hex().to_string()),
            Ok(count) => drop(hash.update(&buffer[..count])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Takes the right to write from everything below `root`, itself included. It does not bind root.
///
/// # Errors
/// When the system refuses.
pub fn make_read_only(root: &Path) -> io::Result<()> {
    let mut paths = vec![root.to_owned()];
    while let Some(path) = paths.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_symlink() {
            continue;
        }
        let mode = metadata.permissions().mode() & 0o7777 & !0o222;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path)? {
                paths.push(entry?.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        for name in ["a/one", "a/two", "a/three", "a/four", "kept"] {
            fs::write(path(name), name).unwrap();
        }
        std::os::unix::fs::symlink("one", path("a/link")).unwrap();
        let listing = || Listing::of(folder.path(), &["skipped"]).unwrap();
        let before = listing();
        assert_eq!((before.files(), before.bytes()), (5, 27));
        fs::write(path("skipped"), "").unwrap();
        assert_eq!(before.differences(&listing()), [""; 0]);

        File::options().write(true).open(path("a/one")).unwrap().set_len(2).unwrap();
        fs::write(path("a/two"), "a/owt").unwrap(); // of the same size
        fs::remove_file(path("a/three")).unwrap();
        fs::set_permissions(path("a/four"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_dir(path("a/b")).unwrap();
        fs::remove_file(path("a/link")).unwrap();
        std::os::unix::fs::symlink("two", path("a/link")).unwrap();
        fs::write(path("new"), "").unwrap();
        assert_eq!(
            before.differences(&listing()),
            ["a/b", "a/four", "a/link", "a/one", "a/three", "a/two", "new"]
        );
    }

    #[test]
    fn read_only_reaches_everything_but_what_links_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/file"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        make_read_only(folder.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o222;
        assert_eq!(
            mode(folder.path()) | mode(&folder.path().join("a")) | mode(&folder.path().join("a/file")),
            0
        );
        assert_ne!(mode(outside.path()), 0);
        crate::removal::remove(folder.path()).unwrap();
    }
}
