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

    /// Whether it is the reference package, which comes with the runner and is trusted like it.
    pub fn is_reference(&self, host: &Host) -> bool {
        std::fs::canonicalize(host.reference_package()).is_ok_and(|reference| reference == self.root)
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
        return read(&find_named(named, host)?, false);
    }
    match find_installed(CONNECTORS_PACKAGE, host) {
        Some(root) => read(&root, false),
        None => read(&host.reference_package(), true),
    }
}

fn find_named(named: &str, host: &Host) -> Result<PathBuf> {
    let looks_like_a_path = named.starts_with(['.', '/']);
    let installed = if looks_like_a_path { None } else { find_installed(named, host) };
    // without the dots, for messages
    let folder: PathBuf = host.absolute(named).components().collect();
    let found = installed.or_else(|| is_package(&folder).then(|| folder.clone()));
    found.ok_or_else(|| {
        let mut tried = Vec::new();
        if !looks_like_a_path {
            let starts = starting_points(host).map(|start| start.display().to_string());
            tried.push(format!(
                "node_modules of {} and of the folders above",
                starts.collect::<Vec<_>>().join(", ")
            ));
            tried.extend(global_folders(host).into_iter().map(|folder| folder.display().to_string()));
        }
        tried.push(format!("the folder {}", folder.display()));
        let remedy = if folder.is_file() {
            format!(
                "{named} is a file: install it if it is a packed package (npm install {named}), and name \
                 the package"
            )
        } else {
            "name an installed npm package, or the folder of one (with a package.json in it)".to_owned()
        };
        RunnerError::new(
            Code::ConnectorsNotFound,
            format!("the connectors package {named:?} was not found; {remedy}. Tried: {}", tried.join("; ")),
        )
    })
}

fn starting_points(host: &Host) -> impl Iterator<Item = &Path> {
    [host.program_dir.as_deref(), Some(host.package_root.as_path()), Some(host.cwd.as_path())]
        .into_iter()
        .flatten()
}

/// Node's way of looking from each starting point: `node_modules` of this folder and of each above
/// it, then the folders for all programs. These are the same for each, and so looked through once.
fn find_installed(name: &str, host: &Host) -> Option<PathBuf> {
    let mut global = Some(global_folders(host));
    starting_points(host).find_map(|start| {
        let beside = start.ancestors().map(|folder| folder.join("node_modules"));
        let all = beside.chain(global.take().into_iter().flatten());
        all.map(|folder| folder.join(name)).find(|folder| is_package(folder))
    })
}

/// Where Node looks for packages of every program: `NODE_PATH`, and the folders of old.
pub(super) fn global_folders(host: &Host) -> Vec<PathBuf> {
    let named = host.variable("NODE_PATH").unwrap_or_default().split(':');
    let mut folders: Vec<_> =
        named.filter(|folder| !folder.is_empty()).map(|folder| host.absolute(folder)).collect();
    if let Some(home) = host.variable("HOME") {
        folders.extend([".node_modules", ".node_libraries"].map(|name| Path::new(home).join(name)));
    }
    if let Some(prefix) = host.exec_path.parent().and_then(Path::parent) {
        folders.push(prefix.join("lib").join("node"));
    }
    folders
}

fn is_package(folder: &Path) -> bool {
    folder.join("package.json").is_file()
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
    fn the_folders_of_every_program_come_after_those_of_the_host_program() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let host = Host {
            cwd: at("cwd"),
            package_root: at("runner"),
            program_dir: Some(at("host")),
            exec_path: at("prefix/bin/node"),
            variables: vec![
                ("NODE_PATH".into(), format!(":{}:relative", at("shared").display())),
                ("HOME".into(), at("home").display().to_string()),
            ],
            ..Host::default()
        };
        let found = |name: &str| locate(Some(name), &host).unwrap().manifest.name.unwrap();
        let install = |folder: &str| package(&at(folder).join("p"), folder);
        install("runner/node_modules");
        for folder in [
            "prefix/lib/node",
            "home/.node_libraries",
            "home/.node_modules",
            "cwd/relative",
            "shared",
            "host/node_modules",
        ] {
            install(folder);
            assert_eq!(found("p"), folder);
        }
        package(&at("cwd/relative/@owox/connectors"), "by-NODE_PATH");
        assert_eq!(name(&locate(None, &host).unwrap()), "by-NODE_PATH");
    }

    #[test]
    fn the_error_says_what_was_tried() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path).display().to_string();
        let host = Host {
            cwd: root.path().join("cwd"),
            package_root: root.path().join("runner"),
            variables: vec![("NODE_PATH".into(), at("shared"))],
            ..Host::default()
        };
        let message = |named: &str| locate(Some(named), &host).unwrap_err().message;
        let by_name = message("nope");
        for part in [at("runner"), at("cwd"), at("shared"), at("cwd/nope")] {
            assert!(by_name.contains(&part), "{part} in {by_name}");
        }
        let by_path = message("./nope");
        assert!(by_path.ends_with(&format!("Tried: the folder {}", at("cwd/nope"))), "{by_path}");
        std::fs::create_dir(root.path().join("cwd")).unwrap();
        std::fs::write(root.path().join("cwd/p-1.0.0.tgz"), "").unwrap();
        assert!(message("./p-1.0.0.tgz").contains("npm install ./p-1.0.0.tgz"));
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
