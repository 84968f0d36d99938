//! Run directories: named from ids of any content, locked while a run lives, and deleted without
//! ever leaving their root.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::lock::{FileLock, Hold};
use super::tree::{Removal, Remover};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;

/// What every run directory's name starts with; nothing else is ever deleted.
const PREFIX: &str = "owox-run-";

/// How long a run waits for its directory to go. It may be as large and as deep as the connector has
/// made it, and a run with a time limit must end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Characters of the ids that stay readable in a name. A name may have 255 bytes in all.
const READABLE: usize = 48;

/// The folder that holds the runs' directories: the option, then `OWOX_RUNNER_RUNS_DIR`, then
/// the system's temporary folder. Created when missing.
///
/// # Errors
/// `INVALID_CONFIG` when it cannot be created or is no folder.
pub fn runs_root(option: Option<&str>, host: &Host) -> Result<PathBuf> {
    let root = match option.or_else(|| host.variable("OWOX_RUNNER_RUNS_DIR")) {
        Some(named) => host.absolute(named),
        None => host.temporary_folder(),
    };
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(&root);
    created.and_then(|()| fs::canonicalize(&root)).map_err(|cause| {
        RunnerError::new(
            Code::InvalidConfig,
            format!(
                "the folder for runs, {}, cannot be used: {cause}; name another one with the option runsDir \
                 or OWOX_RUNNER_RUNS_DIR",
                root.display()
            ),
        )
    })
}

/// What the file system refused of a run's directory; a full disk gets its remedy.
pub fn refused(action: &str, path: &Path, cause: &io::Error) -> RunnerError {
    let mut error = RunnerError::file(action, path, cause);
    if matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        error.message.push_str(
            "; free some space, or name another folder with runsDir, --runs-dir or OWOX_RUNNER_RUNS_DIR",
        );
    }
    error
}

/// A run's directory. It is locked, so that nobody takes it for left behind, and removed when
/// dropped unless [`RunFolder::keep`] was called.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// None where the file system has no locks.
    lock: Option<Lock>,
    remover: Remover,
}

impl RunFolder {
    /// Makes a new directory for these ids, mode 0700; equal ids at the same time get
    /// directories of their own.
    ///
    /// # Errors
    /// `INTERNAL` when the file system refuses.
    pub fn create(root: &Path, connector_id: &str, run_id: &str, remover: &Remover) -> Result<Self> {
        let failed = |cause: io::Error| refused("create a run's directory in", root, &cause);
        let (lock, path) = tempfile::Builder::new()
            .prefix(&name_prefix(connector_id, run_id))
            .rand_bytes(8)
            .make_in(root, |path| {
                // the lock comes first: a directory without its lock held looks abandoned
                let lock = match Lock::take(path) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Err(io::ErrorKind::AlreadyExists.into()); // another name is tried
                    }
                    taken => taken.ok(),
                };
                fs::DirBuilder::new().mode(0o700).create(path)?;
                Ok(lock)
            })
            .map_err(failed)?
            .keep()
            .map_err(|cause| failed(cause.error))?;
        Ok(Self { path, lock, remover: remover.clone() })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its lock, for the supervisor of what runs there: a killed host's run still uses the
    /// directory until it has been ended.
    pub fn descriptor(&self) -> Option<OwnedFd> {
        self.lock.as_ref().and_then(Lock::descriptor)
    }

    /// Lets the directory stay until [`cleanup`], and gives its path.
    pub fn keep(mut self) -> PathBuf {
        self.lock = None;
        std::mem::take(&mut self.path)
    }

    /// Locks a directory that was kept, for as long as a run lives in it. A directory that is
    /// not one of ours needs no lock: nothing here would ever delete it.
    pub fn hold(path: &Path) -> Option<Lock> {
        if !is_ours(path.file_name()) {
            return None;
        }
        Lock::take(path).ok()
    }

    /// Removes the directory. What takes long goes on without this process; then it says so.
    ///
    /// # Errors
    /// `INTERNAL`, naming the path that is left.
    pub fn remove(mut self) -> Result<Option<String>> {
        let path = std::mem::take(&mut self.path);
        let is_gone = remove(&path, self.lock.take(), &self.remover, Some(PATIENCE))?;
        Ok((!is_gone).then(|| {
            format!(
                "the run's directory {} is large, and was still being removed after {} s; that goes on in the \
                 background",
                path.display(),
                PATIENCE.as_secs()
            )
        }))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = remove(&self.path, self.lock.take(), &self.remover, Some(Duration::ZERO));
        }
    }
}

pub(super) const LOCK_SUFFIX: &str = ".lock";

/// The lock file of a run's directory, where it has one: beside it, and so nothing of its own.
pub fn lock_beside(directory: &Path) -> PathBuf {
    lock_path(directory)
}

