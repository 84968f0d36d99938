//! What a connectors package has, remembered on disk, so that a second start of the command needs
//! no process to read it.
//!
//! A catalog says what is installed and run, so only what this user alone can have written is
//! believed: a file and a folder of the user's own that nobody else may write.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::Hasher;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::Package;
use super::reader::MAX_BYTES;
use crate::environment::store::store_root;
use crate::host::Host;

/// Folder below the store's.
const FOLDER: &str = "catalogs";

/// Most catalogs that are kept; each version of each package has one.
const KEPT: usize = 50;

/// Most files of a package that are looked at for a change.
const WATCHED_FILES: usize = 2000;

/// A file that is younger may be written again without a trace: clocks of file systems are coarse.
const SETTLED: Duration = Duration::from_secs(2);

/// What changes whenever a package does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256, hexadecimal.
    pub digest: String,
    /// Whether every change would show: all files were looked at, and none was written just now.
    pub is_certain: bool,
}

/// Looks at a package, for `script`, which is how it is read: its files' places, sizes and times, not what it has installed below itself;
/// of that and of what is beside it, npm's list.
pub fn fingerprint(package: &Package, script: &[&str], node_abi: &str) -> Fingerprint {
    let root = &package.root;
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    let mut is_certain = true;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_name() != "node_modules") {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => files.push(entry.path()),
            }
        }
        if files.len() + folders.len() > WATCHED_FILES {
            files.truncate(WATCHED_FILES);
            is_certain = false;
            break;
        }
    }
    files.sort();
    let beside = root.ancestors().find(|folder| folder.ends_with("node_modules")).map(Path::to_owned);
    let lists = [Some(root.join("node_modules")), beside];
    files.extend(lists.into_iter().flatten().map(|folder| folder.join(".package-lock.json")));

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut hash = Hash(Sha256::new());
    hash.text(env!("CARGO_PKG_VERSION"));
    for part in script {
        hash.text(part);
    }
    hash.text(node_abi);
    hash.text(&root.to_string_lossy());
    for file in files {
        let Ok(metadata) = fs::metadata(&file) else { continue };
        hash.text(&file.to_string_lossy());
        for part in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
            hash.write_i64(part);
        }
        hash.write_u64(metadata.len());
        let changed = Duration::from_secs(metadata.ctime().max(metadata.mtime()).unsigned_abs());
        is_certain &= now.saturating_sub(changed) > SETTLED;
    }
    let digest = hash.0.finalize().iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    });
    Fingerprint { digest, is_certain }
}

/// SHA-256 with the numbers and texts of [`Hasher`], each text with its length.
struct Hash(Sha256);

impl Hash {
    fn text(&mut self, text: &str) {
        self.write_u64(text.len() as u64);
        self.write(text.as_bytes());
    }
}

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0 // the digest is what counts
    }
}

/// Where catalogs are kept, if that is a folder that only this user can write.
fn folder(host: &Host) -> Option<PathBuf> {
    let folder = store_root(None, host).ok()?.join(FOLDER);
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    let metadata = fs::symlink_metadata(&folder).ok()?;
    (metadata.is_dir() && is_ours(&metadata)).then_some(folder)
}

