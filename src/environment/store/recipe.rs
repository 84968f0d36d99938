//! Everything that can change what an environment contains, and the key that stands for it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::content::Content;
use super::hex;
use crate::connectors::Package;
use crate::environment::packlist::Plain;
use crate::environment::project::Project;
use crate::environment::provided::Provided;
use crate::manifest::{CONNECTORS_PACKAGE, Dependency, connectors_dependency, package_json};
use crate::specifier::AllowedOrigins;

/// Name of every environment's own `package.json`.
const NAME: &str = "environment";

/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 16;

/// Begins the digest of what a connectors package asks for, where its files do not matter.
const ASKS: &str = "asks:";

/// Stands for the connectors package of a shared environment.
const SHARED_TITLE: &str = "shared packages";

/// What an environment is made of. npm's major version belongs to it too, but is looked up apart:
/// an environment that is there is used also where npm is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// npm packages and what was asked of them, as in `package.json`.
    pub dependencies: Value,
    /// Name and version of the connectors package, for people.
    pub connectors: String,
    /// Digest of the connectors package's files.
    pub connectors_digest: String,
    /// `linux-x64-gnu` and the like.
    pub platform: String,
    /// `process.versions.modules` of the node that runs connectors: native addons fit one of them.
    pub node_abi: String,
    /// Packages whose install scripts run.
    pub scripts: Vec<String>,
    /// What packages may come from beside the registry: who does not allow it does not get it.
    pub specs: Vec<String>,
    /// Digest of the lockfile that pins versions, where there is one.
    pub lockfile: Option<String>,
    /// Modules that are the runner's own, and digests of what they consist of.
    #[serde(default)]
    pub provided: Vec<String>,
    /// Registries that the project names, without logins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<String>,
}

/// What an environment is wanted for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The connectors package.
    pub package: &'a Package,
    /// What the connectors package and its storage ask for.
    pub dependencies: &'a [Dependency],
    /// The `node` that will run.
    pub node: &'a Path,
    /// Its `process.versions.modules`.
    pub node_abi: &'a str,
    /// Packages whose install scripts run.
    pub scripts: &'a [String],
    /// What packages may come from beside the registry.
    pub specs: &'a AllowedOrigins,
    /// Whether npm may do all that its user may. It changes nothing of what is installed.
    pub free_install: bool,
    /// Text of a lockfile that pins versions.
    pub lockfile: Option<&'a str>,
    /// What takes the place of originals.
    pub provided: &'a Provided,
    /// What the project says of registries.
    pub project: &'a Project,
    /// Whether the registry is asked for versions, also where npm's cache knows some. It changes only
    /// how new they are.
    pub is_fresh: bool,
}

impl Recipe {
    /// The recipe for a package with this content.
    pub fn of(wanted: &Wanted<'_>, content: &Content) -> Self {
        let mut dependencies = package_json("", &[], wanted.dependencies)["dependencies"].take();
        // where the package lies changes nothing, what is in it does
        dependencies[CONNECTORS_PACKAGE] = "file:".into();
        let mut scripts = wanted.scripts.to_vec();
        scripts.sort_unstable();
        scripts.dedup();
        Self {
            dependencies,
            connectors: wanted.package.title(),
            connectors_digest: content.digest.clone(),
            platform: platform(),
            node_abi: wanted.node_abi.to_owned(),
            scripts,
            specs: wanted.specs.names(),
            lockfile: wanted.lockfile.map(|text| hex(&Sha256::digest(text))),
            provided: wanted.provided.marks(),
            registries: wanted.project.registries().to_vec(),
        }
    }

    /// The recipe for all packages but the connectors package, whose files do not matter then.
    #[must_use]
    pub fn shared(&self, plain: &Plain) -> Self {
        let connectors_digest = format!("{ASKS}{}", hex(&Sha256::digest(&plain.asks)));
        Self { connectors: SHARED_TITLE.to_owned(), connectors_digest, ..self.clone() }
    }

    /// Whether it is one of [`Recipe::shared`].
    pub fn is_shared(&self) -> bool {
        self.connectors_digest.starts_with(ASKS)
    }

    /// 16 hexadecimal digits that stand for all of it.
    pub fn key(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let mut digits = hex(&Sha256::digest(text));
        digits.truncate(KEY_DIGITS);
        digits
    }

    /// The `package.json` that npm installs from, with the connectors package at this place.
    pub fn package_json(&self, connectors_root: &Path) -> Value {
        let mut dependencies = self.dependencies.clone();
        dependencies[CONNECTORS_PACKAGE] = connectors_dependency(connectors_root).version.into();
        serde_json::json!({ "name": NAME, "private": true, "dependencies": dependencies })
    }
}

/// Where an environment fits: system, processor, C library.
pub fn platform() -> String {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{}-{}-{libc}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> (tempfile::TempDir, Package) {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("package.json"), r#"{"name":"p","version":"1.0.0"}"#).unwrap();
        let manifest = serde_json::from_str(r#"{"name":"p","version":"1.0.0"}"#).unwrap();
        let package = Package { root: root.path().to_owned(), manifest, is_fallback: false };
        (root, package)
    }

    fn dependency(version: &str) -> Dependency {
        serde_json::from_value(serde_json::json!({ "name": "a", "version": version })).unwrap()
    }

    #[test]
    fn everything_that_can_change_the_result_changes_the_key() {
        let (_root, package) = package();
        let (one, two) = ([dependency("^1")], [dependency("^2")]);
        let scripts = ["b".to_owned()];
        let base = Wanted {
            package: &package,
            dependencies: &one,
            node: Path::new(""),
            node_abi: "115",
            scripts: &[],
            specs: &AllowedOrigins::default(),
            free_install: false,
            lockfile: None,
            is_fresh: false,
            provided: &Provided::default(),
            project: &Project::default(),
        };
        let without = crate::host::Host {
            variables: vec![("OWOX_RUNNER_ORIGINALS".into(), "sync-request".into())],
            ..Default::default()
        };
        let url = AllowedOrigins::from_names(&["url".into()]).unwrap();
        let key = |wanted: &Wanted<'_>| {
            let content = Content::of(&wanted.package.root, None).unwrap();
            Recipe::of(wanted, &content).key()
        };
        let mut keys = vec![
            key(&base),
            key(&Wanted { dependencies: &two, ..base }),
            key(&Wanted { node_abi: "127", ..base }),
            key(&Wanted { scripts: &scripts, ..base }),
            key(&Wanted { specs: &url, ..base }),
            key(&Wanted { lockfile: Some("{}"), ..base }),
            key(&Wanted { provided: &Provided::by(&without), ..base }),
        ];
        std::fs::write(package.root.join("index.js"), "1").unwrap();
        keys.push(key(&base));
        assert!(keys.iter().all(|key| key.len() == KEY_DIGITS));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 8);
    }

    #[test]
    fn where_the_package_lies_does_not_change_the_key() {
        let (_one, package_one) = package();
        let (_two, package_two) = package();
        let key = |package: &Package| {
            let dependencies = [connectors_dependency(&package.root), dependency("1")];
            let wanted = Wanted {
                package,
                dependencies: &dependencies,
                node: Path::new(""),
                node_abi: "",
                scripts: &[],
                specs: &AllowedOrigins::default(),
                free_install: false,
                lockfile: None,
                is_fresh: false,
                provided: &Provided::default(),
                project: &Project::default(),
            };
            Recipe::of(&wanted, &Content::of(&package.root, None).unwrap()).key()
        };
        assert_eq!(key(&package_one), key(&package_two));
    }
}