/// Whether a path is in the directory of a run that is not this one.
pub fn is_in_other_run(path: &Path, directory: &Path) -> bool {
    !path.starts_with(directory) && path.ancestors().any(|folder| is_ours(folder.file_name()))
}

pub(super) fn lock_path(directory: &Path) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(LOCK_SUFFIX);
    PathBuf::from(name)
}

/// The lock of a run's directory: a file beside it, where the run cannot write. The kernel lets
/// go of it when the host dies; otherwise the file goes with the lock. So a lock file that can be
/// locked is what a dead host has left or nobody could remove, and a directory without one belongs to
/// its caller.
#[derive(Debug)]
pub struct Lock {
    file: FileLock,
    /// Whether the file stays: for a later sweep, or for whoever removes the directory.
    stays: bool,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> io::Result<Self> {
        let taken = FileLock::try_take(&lock_path(directory), Hold::Exclusive)?;
        let lock = taken.map(|file| Self { file, stays: false });
        lock.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// For a supervisor, which holds the lock as well; none where there are no descriptors left.
    pub fn descriptor(&self) -> Option<OwnedFd> {
        self.file.descriptor().ok()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.stays {
            self.file.unlink();
        }
    }
}

pub(super) fn is_ours(name: Option<&OsStr>) -> bool {
    name.and_then(OsStr::to_str).is_some_and(|name| name.starts_with(PREFIX) && !name.ends_with(LOCK_SUFFIX))
}

/// Deletes the directory of a run below `root`. A folder that the caller made elsewhere is the
/// caller's, and stays.
///
/// # Errors
/// `INTERNAL`, naming the path that is left.
pub fn discard(root: &Path, path: &Path, remover: &Remover) -> Result<()> {
    if path.parent() != Some(root) || !is_ours(path.file_name()) {
        return Ok(());
    }
    remove(path, Lock::take(path).ok(), remover, None).map(drop)
}

/// Deletes one run's directory and its lock; refuses anything that does not bear the name of one. Waits
/// at most for so long, and gives whether it is gone. The lock's file stays beside what could not be
/// removed, so that a later sweep finds it.
pub(super) fn remove(
    path: &Path,
    lock: Option<Lock>,
    remover: &Remover,
    patience: Option<Duration>,
) -> Result<bool> {
    if !is_ours(path.file_name()) {
        return Err(RunnerError::new(
            Code::Internal,
            format!("refused to delete {}, which is not a run's directory", path.display()),
        ));
    }
    super::release_lease(path);
    let mut lock = lock;
    let begun = remover.begin(path, lock.as_ref().map(|lock| &lock.file));
    if let (Some(lock), Err(_) | Ok(Removal::Going(..))) = (&mut lock, &begun) {
        lock.stays = true;
    }
    let ended = begun.and_then(|removal| removal.wait(patience));
    ended.map_err(|cause| RunnerError::file("remove", path, &cause))
}

/// The beginning of the names of a run's directories: readable, safe on every file system, and
/// different for different ids.
pub(super) fn name_prefix(connector_id: &str, run_id: &str) -> String {
    let readable: String = crate::context::unique_id(connector_id, run_id)
        .chars()
        .take(READABLE)
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '_' })
        .collect();
    format!("{PREFIX}{readable}-{}-", digest(&[connector_id, run_id]))
}

