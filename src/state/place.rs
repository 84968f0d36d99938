//! The file that holds a state: read within bounds, written so that nothing is lost.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use crate::error::{Code, Result, RunnerError};

/// Most bytes of a state file.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// Links that are followed, as the kernel does.
const MAX_LINKS: usize = 40;

/// Most bytes of a name to which a dot and a suffix are added: file systems have 255.
const MAX_NAME: usize = 240;

/// A file for state, where its links lead.
#[derive(Debug, Clone)]
pub struct Place {
    /// As it was named.
    pub named: PathBuf,
    target: PathBuf,
}

/// An error about a state file, with what to do.
pub fn unavailable(action: &str, path: &Path, cause: &dyn std::fmt::Display) -> RunnerError {
    let message = format!("the state file {} cannot be {action}: {cause}", path.display());
    RunnerError::new(Code::StateUnavailable, message)
}

const REMEDY: &str = "make it a file that this user may read and write, in a folder where that is so as well, or name another file with --state FILE; \
                      --no-state does without";

impl Place {
    /// The place that a path names.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE` for links that go round in circles.
    pub fn at(named: &Path) -> Result<Self> {
        let mut target = named.to_owned();
        for _ in 0..MAX_LINKS {
            match fs::read_link(&target) {
                Ok(next) => target = target.parent().unwrap_or(Path::new("/")).join(next),
                Err(_) => return Ok(Self { named: named.to_owned(), target }),
            }
        }
        Err(unavailable("used", named, &"its links go round in circles"))
    }

