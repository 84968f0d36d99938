//! What a connectors package consists of, as one digest. Environments hold a copy of its files, so a
//! changed file is another environment.
//!
//! Of what was not touched since, an index in the store knows the digest: `v2/files/` has one for each
//! package that was looked at. As in git's index, a file is only taken for untouched where its size,
//! times and inode are the same, and where it was not written so shortly before it was read that a
//! further change need not show.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hex;
use crate::environment::packlist::{self, Plain};
use crate::error::{Result, RunnerError};

/// Most files of a connectors package.
const MOST_FILES: usize = 200_000;

/// Most files that an index has; a package with more is read each time.
const MOST_KNOWN: usize = 20_000;

/// Longest index.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// Most indexes that are kept.
const KEPT: usize = 50;

/// Clocks of file systems are coarse: what was written less than this before it was read may have been
/// written again without a trace.
const SETTLED: Duration = Duration::from_secs(2);

/// Folders of a package that npm never packs.
const LEFT_OUT: [&str; 2] = ["node_modules", ".git"];

/// What a connectors package consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// 64 hexadecimal digits that stand for all of it.
    pub digest: String,
    /// The files that npm packs, where that can be told without npm.
    pub plain: Option<Plain>,
    /// SHA-256 of each of these files, in their order.
    pub digests: Vec<String>,
}

/// One file as it was when it was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    state: State,
    digest: String,
}

/// Changes whenever a file may have: size, inode, device, and both times with their fractions. The
/// change time cannot be set back by hand.
type State = [i64; 7];