/// 16 hexadecimal digits that stand for these texts.
pub(super) fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    let first_half: [u8; 8] = std::array::from_fn({
        let hash = hash.finalize();
        move |index| hash[index]
    });
    format!("{:016x}", u64::from_be_bytes(first_half))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::leftovers::cleanup;
    use super::*;

    pub fn root() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    pub fn names(root: &Path) -> Vec<String> {
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn ids_of_any_content_make_safe_names_below_the_root() {
        let root = root();
        let long = "x".repeat(300);
        for id in ["..", "/", "../../etc", "a\0b", "a:b", "", ".", "üñ\u{202e}", "con", &long, "a\nb"] {
            let folder = RunFolder::create(root.path(), id, "r", &Remover::default()).unwrap();
            assert_eq!(folder.path().parent().unwrap(), root.path(), "{id:?}");
            let name = folder.path().file_name().unwrap().to_str().unwrap();
            assert!(
                name.len() < 200
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
                "{name}"
            );
            assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
            folder.remove().unwrap();
        }
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn equal_ids_have_directories_of_their_own_and_different_ids_different_names() {
        let root = root();
        let one = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap();
        let two = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap();
        assert_ne!(one.path(), two.path());
        // the readable parts are equal, the ids are not
        assert_ne!(name_prefix("a-b", "c"), name_prefix("a", "b-c"));
        assert_ne!(name_prefix("a/b", "c"), name_prefix("a_b", "c"));
    }

    #[test]
    fn nothing_outside_is_deleted() {
        let root = root();
        let outside = tempfile::tempdir().unwrap();
        let precious = outside.path().join("precious");
        fs::write(&precious, "x").unwrap();

        let folder = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap();
        symlink(outside.path(), folder.path().join("link")).unwrap();
        folder.remove().unwrap();
        assert!(precious.exists());

        // a symlink that bears the name of a run's directory
        let planted = root.path().join(format!("{}planted", name_prefix("a", "b")));
        symlink(outside.path(), &planted).unwrap();
        cleanup(root.path(), "a", "b", &Remover::default()).unwrap();
        assert!(precious.exists() && planted.symlink_metadata().is_ok());

        discard(root.path(), outside.path(), &Remover::default()).unwrap();
        discard(root.path(), &outside.path().join(planted.file_name().unwrap()), &Remover::default())
            .unwrap();
        assert!(
            remove(outside.path(), None, &Remover::default(), None).unwrap_err().message.contains("refused")
        );
        assert!(remove(Path::new("/"), None, &Remover::default(), None).is_err());
        assert!(precious.exists());
    }

    #[test]
    fn folders_without_permissions_are_removed() {
        let root = root();
        let folder = RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap();
        let closed = folder.path().join("closed/deep");
        fs::create_dir_all(&closed).unwrap();
        fs::write(closed.join("file"), "x").unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o0)).unwrap();
        fs::set_permissions(closed.parent().unwrap(), fs::Permissions::from_mode(0o0)).unwrap();
        folder.remove().unwrap();
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn what_takes_long_goes_on_in_the_helper_which_holds_the_lock() {
        use rustix::fs::{CWD, Mode, OFlags};
        let (root, tools) = (root(), root());
        let (fifo, program) = (tools.path().join("fifo"), tools.path().join("helper"));
        rustix::fs::mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
        let telling = rustix::fs::open(&fifo, OFlags::RDWR, Mode::empty()).unwrap();
        let script = format!("#!/bin/sh\nread line < {}\nrm -r \"$2\" \"$3\"\n", fifo.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let remover = Remover::of(&Host { supervisor: program, ..Host::default() });

        let mut folder = RunFolder::create(root.path(), "a", "b", &remover).unwrap();
        for number in 0..1000 {
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        let lock = folder.lock.take();
        let path = folder.keep();
        assert!(!remove(&path, lock, &remover, Some(Duration::ZERO)).unwrap());
        assert!(lock_path(&path).exists() && Lock::take(&path).is_err());
        super::super::leftovers::sweep(root.path(), &remover); // it is held
        assert!(path.exists());
        rustix::io::write(&telling, b"go on\n").unwrap();
        while !names(root.path()).is_empty() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_lock_stays_beside_what_could_not_be_removed() {
        let (root, tools) = (root(), root());
        let program = tools.path().join("helper");
        fs::write(&program, "#!/bin/sh\nexit 13\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let remover = Remover::of(&Host { supervisor: program, ..Host::default() });
        let folder = RunFolder::create(root.path(), "a", "b", &remover).unwrap();
        let path = folder.path().to_owned();
        for number in 0..1000 {
            fs::write(path.join(number.to_string()), "").unwrap();
        }
        let error = folder.remove().unwrap_err();
        assert!(error.message.contains("ermission denied"), "{}", error.message);
        assert!(path.exists() && lock_path(&path).exists());
        super::super::leftovers::sweep(root.path(), &Remover::default());
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn a_folder_that_is_dropped_goes() {
        let root = root();
        drop(RunFolder::create(root.path(), "a", "b", &Remover::default()).unwrap());
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn the_root_comes_from_option_variable_or_system() {
        let base = root();
        let base = fs::canonicalize(base.path()).unwrap();
        let host = Host {
            cwd: base.clone(),
            variables: vec![("TMPDIR".into(), base.join("tmp").display().to_string())],
            ..Host::default()
        };
        assert_eq!(runs_root(None, &host).unwrap(), base.join("tmp"));
        let mut with_variable = host.clone();
        with_variable.variables.push(("OWOX_RUNNER_RUNS_DIR".into(), "by-variable".into()));
        assert_eq!(runs_root(None, &with_variable).unwrap(), base.join("by-variable"));
        assert_eq!(runs_root(Some("by-option/deep"), &with_variable).unwrap(), base.join("by-option/deep"));
        fs::write(base.join("file"), "").unwrap();
        assert_eq!(runs_root(Some("file"), &host).unwrap_err().code, Code::InvalidConfig);
    }
}
