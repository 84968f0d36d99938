//! Removing whole folders that foreign code has written.
//!
//! What is as small as a run's folder usually is goes at once. Anything else is left to the helper: a
//! process of its own, which outlives the host and holds the folder's lock until it has done its work.

use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::lock::FileLock;
use crate::host::Host;
use crate::removal;

/// Entries that the host itself removes.
const AT_ONCE: u64 = 512;

/// Removes folders.
#[derive(Debug, Clone, Default)]
pub struct Remover {
    /// The helper; empty where there is none, and then the host does it all.
    helper: PathBuf,
}

/// A removal that has begun.
#[derive(Debug)]
pub enum Removal {
    /// It is over: the folder is gone.
    Done,
    /// The helper is at work. Its pipe ends with it.
    Going(Child, PipeReader),
}

impl Remover {
    /// The remover of a host.
    pub fn of(host: &Host) -> Self {
        Self { helper: host.supervisor.clone() }
    }

    /// Removes a folder, however long that takes; one that is gone already is no error. Folders without
    /// permissions are opened up first. Symlinks are removed, never followed.
    ///
    /// # Errors
    /// What the system refused first; everything else is gone.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.begin(path, None)?.wait(None).map(drop)
    }

    /// Begins to remove a folder. Where the helper takes it over, it has the lock as well, and removes
    /// the lock's file at the end.
    ///
    /// # Errors
    /// As [`Remover::remove`].
    pub fn begin(&self, path: &Path, lock: Option<&FileLock>) -> io::Result<Removal> {
        if self.helper.as_os_str().is_empty() {
            return removal::remove(path).map(|()| Removal::Done);
        }
        // what fails here, such as for want of descriptors, the helper may be able to do
        if let Ok(true) = removal::remove_within(path, AT_ONCE) {
            return Ok(Removal::Done);
        }
        match self.hand_over(path, lock) {
            Ok((child, pipe)) => Ok(Removal::Going(child, pipe)),
            Err(_) => removal::remove(path).map(|()| Removal::Done),
        }
    }

    fn hand_over(&self, path: &Path, lock: Option<&FileLock>) -> io::Result<(Child, PipeReader)> {
        let held = lock.and_then(|lock| lock.descriptor().ok());
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.helper);
        command.arg("remove").arg(path);
        if let (Some(lock), Some(_)) = (lock, &held) {
            command.arg(lock.path());
        }
        let child = command
            .env_clear()
            .current_dir("/")
            .stdin(held.map_or_else(Stdio::null, Stdio::from))
            .stdout(OwnedFd::from(writer))
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok((child, reader))
    }
}

impl Removal {
    /// Waits until the folder is gone, or for so long. Gives whether it is; if not, the helper goes on.
    ///
    /// # Errors
    /// As [`Remover::remove`].
    pub fn wait(self, limit: Option<Duration>) -> io::Result<bool> {
        let Self::Going(mut child, pipe) = self else { return Ok(true) };
        if limit.is_some_and(|limit| !ends_within(&pipe, limit)) {
            leave(child);
            return Ok(false);
        }
        match child.wait()?.code() {
            Some(0) => Ok(true),
            Some(number) => Err(io::Error::from_raw_os_error(number)),
            None => Err(io::Error::other("the helper that removes it was killed")),
        }
    }

    /// Lets the helper go on alone.
    pub fn leave(self) {
        if let Self::Going(child, _) = self {
            leave(child);
        }
    }
}

/// Whether the writers of a pipe are gone in time.
fn ends_within(pipe: &PipeReader, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok();
        match rustix::event::poll(&mut [PollFd::new(pipe, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return false,
            Err(rustix::io::Errno::INTR) => {}
            _ => return true,
        }
    }
}

/// Takes the helper's exit status when it has one, so that it does not stay as a zombie.
fn leave(mut child: Child) {
    let _ = std::thread::Builder::new().spawn(move || child.wait());
}

/// A folder for temporary files of a process, removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    remover: Remover,
}