fn is_ours(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// What was remembered of a package in exactly this state.
pub fn recall(fingerprint: &Fingerprint, host: &Host) -> Option<Vec<u8>> {
    if !fingerprint.is_certain {
        return None;
    }
    let path = folder(host)?.join(format!("{}.json", fingerprint.digest));
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || !is_ours(&metadata) || metadata.len() > MAX_BYTES {
        return None;
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).ok()?;
    Some(content)
}

/// Remembers a catalog, in one step. That it cannot be is no error: it is read again then.
pub fn remember(fingerprint: &Fingerprint, content: &[u8], host: &Host) {
    if !fingerprint.is_certain {
        return;
    }
    let Some(folder) = folder(host) else { return };
    let written = tempfile::NamedTempFile::new_in(&folder).and_then(|mut file| {
        file.write_all(content)?;
        file.persist(folder.join(format!("{}.json", fingerprint.digest))).map_err(|error| error.error)
    });
    if written.is_ok() {
        forget_the_oldest(&folder);
    }
}

fn forget_the_oldest(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut all: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    all.sort();
    let surplus = all.len().saturating_sub(KEPT);
    for (_, path) in all.into_iter().take(surplus) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::manifest::PackageManifest;

    struct Place {
        base: tempfile::TempDir,
        package: Package,
        host: Host,
    }

    fn place() -> Place {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("package");
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::write(root.join("src/deep/index.js"), "1").unwrap();
        let manifest = serde_json::from_str::<PackageManifest>(r#"{"name":"p"}"#).unwrap();
        let store = base.path().join("store").display().to_string();
        let host = Host {
            cwd: base.path().to_owned(),
            variables: vec![("OWOX_RUNNER_STORE".into(), store)],
            ..Host::default()
        };
        Place { package: Package { root, manifest, is_fallback: false }, base, host }
    }

    impl Place {
        fn look(&self) -> Fingerprint {
            fingerprint(&self.package, &["script"], "127")
        }

        /// As if nothing had been written for long.
        fn settled(&self) -> Fingerprint {
            Fingerprint { is_certain: true, ..self.look() }
        }

        fn file(&self) -> PathBuf {
            self.base.path().join("store").join(FOLDER).join(format!("{}.json", self.look().digest))
        }
    }

    #[test]
    fn a_change_to_any_file_of_the_package_changes_its_fingerprint() {
        let place = place();
        let before = place.look().digest;
        assert_eq!(place.look().digest, before);
        let root = &place.package.root;
        fs::create_dir(root.join("node_modules")).unwrap();
        fs::write(root.join("node_modules/x.js"), "1").unwrap();
        assert_eq!(place.look().digest, before);
        fs::write(root.join("node_modules/.package-lock.json"), "1").unwrap();
        let installed = place.look().digest;
        assert_ne!(installed, before);
        fs::write(root.join("src/deep/index.js"), "12").unwrap();
        assert_ne!(place.look().digest, installed);
        assert_ne!(fingerprint(&place.package, &["other script"], "127").digest, place.look().digest);
    }

    #[test]
    fn what_was_written_just_now_is_not_remembered() {
        let place = place();
        assert!(!place.look().is_certain);
        remember(&place.look(), b"{}", &place.host);
        assert!(!place.file().exists());
        assert_eq!(recall(&place.look(), &place.host), None);
    }

    #[test]
    fn what_was_remembered_is_recalled() {
        let place = place();
        assert_eq!(recall(&place.settled(), &place.host), None);
        remember(&place.settled(), b"{\"sources\":{}}", &place.host);
        assert_eq!(recall(&place.settled(), &place.host).unwrap(), b"{\"sources\":{}}");
        fs::write(place.package.root.join("new.js"), "").unwrap();
        assert_eq!(recall(&place.settled(), &place.host), None);
    }

    #[test]
    fn what_others_could_have_written_is_not_believed() {
        let place = place();
        remember(&place.settled(), b"{}", &place.host);
        let recalled = || recall(&place.settled(), &place.host).is_some();
        let (file, folder) = (place.file(), place.file().parent().unwrap().to_owned());
        let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(recalled());
        allow(&file, 0o666);
        assert!(!recalled());
        allow(&file, 0o600);
        allow(&folder, 0o770);
        assert!(!recalled());
        allow(&folder, 0o700);
        assert!(recalled());
        let elsewhere = place.base.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert!(!recalled());
        fs::remove_file(&file).unwrap();
        fs::rename(&folder, place.base.path().join("folder")).unwrap();
        symlink(place.base.path().join("folder"), &folder).unwrap();
        fs::rename(&elsewhere, &file).unwrap();
        assert!(!recalled());
    }

    #[test]
    fn only_the_newest_are_kept() {
        let place = place();
        for number in 0..KEPT + 5 {
            let one = Fingerprint { digest: number.to_string(), is_certain: true };
            remember(&one, b"{}", &place.host);
        }
        assert_eq!(fs::read_dir(place.file().parent().unwrap()).unwrap().count(), KEPT);
    }
}
