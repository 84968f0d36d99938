//! Removing a folder with all that is in it, whatever a process has made of it: too deep for a path
//! and for a stack, without permissions, of any size.
//!
//! Nothing recurses and nothing is collected. Folders are opened one from another, never through a
//! symlink and never on another file system, and few at a time: one that lies deeper is moved up to
//! the top, where its turn comes later.

use std::ffi::{CStr, CString};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Levels of folders that are open at a time, the removed folder itself included.
const OPEN: usize = 6;

/// The same where folders cannot be moved, such as those of an image's layers.
const OPEN_UNMOVED: usize = 256;

/// Names that are tried for a folder that is moved up.
const NAMES: usize = 1000;

/// Removes a folder and what is in it; one that is gone already is no error, and a symlink goes
/// itself. Folders without permissions are opened up first.
///
/// # Errors
/// The first that the system refused; everything else is gone.
pub fn remove(path: &Path) -> io::Result<()> {
    remove_within(path, u64::MAX).map(drop)
}

/// The same, but stops after so many entries. Gives whether the folder is gone.
///
/// # Errors
/// As [`remove`].
pub fn remove_within(path: &Path, entries: u64) -> io::Result<bool> {
    let name = path.file_name().and_then(|name| CString::new(name.as_bytes()).ok());
    let (Some(parent), Some(name)) = (path.parent(), name) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match rustix::fs::openat(CWD, parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(true),
        opened => opened?,
    };
    match rustix::fs::unlinkat(&parent, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let top = match open_folder(parent.as_fd(), &name) {
        Err(Errno::NOENT) => return Ok(true),
        opened => opened?,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut removal = Removal {
        device: rustix::fs::fstat(&top)?.st_dev,
        levels: vec![Level::new(top, name)?],
        parent,
        entries,
        next_name: now.as_nanos(),
        failure: None,
    };
    removal.run()
}

/// A folder that is being emptied.
struct Level {
    entries: Dir,
    /// Its name in the level above.
    name: CString,
    /// Whether anything has gone from it since its entries were read from the beginning.
    has_changed: bool,
}

impl Level {
    fn new(folder: OwnedFd, name: CString) -> Result<Self, Errno> {
        Ok(Self { entries: Dir::new(folder)?, name, has_changed: false })
    }
}

struct Removal {
    /// The folder that has the removed one.
    parent: OwnedFd,
    /// From the removed folder downwards; empty when that is gone, or cannot go.
    levels: Vec<Level>,
    device: rustix::fs::Dev,
    /// How many entries may still go.
    entries: u64,
    next_name: u128,
    /// What went wrong first.
    failure: Option<Errno>,
}

impl Removal {
    fn run(&mut self) -> io::Result<bool> {
        while let Some(level) = self.levels.last_mut() {
            if self.entries == 0 {
                return Ok(false);
            }
            match level.entries.read() {
                Some(Ok(entry)) if [c".", c".."].contains(&entry.file_name()) => {}
                Some(Ok(entry)) => {
                    self.entries -= 1;
                    if let Err(error) = self.take(entry.file_name(), entry.file_type()) {
                        self.failure.get_or_insert(error);
                    }
                }
                Some(Err(error)) => {
                    self.failure.get_or_insert(error);
                    self.leave();
                }
                None => self.leave(),
            }
        }
        self.failure.take().map_or(Ok(true), |error| Err(error.into()))
    }

    /// Removes an entry of the deepest level, or goes on in it.
    fn take(&mut self, name: &CStr, kind: FileType) -> Result<(), Errno> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if kind != FileType::Directory {
            match rustix::fs::unlinkat(level.entries.fd()?, name, AtFlags::empty()) {
                Ok(()) => {
                    level.has_changed = true;
                    return Ok(());
                }
                Err(Errno::NOENT) => return Ok(()),
                Err(Errno::ISDIR) => {}
                Err(error) => return Err(error),
            }
        }
        let folder = match open_folder(level.entries.fd()?, name) {
            Err(Errno::NOENT) => return Ok(()),
            // it can be moved without being open
            Err(Errno::MFILE | Errno::NFILE) if self.levels.len() > 1 => return self.move_up(name),
            opened => opened?,
        };
        if rustix::fs::fstat(&folder)?.st_dev != self.device {
            return Err(Errno::XDEV);
        }
        if self.levels.len() >= OPEN {
            match self.move_up(name) {
                Ok(()) => return Ok(()),
                Err(_) if self.levels.len() < OPEN_UNMOVED => {}
                Err(error) => return Err(error),
            }
        }
        self.levels.push(Level::new(folder, name.to_owned())?);
        Ok(())
    }

    /// Moves a folder of the deepest level into the removed one.
    fn move_up(&mut self, name: &CStr) -> Result<(), Errno> {
        for _ in 0..NAMES {
            self.next_name += 1;
            let new_name = format!(".removed-{}", self.next_name);
            let [top, .., level] = self.levels.as_mut_slice() else { return Err(Errno::INVAL) };
            match rustix::fs::renameat(level.entries.fd()?, name, top.entries.fd()?, new_name) {
                Ok(()) => {
                    (top.has_changed, level.has_changed) = (true, true);
                    return Ok(());
                }
                // somebody has one of that name
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EXIST)
    }

    /// Removes the deepest level, whose entries have all been read.
    fn leave(&mut self) {
        let Some(mut level) = self.levels.pop() else { return };
        let above = match self.levels.last() {
            Some(above) => above.entries.fd(),
            None => Ok(self.parent.as_fd()),
        };
        let removed = above.and_then(|above| rustix::fs::unlinkat(above, &level.name, AtFlags::REMOVEDIR));
        match removed {
            Ok(()) | Err(Errno::NOENT) => {
                if let Some(above) = self.levels.last_mut() {
                    above.has_changed = true;
                }
                if self.levels.is_empty() {
                    self.failure = None;
                }
            }
            // some have come, or were passed over, which reading allows while entries go
            Err(Errno::NOTEMPTY | Errno::EXIST) if level.has_changed => {
                level.has_changed = false;
                level.entries.rewind();
                self.levels.push(level);
            }
            Err(error) => drop(self.failure.get_or_insert(error)),
        }
    }
}

/// Opens a folder, which must be one itself, with all rights of its owner.
fn open_folder(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            make_accessible(parent, name)?;
            rustix::fs::openat(parent, name, flags, Mode::empty())?
        }
        opened => opened?,
    };
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        // where it is refused, so is what comes next
        let _ = rustix::fs::fchmod(&opened, mode | Mode::RWXU);
    }
    Ok(opened)
}

/// Gives the owner access to a folder that cannot be opened, by a descriptor that needs none.
fn make_accessible(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let by_number = format!("/proc/self/fd/{}", found.as_raw_fd());
    if std::fs::set_permissions(by_number, Permissions::from_mode(0o700)).is_ok() {
        return Ok(());
    }
    // without /proc: it was a folder a moment ago, and those who could replace it are gone
    rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())
}