impl Scratch {
    /// Makes a folder in this one, mode 0700.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(parent: &Path, remover: Remover) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(".tmp-").tempdir_in(parent)?;
        Ok(Self { path: folder.keep(), remover })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // a run's folder is removed whole; and two that remove the same hinder each other
        if self.path.parent().is_some_and(|parent| super::folder::is_ours(parent.file_name())) {
            let _ = removal::remove_within(&self.path, AT_ONCE);
        } else if let Ok(removal) = self.remover.begin(&self.path, None) {
            removal.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, Mode, OFlags};

    use super::*;

    /// Makes a chain of folders, far deeper than a path or a stack; every tenth cannot be entered.
    fn deepen(top: &Path, levels: usize) {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut above = rustix::fs::openat(CWD, top, flags, Mode::empty()).unwrap();
        for level in 0..levels {
            let name = CString::new(if level % 7 == 0 { "x".repeat(200) } else { "d".into() }).unwrap();
            rustix::fs::mkdirat(&above, &name, Mode::RWXU).unwrap();
            let next = rustix::fs::openat(&above, &name, flags, Mode::empty()).unwrap();
            rustix::fs::openat(&next, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
            rustix::fs::symlinkat("/", &next, "link").unwrap();
            if level % 10 == 0 {
                rustix::fs::fchmod(&above, Mode::empty()).unwrap();
            }
            above = next;
        }
    }

    #[test]
    fn a_tree_deeper_than_any_path_goes() {
        let base = tempfile::tempdir().unwrap();
        let tree = base.path().join("tree");
        fs::create_dir(&tree).unwrap();
        deepen(&tree, 15_000);
        // a small stack, as threads of others may have
        let remove = move || removal::remove(&tree).map(|()| tree.exists());
        let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(remove).unwrap();
        assert!(!thread.join().unwrap().unwrap());
    }

    #[test]
    fn what_links_lead_to_stays_and_a_link_goes_itself() {
        let base = tempfile::tempdir().unwrap();
        let (outside, tree) = (base.path().join("outside"), base.path().join("tree"));
        fs::create_dir_all(outside.join("precious")).unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o500)).unwrap();
        fs::create_dir_all(tree.join("a/b/c/d/e/f/g/h/i")).unwrap();
        symlink(&outside, tree.join("a/b/c/d/e/f/g/h/i/link")).unwrap();
        symlink(&outside, base.path().join("link")).unwrap();
        let remover = Remover::default();
        for path in [&tree, &base.path().join("link"), &base.path().join("nothing"), &tree.join("x/y")] {
            remover.remove(path).unwrap();
        }
        assert!(outside.join("precious").exists() && !tree.exists());
        assert_eq!(fs::metadata(&outside).unwrap().permissions().mode() & 0o777, 0o500);
        assert!(base.path().join("link").symlink_metadata().is_err());
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn a_wide_and_deep_tree_goes_although_names_are_taken() {
        let base = tempfile::tempdir().unwrap();
        let tree = base.path().join("tree");
        for branch in 0..40 {
            let path = tree.join(format!("{branch}/1/2/3/4/5/6/7/8/9/10/11/12/{branch}"));
            fs::create_dir_all(&path).unwrap();
            for file in 0..40 {
                fs::write(path.join(file.to_string()), "").unwrap();
            }
        }
        assert!(!removal::remove_within(&tree, 100).unwrap() && tree.exists());
        assert!(removal::remove_within(&tree, 1_000_000).unwrap() && !tree.exists());
    }

    #[test]
    fn a_scratch_folder_goes_with_what_was_made_in_it() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(base.path(), Remover::default()).unwrap();
        let path = scratch.path().to_owned();
        deepen(&path, 3000);
        drop(scratch);
        assert!(!path.exists());
    }
}
