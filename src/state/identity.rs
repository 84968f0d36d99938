//! Where a configuration's own state is: by its path as it was given, in the user's folder.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::host::Host;

/// The configuration that is read from standard input.
pub const STANDARD_INPUT: &str = "-";

/// Why a configuration has no state of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoState {
    /// It comes through a pipe or standard input, and what comes there next may be another.
    Stream,
    /// The user has no folder.
    NoHome,
}

impl NoState {
    /// In words, with what to do.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Stream => {
                "a configuration from standard input or a pipe has no state of its own; --state FILE gives it one"
            }
            Self::NoHome => {
                "there is no folder for state: neither XDG_STATE_HOME nor HOME is set, and the system's user \
                 database has no home of this user; --state FILE names a file"
            }
        }
    }
}

/// The user's folder for state: by the XDG base directories, else in the home that the system's
/// user database names, as for services that run without variables.
pub fn state_folder(host: &Host) -> Option<PathBuf> {
    let base = match host.variable("XDG_STATE_HOME") {
        // the convention has relative paths ignored
        Some(folder) if folder.starts_with('/') => PathBuf::from(folder),
        _ => {
            let home = host.variable("HOME").map(PathBuf::from).or_else(home_of_user)?;
            home.join(".local").join("state")
        }
    };
    Some(base.join("owox-connector-runner"))
}

/// The home of this process's user, where it is there.
fn home_of_user() -> Option<PathBuf> {
    let mut buffer = vec![0u8; 16 * 1024];
    let mut found = std::ptr::null_mut();
    // SAFETY: a struct of pointers and numbers, which the call fills
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let user = rustix::process::geteuid().as_raw();
    // SAFETY: all of them live until the call has returned, and the length is the buffer's
    let failed = unsafe {
        libc::getpwuid_r(user, &raw mut entry, buffer.as_mut_ptr().cast(), buffer.len(), &raw mut found)
    };
    if failed != 0 || found.is_null() || entry.pw_dir.is_null() {
        return None;
    }
    // SAFETY: a text that the call has ended with NUL, in the buffer
    let home = unsafe { CStr::from_ptr(entry.pw_dir) };
    let home = PathBuf::from(std::ffi::OsStr::from_bytes(home.to_bytes()));
    // of users without a home the database says /nonexistent, or /
    (home.is_absolute() && home != Path::new("/") && home.is_dir()).then_some(home)
}

/// The path of a configuration as it was given, made absolute. The shell's `PWD` counts where it is
/// the same folder: the current directory itself has its links resolved.
pub fn path_as_given(config: &str, host: &Host) -> PathBuf {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let shells = host.variable("PWD").map(Path::new).filter(|folder| {
        let is_plain = folder.is_absolute()
            && folder.components().all(|part| !matches!(part, Component::ParentDir | Component::CurDir));
        is_plain && identity(folder).is_some_and(|there| identity(&host.cwd) == Some(there))
    });
    clean(&shells.unwrap_or(&host.cwd).join(config))
}

/// A path without what does not change it. `..` goes where it leads by the text alone, that is,
/// behind what is no link.
pub fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(cleaned.components().next_back(), Some(Component::Normal(_)))
                    && !cleaned.is_symlink() =>
            {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}

/// The files of a configuration's own state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFile {
    /// Where it is.
    pub path: PathBuf,
    /// Where earlier versions had it: by the real path of the configuration.
    pub before: PathBuf,
}

/// The file of a configuration's own state.
///
/// # Errors
/// Why it has none.
pub fn own_file(config: &str, host: &Host) -> Result<OwnFile, NoState> {
    let given = path_as_given(config, host);
    let is_stream = config == STANDARD_INPUT
        || ["/dev", "/proc"].iter().any(|folder| given.starts_with(folder))
        || std::fs::metadata(&given).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if is_stream {
        return Err(NoState::Stream);
    }
    let folder = state_folder(host).ok_or(NoState::NoHome)?;
    let stem = given.file_stem().unwrap_or_default();
    let hash = blake3::hash(given.as_os_str().as_bytes());
    let real = std::fs::canonicalize(&given).unwrap_or_else(|_| given.clone());
    let before = Sha256::digest(real.as_os_str().as_bytes());
    Ok(OwnFile {
        path: folder.join(file_name(stem, hash.as_bytes())),
        before: folder.join(file_name(real.file_stem().unwrap_or_default(), &before)),
    })
}

