//! Finding the connectors package (contract, section 11).

use std::path::{Path, PathBuf};

use crate::error::{Code, Result, RunnerError};
use crate::foreign::{read_text, refuse_depth};
use crate::host::Host;
use crate::manifest::{CONNECTORS_PACKAGE, PackageManifest};

/// A connectors package that was found.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its folder, with symlinks resolved.
    pub root: PathBuf,
    /// Its `package.json`.
    pub manifest: PackageManifest,
    /// Whether it is the reference package because no other was there.
    pub is_fallback: bool,
}

impl Package {
    /// Name and version, for messages.
    pub fn title(&self) -> String {
        let name = self.manifest.name.as_deref().unwrap_or("connectors package");
        let version = self.manifest.version.as_deref().unwrap_or("without version");
        format!("{name} {version}")
    }

    /// What a user should know when nothing but the reference package was there.
    pub fn fallback_notice(&self) -> Option<String> {
        self.is_fallback.then(|| {
            format!(
                "Using the reference package {}, since {CONNECTORS_PACKAGE} is not installed \
                 (connectorsPackage, --connectors or OWOX_CONNECTORS_PACKAGE names another)",
                self.title()
            )
        })
    }
}

/// Finds the package: the one that was named, or else `@owox/connectors` as seen from the host
/// program, from this package, from the current directory, or else the reference package.
///
/// # Errors
/// `CONNECTORS_NOT_FOUND` for a package that was named but is not there, or cannot be read.
pub fn locate(named: Option<&str>, host: &Host) -> Result<Package> {
    if let Some(named) = named.or_else(|| host.variable("OWOX_CONNECTORS_PACKAGE")) {
        let root = find_named(named, host).ok_or_else(|| {
            RunnerError::new(
                Code::ConnectorsNotFound,
                format!(
                    "the connectors package {named:?} was not found; name an installed npm package, or the \
                     folder of one (with a package.json in it)"
                ),
            )
        })?;
        return read(&root, false);
    }
    match starting_points(host).find_map(|start| in_node_modules(CONNECTORS_PACKAGE, start)) {
        Some(root) => read(&root, false),
        None => read(&host.reference_package(), true),
    }
}

fn starting_points(host: &Host) -> impl Iterator<Item = &Path> {
    [host.program_dir.as_deref(), Some(host.package_root.as_path()), Some(host.cwd.as_path())]
        .into_iter()
        .flatten()
}

fn find_named(named: &str, host: &Host) -> Option<PathBuf> {
    let looks_like_a_path = named.starts_with(['.', '/']);
    let installed = (!looks_like_a_path)
        .then(|| starting_points(host).find_map(|start| in_node_modules(named, start)))
        .flatten();
    let folder = host.absolute(named);
    installed.or_else(|| folder.join("package.json").is_file().then_some(folder))
}

/// Node's way of looking: `node_modules` of this folder and of each above it.
fn in_node_modules(name: &str, start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .map(|folder| folder.join("node_modules").join(name))
        .find(|folder| folder.join("package.json").is_file())
}

fn read(root: &Path, is_fallback: bool) -> Result<Package> {
    let unreadable = |path: &Path, cause: &dyn std::fmt::Display| {
        RunnerError::new(
            Code::ConnectorsNotFound,
            format!("failed to read {} of the connectors package: {cause}", path.display()),
        )
    };
    let root = std::fs::canonicalize(root).map_err(|cause| unreadable(root, &cause))?;
    let path = root.join("package.json");
    let text = read_text(&path).map_err(|cause| unreadable(&path, &cause))?;
    refuse_depth(text.as_bytes(), 0).map_err(|cause| unreadable(&path, &cause))?;
    let manifest = serde_json::from_str(text.trim_start_matches('\u{FEFF}'))
        .map_err(|cause| unreadable(&path, &cause))?;
    Ok(Package { root, manifest, is_fallback })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &Path, name: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("package.json"), format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}"))
            .unwrap();
    }

    fn name(found: &Package) -> &str {
        found.manifest.name.as_deref().unwrap()
    }

    #[test]
    fn the_documented_order() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let host = Host {
            cwd: at("cwd/deep"),
            package_root: at("runner"),
            program_dir: Some(at("host/bin")),
            ..Host::default()
        };
        package(&at("runner/packages/connectors"), "reference");
        let found = locate(None, &host).unwrap();
        assert!(found.is_fallback && found.fallback_notice().unwrap().contains("reference 1.0.0"));

        package(&at("cwd/node_modules/@owox/connectors"), "from-cwd");
        assert_eq!(name(&locate(None, &host).unwrap()), "from-cwd");
        package(&at("runner/node_modules/@owox/connectors"), "from-runner");
        assert_eq!(name(&locate(None, &host).unwrap()), "from-runner");
        package(&at("host/node_modules/@owox/connectors"), "from-host");
        let found = locate(None, &host).unwrap();
        assert_eq!((name(&found), found.is_fallback, found.fallback_notice()), ("from-host", false, None));

        package(&at("cwd/deep/mine"), "by-variable");
        let host = Host { variables: vec![("OWOX_CONNECTORS_PACKAGE".into(), "./mine".into())], ..host };
        assert_eq!(name(&locate(None, &host).unwrap()), "by-variable");
        assert_eq!(name(&locate(Some("mine"), &host).unwrap()), "by-variable");
        assert_eq!(name(&locate(Some("@owox/connectors"), &host).unwrap()), "from-host");
    }

    #[test]
    fn a_named_package_that_is_missing_or_broken_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let host =
            Host { cwd: root.path().to_owned(), package_root: root.path().to_owned(), ..Host::default() };
        for named in ["nope", "./nope", "@owox/connectors"] {
            let error = locate(Some(named), &host).unwrap_err();
            assert_eq!(error.code, Code::ConnectorsNotFound);
            assert!(error.message.contains(named));
        }
        std::fs::create_dir(root.path().join("broken")).unwrap();
        std::fs::write(root.path().join("broken/package.json"), "{").unwrap();
        assert!(locate(Some("./broken"), &host).unwrap_err().message.contains("package.json"));
    }
}
