//! Where the store is (contract, section 11).

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::{Code, Result, RunnerError};
use crate::host::Host;

/// Name of the folder below the user's cache folder.
const NAME: &str = "owox-connector-runner";

/// The store's folder: the option, then `OWOX_RUNNER_STORE`, then the user's cache folder. Where
/// the user has none that can be written, a folder of this user's below the system's temporary one.
///
/// # Errors
/// `INVALID_CONFIG` when another user could write there.
pub fn store_root(option: Option<&str>, host: &Host) -> Result<PathBuf> {
    if let Some(named) = option.or_else(|| host.variable("OWOX_RUNNER_STORE")) {
        return Ok(host.absolute(named));
    }
    let cache = match (host.variable("XDG_CACHE_HOME"), host.variable("HOME")) {
        (Some(cache), _) if Path::new(cache).is_absolute() => Some(PathBuf::from(cache)),
        (_, Some(home)) if Path::new(home).is_absolute() => Some(Path::new(home).join(".cache")),
        _ => None,
    };
    if let Some(cache) = cache {
        let store = cache.join(NAME);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&store);
        if made.is_ok() && rustix::fs::access(&store, rustix::fs::Access::WRITE_OK).is_ok() {
            return Ok(store);
        }
    }
    let user = rustix::process::geteuid().as_raw();
    let store = host.temporary_folder().join(format!("{NAME}-{user}"));
    let _ = fs::DirBuilder::new().mode(0o700).create(&store);
    let is_private = fs::symlink_metadata(&store)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o022 == 0);
    if is_private {
        return Ok(store);
    }
    Err(RunnerError::new(
        Code::InvalidConfig,
        format!(
            "there is no folder for the store: neither the user's cache folder nor {} can be used; name one with \
             storeDir, --store or OWOX_RUNNER_STORE",
            store.display()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn option_variable_cache_and_temporary_folder_in_this_order() {
        let base = tempfile::tempdir().unwrap();
        let path = |name: &str| base.path().join(name);
        let mut host = Host {
            cwd: base.path().to_owned(),
            variables: vec![("TMPDIR".into(), base.path().display().to_string())],
            ..Host::default()
        };
        let user = rustix::process::geteuid().as_raw();
        let fallback = path(&format!("{NAME}-{user}"));
        assert_eq!(store_root(None, &host).unwrap(), fallback);
        fs::set_permissions(&fallback, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(store_root(None, &host).unwrap_err().code, Code::InvalidConfig);
        host.variables.push(("HOME".into(), path("home").display().to_string()));
        assert_eq!(store_root(None, &host).unwrap(), path("home/.cache").join(NAME));
        host.variables.push(("XDG_CACHE_HOME".into(), path("cache").display().to_string()));
        assert_eq!(store_root(None, &host).unwrap(), path("cache").join(NAME));
        host.variables.push(("OWOX_RUNNER_STORE".into(), "by-variable".into()));
        assert_eq!(store_root(None, &host).unwrap(), path("by-variable"));
        assert_eq!(store_root(Some("by-option"), &host).unwrap(), path("by-option"));
    }
}