/// Bytes of a stem that are kept, so that the name of the lock beside fits too.
const STEM: usize = 180;

fn file_name(stem: &std::ffi::OsStr, hash: &[u8]) -> String {
    let mut name = stem.to_string_lossy().into_owned();
    let end = (0..=name.len().min(STEM)).rev().find(|at| name.is_char_boundary(*at)).unwrap_or_default();
    name.truncate(end);
    name.push('-');
    for byte in &hash[..6] {
        let _ = write!(name, "{byte:02x}"); // a String takes everything
    }
    name + ".json"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn host(cwd: &Path, variables: &[(&str, &str)]) -> Host {
        Host {
            variables: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            cwd: cwd.to_owned(),
            ..Host::default()
        }
    }

    #[test]
    fn each_configuration_has_a_file_of_its_own_in_the_users_folder() {
        let at = |config: &str, variables: &[(&str, &str)]| {
            own_file(config, &host(Path::new("/nowhere"), variables)).unwrap().path
        };
        let home = &[("HOME", "/home/u")];
        let first = at("a/config.json", home);
        assert_eq!(first.parent().unwrap(), Path::new("/home/u/.local/state/owox-connector-runner"));
        assert!(first.file_name().unwrap().to_str().unwrap().starts_with("config-"));
        for same in ["/nowhere/a/config.json", "./a//config.json", "b/../a/config.json"] {
            assert_eq!(first, at(same, home), "{same}");
        }
        assert_ne!(first, at("b/config.json", home));
        assert!(at("x", &[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]).starts_with("/s"));
        assert!(at("x", &[("HOME", "/h"), ("XDG_STATE_HOME", "s")]).starts_with("/h"));
        assert!(at(&"x".repeat(250), home).file_name().unwrap().len() < 200);
    }

    // Point 2: `current → releases/2`, two links to one template, and a link as current folder.
    #[test]
    fn links_are_kept_and_pwd_counts_where_it_is_the_same_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        for name in ["1", "2", "other"] {
            std::fs::create_dir(root.join(name)).unwrap();
            std::fs::write(root.join(name).join("c.json"), "{}").unwrap();
        }
        symlink("1", root.join("current")).unwrap();
        let home = ("HOME", "/h");
        let absolute = root.join("current/c.json");
        let of = |config: &str, host: &Host| own_file(config, host).unwrap();
        let plain = host(&root, &[home]);
        let before = of("current/c.json", &plain);
        assert_ne!(before.path, of("1/c.json", &plain).path);
        // whoever stands behind the link: the system knows the real folder only
        let behind = root.join("current").display().to_string();
        assert_eq!(of("c.json", &host(&root.join("1"), &[home, ("PWD", &behind)])).path, before.path);
        for wrong in
            [root.join("other").display().to_string(), "current".to_owned(), format!("{behind}/../current")]
        {
            let there = host(&root.join("1"), &[home, ("PWD", &wrong)]);
            assert_eq!(of("c.json", &there).path, of("1/c.json", &plain).path, "{wrong}");
        }
        std::fs::remove_file(root.join("current")).unwrap();
        symlink("2", root.join("current")).unwrap();
        let after = of(absolute.to_str().unwrap(), &plain);
        assert_eq!(after.path, before.path);
        assert_ne!(after.before, before.before, "earlier versions lost it");
        symlink("1/c.json", root.join("one.json")).unwrap();
        symlink("1/c.json", root.join("two.json")).unwrap();
        let (one, two) = (of("one.json", &plain), of("two.json", &plain));
        assert_ne!(one.path, two.path);
        assert_eq!(one.before, two.before);
        // `..` behind a link is not where the text says
        assert_ne!(of("current/../c.json", &plain).path, of("c.json", &plain).path);
    }

    #[test]
    fn what_is_read_once_has_no_state() {
        let folder = tempfile::tempdir().unwrap();
        let host = host(folder.path(), &[("HOME", "/h")]);
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("pipe"), rustix::fs::Mode::RUSR).unwrap();
        for config in ["-", "/dev/stdin", "/dev/fd/63", "/proc/self/fd/0", "pipe"] {
            assert_eq!(own_file(config, &host), Err(NoState::Stream), "{config}");
        }
        assert!(own_file("./-", &host).is_ok() && own_file("missing.json", &host).is_ok());
    }
}