fn state_of(metadata: &Metadata) -> State {
    [
        metadata.size().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.dev().cast_signed(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]
}

/// Whether a change after this time would show.
fn is_settled(state: &State, read_at: SystemTime) -> bool {
    let at = |seconds: i64, fraction: i64| {
        let whole = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        UNIX_EPOCH + whole + Duration::from_nanos(u64::try_from(fraction).unwrap_or_default())
    };
    let [.., mtime, mtime_nsec, ctime, ctime_nsec] = *state;
    let changed = at(mtime, mtime_nsec).max(at(ctime, ctime_nsec));
    read_at.duration_since(changed).is_ok_and(|since| since > SETTLED)
}

impl Content {
    /// Looks at a package, with what the indexes in this folder know of it.
    ///
    /// # Errors
    /// `INTERNAL`, naming the folder of which a file cannot be read.
    pub fn of(root: &Path, indexes: Option<&Path>) -> Result<Self> {
        Self::at(root, indexes, SystemTime::now())
    }

    fn at(root: &Path, indexes: Option<&Path>, now: SystemTime) -> Result<Self> {
        let failed = |cause: io::Error| RunnerError::file("read the connectors package in", root, &cause);
        let plain = packlist::plain(root).map_err(failed)?;
        let files = match &plain {
            Some(plain) => plain.files.iter().map(PathBuf::from).collect(),
            // whatever npm may take of it
            None => all_files(root).map_err(failed)?,
        };
        let mut index = Index::open(root, indexes, now);
        let mut hash = Sha256::new();
        let mut digests = Vec::with_capacity(files.len());
        hash.update([u8::from(plain.is_some())]);
        for name in &files {
            let digest = index.digest(root, name).map_err(failed)?;
            add(&mut hash, name.as_os_str().as_bytes());
            add(&mut hash, digest.as_bytes());
            digests.push(digest);
        }
        index.save();
        Ok(Self { digest: hex(&hash.finalize()), plain, digests })
    }
}

/// All files and symlinks below a folder, in a fixed order.
fn all_files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() || kind.is_symlink() {
                files.push(path.strip_prefix(root).map_or_else(|_| path.clone(), Path::to_owned));
            }
            if files.len() + folders.len() > MOST_FILES {
                return Err(io::Error::other(format!("a package may have {MOST_FILES} files")));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Digest of one file or symlink: its kind, whether it is a program, and what is in it.
fn read_one(path: &Path, metadata: &Metadata, is_program: Option<bool>) -> io::Result<String> {
    let mut hash = Sha256::new();
    let is_program = is_program.unwrap_or(metadata.permissions().mode() & 0o111 != 0);
    hash.update([u8::from(metadata.is_symlink()), u8::from(is_program)]);
    if metadata.is_symlink() {
        hash.update(fs::read_link(path)?.as_os_str().as_bytes());
    } else {
        let mut file = io::BufReader::with_capacity(64 * 1024, File::open(path)?);
        loop {
            let part = file.fill_buf()?;
            if part.is_empty() {
                break;
            }
            hash.update(part);
            let count = part.len();
            file.consume(count);
        }
    }
    Ok(hex(&hash.finalize()))
}

/// Digest of a file's copy, as the package's content has it; with `is_program` as if it were one, or none.
///
/// # Errors
/// When it cannot be read.
pub fn digest_of(path: &Path, is_program: Option<bool>) -> io::Result<String> {
    read_one(path, &fs::symlink_metadata(path)?, is_program)
}

/// A text with its length.
fn add(hash: &mut Sha256, text: &[u8]) {
    hash.update(text.len().to_le_bytes());
    hash.update(text);
}

/// Digests of a package's files.
struct Index {
    /// Where it is kept, if it is.
    path: Option<PathBuf>,
    known: HashMap<String, Known>,
    /// What is true now.
    now: HashMap<String, Known>,
    has_changed: bool,
    read_at: SystemTime,
}

impl Index {
    fn open(root: &Path, folder: Option<&Path>, read_at: SystemTime) -> Self {
        let name = hex(&Sha256::digest(root.as_os_str().as_bytes()));
        let path = folder.map(|folder| folder.join(format!("{}.json", &name[..32])));
        let known = path.as_deref().and_then(recall).unwrap_or_default();
        Self { path, known, now: HashMap::new(), has_changed: false, read_at }
    }

    fn digest(&mut self, root: &Path, name: &Path) -> io::Result<String> {
        let path = root.join(name);
        let metadata = fs::symlink_metadata(&path)?;
        let state = state_of(&metadata);
        let name = name.to_str().filter(|_| self.path.is_some() && self.now.len() < MOST_KNOWN);
        if let Some(known) = name.and_then(|name| self.known.get(name)).filter(|known| known.state == state) {
            let digest = known.digest.clone();
            self.now.extend(name.map(|name| (name.to_owned(), known.clone())));
            return Ok(digest);
        }
        let digest = read_one(&path, &metadata, None)?;
        self.has_changed = true;
        // it may have been written while it was read, and is read again then
        let after = state_of(&fs::symlink_metadata(&path)?);
        if after == state && is_settled(&state, self.read_at) {
            self.now.extend(name.map(|name| (name.to_owned(), Known { state, digest: digest.clone() })));
        }
        Ok(digest)
    }

    /// That it cannot be written is no error: files are read again then.
    fn save(self) {
        let Some(path) = self.path else { return };
        let is_same = !self.has_changed && self.now.len() == self.known.len();
        if is_same || (self.now.is_empty() && self.known.is_empty()) {
            return;
        }
        let Some(folder) = path.parent() else { return };
        let written = serde_json::to_vec(&self.now).map_err(io::Error::other).and_then(|text| {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&text)?;
            file.persist(&path).map_err(|error| error.error)
        });
        if written.is_ok() {
            forget_the_oldest(folder);
        }
    }
}

/// An index of this very user's. One that is damaged knows nothing.
fn recall(path: &Path) -> Option<HashMap<String, Known>> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    if !metadata.is_file() || !is_ours || metadata.len() > MOST_BYTES {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn forget_the_oldest(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let modified = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
    let mut all: Vec<_> = entries.flatten().filter_map(modified).collect();
    all.sort();
    let surplus = all.len().saturating_sub(KEPT);
    for (_, path) in all.into_iter().take(surplus) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package, and a folder for indexes.
    struct Place {
        root: tempfile::TempDir,
        indexes: tempfile::TempDir,
    }

    impl Place {
        fn new(manifest: &str) -> Self {
            let place = Self { root: tempfile::tempdir().unwrap(), indexes: tempfile::tempdir().unwrap() };
            place.write("package.json", manifest);
            place.write("src/a.js", "1");
            place
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// Its digest, as it would be seen so many seconds from now.
        fn digest(&self, seconds: u64) -> String {
            let now = SystemTime::now() + Duration::from_secs(seconds);
            Content::at(self.root.path(), Some(self.indexes.path()), now).unwrap().digest
        }

        fn index(&self) -> Option<PathBuf> {
            fs::read_dir(self.indexes.path()).unwrap().flatten().next().map(|entry| entry.path())
        }
    }

    const PLAIN: &str = r#"{"name":"p"}"#;
    const WITH_BUNDLE: &str = r#"{"name":"p","bundleDependencies":["x"]}"#;

    #[test]
    fn every_change_to_what_npm_would_copy_changes_the_digest() {
        for (manifest, has_links) in [(PLAIN, false), (WITH_BUNDLE, true)] {
            let place = Place::new(manifest);
            let mut seen = vec![place.digest(0)];
            place.write("node_modules/x/index.js", "1");
            place.write(".git/HEAD", "1");
            assert_eq!(place.digest(0), seen[0]);
            let mut changed = |what: &str| {
                let now = place.digest(0);
                assert!(!seen.contains(&now), "{what}");
                seen.push(now);
            };
            place.write("src/a.js", "2"); // of the same size
            changed("content");
            let at = |name: &str| place.root.path().join(name);
            fs::rename(at("src/a.js"), at("src/b.js")).unwrap();
            changed("name");
            fs::set_permissions(at("src/b.js"), fs::Permissions::from_mode(0o755)).unwrap();
            changed("mode");
            std::os::unix::fs::symlink("b.js", at("src/c.js")).unwrap();
            if has_links {
                changed("symlink");
            }
        }
    }

    #[test]
    fn what_npm_leaves_out_changes_nothing() {
        let place = Place::new(r#"{"name":"p","files":["dist"]}"#);
        place.write("dist/index.js", "1");
        let before = place.digest(0);
        place.write("src/a.js", "2");
        place.write("src/b.js", "new");
        assert_eq!(place.digest(0), before);
        place.write("dist/b.js", "new");
        assert_ne!(place.digest(0), before);
    }

    #[test]
    fn what_was_not_touched_since_is_not_read_again() {
        let place = Place::new(PLAIN);
        let before = place.digest(60);
        let index = place.index().unwrap();
        let text = fs::read_to_string(&index).unwrap();
        // it would not be believed if the files were read
        let mut known: HashMap<String, Known> = serde_json::from_str(&text).unwrap();
        known.get_mut("src/a.js").unwrap().digest = "another".into();
        fs::write(&index, serde_json::to_vec(&known).unwrap()).unwrap();
        assert_ne!(place.digest(60), before);
        // one that others can write is nobody's
        fs::set_permissions(&index, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(place.digest(60), before);
        fs::write(place.index().unwrap(), "[").unwrap();
        assert_eq!(place.digest(60), before);
    }

    #[test]
    fn what_was_written_just_now_is_read_again_as_no_change_need_show() {
        let place = Place::new(PLAIN);
        let before = place.digest(0);
        assert_eq!(place.index(), None, "nothing of it is settled");
        let path = place.root.path().join("src/a.js");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        place.write("src/a.js", "2");
        File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        assert_ne!(place.digest(0), before);
    }

    #[test]
    fn indexes_are_few() {
        let place = Place::new(PLAIN);
        for number in 0..KEPT + 5 {
            fs::write(place.indexes.path().join(number.to_string()), "").unwrap();
        }
        place.digest(60);
        assert_eq!(fs::read_dir(place.indexes.path()).unwrap().count(), KEPT);
    }
}
