//! Where a report goes: a regular file, replaced in one step.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Code, Result, RunnerError};

/// What could not be done, in the warning of a run whose report is not there.
pub const UNWRITTEN: &str = "write the report";

/// The file of a report. It is never opened: a new file (mode 0600) takes its place. So nothing is
/// followed, waited for, or read.
#[derive(Debug)]
pub struct Target(PathBuf);

impl Target {
    /// A path at which a report can be written. Tried before the run, which may take long.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a folder, a link, a FIFO, a device, or a folder that is missing or
    /// refuses new files.
    pub fn check(path: PathBuf) -> Result<Self> {
        let target = Self(path);
        let invalid = |cause: String| {
            let message = format!("option report: {} {cause}", target.0.display());
            Err(RunnerError::new(Code::InvalidConfig, message))
        };
        if let Some(what) = occupant(&target.0) {
            return invalid(format!("is {what}; name a regular file, or one that is not there yet"));
        }
        if target.0.file_name().is_none() {
            return invalid("names no file".to_owned());
        }
        match NamedTempFile::new_in(target.folder()) {
            Ok(_) => Ok(target),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                invalid("is in a folder that does not exist; make the folder first".to_owned())
            }
            Err(cause) => invalid(format!("cannot be written: {cause}")),
        }
    }

    /// Where it is written.
    pub fn path(&self) -> String {
        self.0.display().to_string()
    }

    /// Writes the report.
    ///
    /// # Errors
    /// `INTERNAL`, with the reason.
    pub fn write(&self, page: &str) -> Result<()> {
        let failed = |cause: &dyn std::fmt::Display| RunnerError::file(UNWRITTEN, &self.0, &cause);
        let mut file = NamedTempFile::new_in(self.folder()).map_err(|cause| failed(&cause))?;
        file.write_all(page.as_bytes()).map_err(|cause| failed(&cause))?;
        // what has come there meanwhile was put there by somebody who wants it
        if let Some(what) = occupant(&self.0) {
            return Err(failed(&format!("it has become {what}")));
        }
        file.persist(&self.0).map_err(|cause| failed(&cause.error))?;
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

/// What is at a path, where that is no regular file.
fn occupant(path: &Path) -> Option<&'static str> {
    let kind = fs::symlink_metadata(path).ok()?.file_type();
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_symlink() => Some("a symbolic link"),
        kind if kind.is_dir() => Some("a folder"),
        kind if kind.is_fifo() => Some("a FIFO"),
        kind if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_in_one_step_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.html");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let old = fs::File::open(&path).unwrap();
        let target = Target::check(path.clone()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old", "nothing is written before the end");
        target.write("new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o600);
        assert_ne!(old.metadata().unwrap().ino(), metadata.ino(), "readers keep the old one");
        assert_eq!(names(folder.path()), ["run.html"]);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("precious"), "kept").unwrap();
        symlink(at("precious"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        let fifo = std::ffi::CString::new(at("fifo").into_os_string().into_encoded_bytes()).unwrap();
        // SAFETY: the path is a C string that lives as long as the call.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (path, what) in [
            (at("link"), "a symbolic link"),
            (at("dangling"), "a symbolic link"),
            (at("folder"), "a folder"),
            (at("fifo"), "a FIFO"),
            (at("socket"), "a socket"),
            (PathBuf::from("/dev/null"), "a device"),
            (PathBuf::from("/dev/full"), "a device"),
            (at("missing/run.html"), "does not exist"),
            (at("precious/run.html"), "cannot be written"),
            (PathBuf::from("/"), "a folder"),
        ] {
            let error = Target::check(path.clone()).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.message.contains(what) && error.message.contains("report"), "{}", error.message);
        }
        // it comes there while the run goes on
        let target = Target::check(at("later")).unwrap();
        symlink(at("precious"), at("later")).unwrap();
        assert!(target.write("page").unwrap_err().message.contains("a symbolic link"));
        assert_eq!(fs::read_to_string(at("precious")).unwrap(), "kept");
        assert_eq!(
            names(folder.path()),
            ["dangling", "fifo", "folder", "later", "link", "precious", "socket"],
            "no temporary file is left"
        );
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge");
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap(); // sparse
        Target::check(path.clone()).unwrap().write("page").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 4);
    }
}