    fn folder(&self) -> &Path {
        self.target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("/"))
    }

    fn existing(&self) -> Option<Metadata> {
        fs::metadata(&self.target).ok()
    }

    /// Whether there is a file.
    pub fn exists(&self) -> bool {
        self.existing().is_some()
    }

    /// The text of the file; `None` where there is none.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`.
    pub fn read(&self) -> Result<Option<String>> {
        let failed =
            |cause: &dyn std::fmt::Display| unavailable("read", &self.named, cause).with_hint(REMEDY);
        match self.existing() {
            // a pipe would keep whoever opens it waiting
            Some(found) if !found.is_file() => return Err(failed(&"it is no regular file")),
            Some(found) if found.len() > MAX_BYTES => return Err(self.too_large()),
            _ => {}
        }
        let mut bytes = Vec::new();
        match File::open(&self.target) {
            Ok(file) => file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|cause| failed(&cause))?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed(&cause)),
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(self.too_large());
        }
        let text = String::from_utf8(bytes).map_err(|_| failed(&"it is not UTF-8 text"))?;
        Ok(Some(text.strip_prefix('\u{FEFF}').map(ToOwned::to_owned).unwrap_or(text)))
    }

    fn too_large(&self) -> RunnerError {
        unavailable("read", &self.named, &"it is larger than 1 MiB, which no state is").with_hint(REMEDY)
    }

    /// Whether the file must stay the one that it is: something is mounted on it, or it belongs to
    /// another user, whose file a new one would not be.
    pub fn is_fixed(&self) -> bool {
        let Some(found) = self.existing() else { return false };
        let user = rustix::process::geteuid();
        is_mounted(&self.target) || (!user.is_root() && found.uid() != user.as_raw())
    }

    /// Tries whether the state can be written, without changing it.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`, with what to do.
    pub fn try_out(&self) -> Result<()> {
        self.tried().map_err(|cause| unavailable("written", &self.named, &cause).with_hint(REMEDY))
    }

    fn tried(&self) -> io::Result<()> {
        let existing = self.existing();
        if let Some(found) = &existing {
            if !found.is_file() {
                return Err(io::Error::other("it is no regular file"));
            }
            match File::options().write(true).open(&self.target) {
                Ok(_) => {}
                // a file that is read-only is replaced; but not one that is immutable
                Err(cause) if cause.raw_os_error() == Some(libc::EACCES) && !self.is_fixed() => {}
                Err(cause) => return Err(cause),
            }
        }
        // folders that are missing are made when there is something to write
        let mut folder = self.folder();
        while !folder.exists() {
            match folder.parent() {
                Some(parent) => folder = parent,
                None => break,
            }
        }
        let name = tempfile::Builder::new().prefix(".state-").tempfile_in(folder);
        match name.and_then(|mut file| file.write_all(&[0; 4096]).and_then(|()| file.as_file().sync_data())) {
            Ok(()) => Ok(()),
            // what is there can be written where it stands; a full disk refuses that as well
            Err(cause) if existing.is_some() && cause.kind() != io::ErrorKind::StorageFull => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    /// Replaces the content in one step, links, mode and owner kept: a reader sees the old or the
    /// new one. Where no file can take the other's place, it is written where it stands.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`; then the old content is still there.
    pub fn write(&self, content: &str) -> Result<()> {
        let written = match self.existing() {
            Some(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Some(_) if self.is_fixed() => self.write_in_place(content),
            found => match self.replace(content, found.as_ref()) {
                Err(Replaced::Impossible(_)) if found.is_some() => self.write_in_place(content),
                Err(Replaced::Impossible(cause) | Replaced::Failed(cause)) => Err(cause),
                Ok(()) => Ok(()),
            },
        };
        written.map_err(|cause| unavailable("written", &self.named, &cause).with_hint(REMEDY))
    }

    fn replace(&self, content: &str, found: Option<&Metadata>) -> Result<(), Replaced> {
        fs::create_dir_all(self.folder()).map_err(Replaced::Failed)?;
        let mut file = tempfile::NamedTempFile::new_in(self.folder()).map_err(Replaced::of)?;
        file.write_all(content.as_bytes()).map_err(Replaced::Failed)?;
        if let Some(found) = found {
            let handle = file.as_file();
            let ours = handle.metadata().map_err(Replaced::Failed)?;
            if (ours.uid(), ours.gid()) != (found.uid(), found.gid()) {
                std::os::unix::fs::fchown(handle, Some(found.uid()), Some(found.gid()))
                    .map_err(Replaced::Impossible)?;
            }
            // after the owner, whose change takes bits away
            let mode = fs::Permissions::from_mode(found.mode() & 0o7777);
            handle.set_permissions(mode).map_err(Replaced::Failed)?;
        }
        file.as_file().sync_all().map_err(Replaced::Failed)?;
        file.persist(&self.target).map_err(|cause| Replaced::of(cause.error))?;
        // the name as well has to outlive a loss of power; not every file system can
        let _ = File::open(self.folder()).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Writes over the content. Space is taken before anything is lost.
    fn write_in_place(&self, content: &str) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(&self.target)?;
        let length = file.metadata()?.len();
        let mut before = Vec::new();
        (&file).take(MAX_BYTES).read_to_end(&mut before)?;
        let wanted = content.len() as u64;
        let written = reserve(&file, wanted)
            .and_then(|()| file.write_all_at(content.as_bytes(), 0))
            .and_then(|()| file.set_len(wanted))
            .and_then(|()| file.sync_all());
        if written.is_err() {
            let _ = file.write_all_at(&before, 0);
            let _ = file.set_len(length).and_then(|()| file.sync_all());
        }
        written
    }

    /// Removes the file; one that cannot be removed becomes empty of state. Gives whether there was
    /// one.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`.
    pub fn remove(&self) -> Result<bool> {
        if self.exists() && self.is_fixed() {
            return self.write("{}\n").map(|()| true);
        }
        match fs::remove_file(&self.target) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(_) if self.existing().is_some_and(|found| found.is_file()) => {
                self.write("{}\n").map(|()| true)
            }
            Err(cause) => Err(unavailable("removed", &self.named, &cause).with_hint(REMEDY)),
        }
    }

    /// Where the lock of this state lies: beside it; of a file that others may see under another
    /// path, by device and inode in the user's folder for state.
    pub fn lock_file(&self, state_folder: Option<&Path>) -> Option<PathBuf> {
        let found = self.existing().filter(|_| self.is_fixed() || !can_make_files(self.folder()));
        if let Some(found) = found {
            return Some(state_folder?.join(format!(".file-{}-{}", found.dev(), found.ino())));
        }
        let mut name = self.target.file_name()?.to_string_lossy().into_owned();
        if name.len() > MAX_NAME {
            name = blake3::hash(name.as_bytes()).to_string();
        }
        Some(self.folder().join(format!(".{name}")))
    }
}

/// Why a file did not take the other's place.
enum Replaced {
    /// No file can, here.
    Impossible(io::Error),
    /// It could have.
    Failed(io::Error),
}

impl Replaced {
    fn of(cause: io::Error) -> Self {
        match cause.raw_os_error() {
            Some(libc::EBUSY | libc::EACCES | libc::EPERM | libc::EROFS | libc::EXDEV) => {
                Self::Impossible(cause)
            }
            _ => Self::Failed(cause),
        }
    }
}

fn can_make_files(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
        || !folder.exists()
}

/// Whether something is mounted on it.
fn is_mounted(path: &Path) -> bool {
    statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Takes the space for a file's new content.
fn reserve(file: &File, length: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, length.max(1)) {
        // not every file system can
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(cause) => Err(cause.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_are_followed_and_the_mode_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real/state.json");
        fs::create_dir(folder.path().join("real")).unwrap();
        symlink("real/state.json", folder.path().join("one")).unwrap();
        symlink("one", folder.path().join("two")).unwrap();
        let place = Place::at(&folder.path().join("two")).unwrap();
        assert_eq!(place.read().unwrap(), None);
        place.write("a").unwrap();
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&real, fs::Permissions::from_mode(0o664)).unwrap();
        let before = fs::metadata(&real).unwrap().ino();
        place.write("b").unwrap();
        let after = fs::metadata(&real).unwrap();
        assert_eq!(after.permissions().mode() & 0o777, 0o664);
        assert_ne!(after.ino(), before, "in one step");
        assert!(folder.path().join("two").is_symlink() && folder.path().join("one").is_symlink());
        assert_eq!(place.read().unwrap().as_deref(), Some("b"));
        assert_eq!(fs::read_dir(folder.path().join("real")).unwrap().count(), 1, "no temporary file is left");
        assert!(place.remove().unwrap() && !real.exists() && !place.remove().unwrap());
        symlink("round", folder.path().join("round")).unwrap();
        assert_eq!(Place::at(&folder.path().join("round")).unwrap_err().code, Code::StateUnavailable);
    }

    #[test]
    fn writing_where_it_stands_leaves_no_rest_and_keeps_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        fs::write(&path, "a long content of before").unwrap();
        let place = Place::at(&path).unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        for content in ["short", "another, and longer than the one of before was"] {
            place.write_in_place(content).unwrap();
            assert_eq!(place.read().unwrap().as_deref(), Some(content));
        }
        assert_eq!(fs::metadata(&path).unwrap().ino(), before);
    }

    #[test]
    fn what_cannot_be_a_state_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Place::at(&folder.path().join(name)).unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(folder.path().join("large"), vec![b' '; 1024 * 1024 + 1]).unwrap();
        fs::write(folder.path().join("bytes"), [0xFF]).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        rustix::fs::mkfifoat(CWD, folder.path().join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        for name in ["folder", "large", "bytes", "pipe"] {
            let error = at(name).read().unwrap_err();
            assert_eq!(error.code, Code::StateUnavailable);
            assert!(error.message.contains(name), "{}", error.message);
        }
        for name in ["folder", "pipe", "file/below"] {
            let error = at(name).try_out().unwrap_err();
            assert!(error.code == Code::StateUnavailable && error.hint.is_some(), "{name}");
        }
        assert!(at("folder").write("x").is_err() && at("file/below").write("x").is_err());
        at("a/b/c").try_out().unwrap();
        assert!(!folder.path().join("a").exists(), "nothing is made by trying");
    }
}
