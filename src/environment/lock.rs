//! File locks that the kernel lets go of when their holder dies.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Together with others that hold it so.
    Shared,
    /// Alone.
    Exclusive,
}

/// A lock that is held until it is dropped. Its file stays unless [`FileLock::remove`] is called.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock, or gives `None` where another holds it.
    ///
    /// # Errors
    /// When the file cannot be made, or its file system has no locks.
    pub fn try_take(path: &Path, hold: Hold) -> io::Result<Option<Self>> {
        for _ in 0..3 {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(path)?;
            let taken = match hold {
                Hold::Shared => file.try_lock_shared(),
                Hold::Exclusive => file.try_lock(),
            };
            match taken {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // whoever held it may have removed the file between our two steps
            if fs::symlink_metadata(path).is_ok_and(|there| {
                file.metadata().is_ok_and(|ours| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
            }) {
                return Ok(Some(Self { file, path: path.to_owned() }));
            }
        }
        Ok(None)
    }

    /// The same lock, held together with others from now on.
    ///
    /// # Errors
    /// When the system refuses, or another took the lock in between.
    pub fn share(self) -> io::Result<Self> {
        match self.file.try_lock_shared() {
            Ok(()) => Ok(self),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Another descriptor of the lock: it stays taken until this is closed as well.
    ///
    /// # Errors
    /// When no more descriptors can be had.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves a note in the file for those who wait, such as who holds it.
    pub fn write_note(&mut self, note: &str) {
        // a note is a help, and the lock is held without it too
        let _ = self.file.set_len(0).and_then(|()| self.file.rewind());
        let _ = self.file.write_all(note.as_bytes());
    }

    /// The note of whoever holds the lock at this path.
    pub fn read_note(path: &Path) -> String {
        let mut note = String::new();
        if let Ok(file) = File::open(path) {
            let _ = file.take(1024).read_to_string(&mut note);
        }
        note
    }

    /// Removes the file, then lets go: whoever opened it meanwhile notices and makes a new one.
    pub fn remove(self) {
        self.unlink();
    }

    /// Removes the file and goes on holding it, for a holder that is being dropped.
    pub fn unlink(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_holders_keep_an_exclusive_one_out_and_the_other_way_round() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let take = |hold| FileLock::try_take(&path, hold).unwrap();
        let (one, two) = (take(Hold::Shared), take(Hold::Shared));
        assert!(one.is_some() && two.is_some() && take(Hold::Exclusive).is_none());
        drop((one, two));
        let mut alone = take(Hold::Exclusive).unwrap();
        assert!(take(Hold::Shared).is_none());
        alone.write_note("somebody");
        assert_eq!(FileLock::read_note(&path), "somebody");
        let shared = alone.share().unwrap();
        assert!(take(Hold::Shared).is_some() && take(Hold::Exclusive).is_none());
        // whoever has only a descriptor of it holds it too
        let descriptor = shared.descriptor().unwrap();
        drop(shared);
        assert!(take(Hold::Exclusive).is_none());
        drop(descriptor);
        take(Hold::Exclusive).unwrap().remove();
        assert!(!path.exists() && take(Hold::Exclusive).is_some());
    }

    #[test]
    fn a_symlink_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let path = folder.path().join("lock");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(FileLock::try_take(&path, Hold::Exclusive).is_err() && !target.exists());
    }
}
