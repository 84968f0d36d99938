//! Which sources and storages a connectors package has, and what their manifests say.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Package;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::isolation::for_helper;
use crate::manifest::{CONNECTORS_PACKAGE, Dependency};
use crate::process::{self, EnvPolicy, Start, Supervision};
use crate::suggest::nearest;

const SCRIPT: &str = include_str!("catalog.js");

/// Longest time a package may take to load.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// What a connectors package has.
#[derive(Debug, Default, Deserialize)]
pub struct Catalog {
    #[serde(default)]
    error: Option<String>,
    /// Sources by name; the manifest is optional.
    #[serde(default)]
    pub sources: Manifests,
    /// Storages by name.
    #[serde(default)]
    pub storages: Manifests,
}

/// Manifests by name, unread: an odd one concerns its own source or storage only.
pub type Manifests = BTreeMap<String, Option<Box<RawValue>>>;

/// The parameters of a source or storage; none where its manifest has none or is odd.
pub fn parameters(manifests: &Manifests, name: &str) -> BTreeMap<String, Parameter> {
    let raw = manifests.get(name).and_then(Option::as_ref);
    raw.and_then(|raw| serde_json::from_str::<Manifest>(raw.get()).ok())
        .and_then(|manifest| manifest.parameters)
        .unwrap_or_default()
}

/// The parameters of a manifest: an extension that the reference package uses.
#[derive(Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    parameters: Option<BTreeMap<String, Parameter>>,
}

/// The environments of a storage's manifest.
#[derive(Default, Deserialize)]
struct StorageManifest {
    #[serde(default)]
    environment: Option<Environments>,
}

/// One parameter of a manifest (packages/connectors/README.md).
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// `string`, `number`, `boolean`, `date`, `object` or `array`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a run needs it.
    #[serde(default)]
    pub required: bool,
    /// Whether its value must not be shown: anything but `false`, so that a slip hides too much.
    #[serde(default, deserialize_with = "is_not_false")]
    pub secret: bool,
    /// What it is where it is left out, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Box<RawValue>>,
    /// Smallest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Choices between groups of parameters.
    #[serde(default, deserialize_with = "choices", skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<Choice>,
    /// `path` for a file or folder of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What a run does with the path: `write` grants its folder to be written, anything else the
    /// file to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

/// The names of the parameters that are marked as secret, those of choices included.
pub fn secret_names(parameters: &BTreeMap<String, Parameter>) -> Vec<String> {
    let mut names = Vec::new();
    for (name, parameter) in parameters {
        if parameter.secret {
            names.push(name.clone());
        }
        for choice in &parameter.one_of {
            names.extend(secret_names(&choice.items));
        }
    }
    names
}

fn is_not_false<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    let raw = Box::<RawValue>::deserialize(value)?;
    Ok(!matches!(raw.get(), "false" | "null"))
}

/// The choices; none where they are not as expected, so that the rest of the parameter still counts.
fn choices<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<Choice>, D::Error> {
    let raw = Box::<RawValue>::deserialize(value)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// One choice of a one-of.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Choice {
    /// Its name: the key in a configuration.
    pub value: String,
    /// Its parameters.
    #[serde(default)]
    pub items: BTreeMap<String, Parameter>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Environments {
    #[serde(default)]
    node: Option<NodeEnvironment>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct NodeEnvironment {
    /// Anything may stand here; only `true` enables.
    #[serde(default)]
    enabled: Option<Box<RawValue>>,
    #[serde(default)]
    dependencies: Option<Vec<Dependency>>,
}

/// The dependencies that a storage asks for.
///
/// # Errors
/// `STORAGE_NOT_FOUND` or `STORAGE_UNSUPPORTED`, with the original's messages.
pub fn storage_dependencies(catalog: &Catalog, package: &Package, storage: &str) -> Result<Vec<Dependency>> {
    let manifest = catalog.storages.get(storage).ok_or_else(|| {
        let message = format!("Storage {storage} not found");
        not_found(Code::StorageNotFound, message, storage, package, &catalog.storages)
    })?;
    let manifest = manifest.as_ref().ok_or_else(|| {
        RunnerError::new(Code::StorageNotFound, format!("Storage {storage} manifest not found"))
    })?;
    let unsupported = || {
        RunnerError::new(
            Code::StorageUnsupported,
            format!("Storage {storage} does not support node environment"),
        )
    };
    let manifest: StorageManifest = serde_json::from_str(manifest.get())
        .map_err(|cause| unsupported().with_hint(format!("its manifest is not as expected: {cause}")))?;
    let node = manifest.environment.and_then(|environment| environment.node).unwrap_or_default();
    match node.enabled {
        Some(enabled) if enabled.get() == "true" => Ok(node.dependencies.unwrap_or_default()),
        _ => Err(unsupported()),
    }
}

/// Whether the package has the source, asked before anything is installed.
///
/// # Errors
/// `INVALID_CONFIG`.
pub fn check_source(catalog: &Catalog, package: &Package, source: &str) -> Result<()> {
    if catalog.sources.contains_key(source) {
        return Ok(());
    }
    let message = format!("Source {source} not found");
    Err(not_found(Code::InvalidConfig, message, source, package, &catalog.sources))
}

/// Names what was searched and what is there. The message is the original's, and the rest a
/// hint; but where only the reference package was there, the message itself says how to get the
/// real one.
fn not_found(code: Code, message: String, name: &str, package: &Package, known: &Manifests) -> RunnerError {
    let names: Vec<_> = known.keys().map(String::as_str).collect();
    let meant = nearest(name, names.iter().copied());
    let meant = meant.map(|meant| format!("did you mean {meant}? ")).unwrap_or_default();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let searched = format!("{meant}{} has {names}", package.title());
    if package.is_fallback {
        let message = format!(
            "{message}: {searched}. That is the reference package, which was searched because \
             {CONNECTORS_PACKAGE} is not installed; run npm install {CONNECTORS_PACKAGE}"
        );
        return RunnerError::new(code, message);
    }
    RunnerError::new(code, message).with_hint(searched)
}

/// A package's folder and the state of its files.
type Key = (PathBuf, u64);

static KNOWN: LazyLock<Mutex<HashMap<Key, Arc<Catalog>>>> = LazyLock::new(Mutex::default);

/// Most files of a package that are looked at for a change.
const WATCHED_FILES: usize = 2000;

/// Changes whenever a file of the package does, dependencies aside.
fn key(root: &Path) -> Key {
    let mut hash = DefaultHasher::new();
    let mut folders = vec![root.to_owned()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_name() != "node_modules") {
            let Ok(metadata) = entry.metadata() else { continue };
            count += 1;
            if count > WATCHED_FILES {
                return (root.to_owned(), hash.finish());
            }
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                (entry.path(), metadata.len(), metadata.modified().ok()).hash(&mut hash);
            }
        }
    }
    (root.to_owned(), hash.finish())
}

/// Reads the catalog by loading the package in a process of its own, which gets none of the
/// host's secrets; remembered for as long as this process lives and the package is unchanged.
///
/// # Errors
/// `CONNECTORS_NOT_FOUND` when the package cannot be loaded, with its own message.
pub async fn read(package: &Package, host: &Host) -> Result<Arc<Catalog>> {
    let key = key(&package.root);
    let known = || KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(catalog) = known().get(&key) {
        return Ok(catalog.clone());
    }
    let catalog = tokio::time::timeout(LOAD_LIMIT, load(package, host)).await.unwrap_or_else(|_| {
        Err(unloadable(package, &format!("it did not load within {} s", LOAD_LIMIT.as_secs())))
    })?;
    let catalog = Arc::new(catalog);
    known().insert(key, catalog.clone());
    Ok(catalog)
}

fn unloadable(package: &Package, cause: &dyn std::fmt::Display) -> RunnerError {
    RunnerError::new(
        Code::ConnectorsNotFound,
        format!("the connectors package in {} cannot be loaded: {cause}", package.root.display()),
    )
}

async fn load(package: &Package, host: &Host) -> Result<Catalog> {
    let failed = |cause: std::io::Error| unloadable(package, &cause);
    let nowhere = || Ok(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into());
    let (mut reader, writer) = std::io::pipe().map_err(failed)?;
    let mut variables = EnvPolicy::Minimal.apply(host.variables.clone());
    variables.retain(|(name, _)| !name.starts_with("OW_"));
    let mut running = process::start(Start {
        supervisor: &host.supervisor,
        program: &process::find_node(&host.variables, &host.cwd, &host.exec_path),
        args: vec!["-e".into(), SCRIPT.into(), package.root.display().to_string()],
        directory: &package.root,
        variables,
        held: Vec::new(),
        descriptors: vec![
            nowhere().map_err(failed)?,
            nowhere().map_err(failed)?,
            nowhere().map_err(failed)?,
            writer.into(),
        ],
        supervision: Supervision::default(),
        // it is foreign code, and has nothing to do but to answer
        policy: Some(for_helper(&[], false)),
    })
    .await?;
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = Vec::new();
        reader.read_to_end(&mut answer).map(|_| answer)
    });
    let exit = running.exit().await?;
    running.tree_gone().await?;
    let answer = answer.await.map_err(|cause| unloadable(package, &cause))?.map_err(failed)?;
    if answer.is_empty() {
        return Err(unloadable(package, &format!("its process ended with {:?}", exit.code.or(exit.signal))));
    }
    let catalog: Catalog = serde_json::from_slice(&answer)
        .map_err(|cause| unloadable(package, &format!("a manifest is not as expected: {cause}")))?;
    match catalog.error {
        Some(error) => Err(unloadable(package, &error)),
        None => Ok(catalog),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::PackageManifest;

    fn catalog() -> Catalog {
        let json = serde_json::json!({
            "sources": { "S": null },
            "storages": {
                "Bare": null, "Empty": {}, "Off": { "environment": { "node": { "enabled": false } } },
                "On": { "environment": { "node": { "enabled": true, "dependencies": [
                    { "name": "a", "version": "1", "global": ["A"], "global_is": true } ] } } },
                "Odd": { "environment": { "node": { "enabled": "true" } } }, "Odder": { "environment": 7 },
                "Nulls": { "parameters": null, "environment": { "node": { "enabled": true, "dependencies": null } } },
            },
        });
        serde_json::from_str(&json.to_string()).unwrap()
    }

    fn package(is_fallback: bool) -> Package {
        Package {
            root: "/p".into(),
            manifest: serde_json::from_str::<PackageManifest>(r#"{"name":"p"}"#).unwrap(),
            is_fallback,
        }
    }

    #[test]
    fn storages_are_refused_in_the_original_words() {
        let refuse = |name, fallback| storage_dependencies(&catalog(), &package(fallback), name).unwrap_err();
        let missing = refuse("X", false);
        assert_eq!(missing.code, Code::StorageNotFound);
        assert_eq!(missing.message, "Storage X not found");
        assert_eq!(missing.hint.unwrap(), "p without version has Bare, Empty, Nulls, Odd, Odder, Off, On");
        assert!(refuse("X", true).message.ends_with("npm install @owox/connectors"));
        assert_eq!(refuse("Bare", false).message, "Storage Bare manifest not found");
        for name in ["Empty", "Off", "Odd", "Odder"] {
            let error = refuse(name, false);
            assert_eq!(error.code, Code::StorageUnsupported);
            assert_eq!(error.message, format!("Storage {name} does not support node environment"));
        }
        assert_eq!(storage_dependencies(&catalog(), &package(false), "On").unwrap()[0].name, "a");
        assert_eq!(storage_dependencies(&catalog(), &package(false), "Nulls").unwrap(), []);
    }

    #[test]
    fn a_change_to_any_file_of_the_package_changes_its_key() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("src/deep/index.js");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "1").unwrap();
        let before = key(root.path());
        assert_eq!(key(root.path()), before);
        std::fs::create_dir(root.path().join("node_modules")).unwrap();
        std::fs::write(root.path().join("node_modules/x.js"), "1").unwrap();
        assert_eq!(key(root.path()), before);
        std::fs::write(&file, "12").unwrap();
        assert_ne!(key(root.path()), before);
    }

    #[test]
    fn secret_parameters_are_found_also_below_choices() {
        let json = r#"{"S":{"parameters":{"A":{"secret":true},"B":{"secret":false},"C":{},
            "D":{"oneOf":[{"value":"x","items":{"E":{"secret":true},"F":{}}},{"value":"y"}]},"G":{"oneOf":7}}}}"#;
        let manifests: Manifests = serde_json::from_str(json).unwrap();
        assert_eq!(secret_names(&parameters(&manifests, "S")), ["A", "E"]);
    }

    #[test]
    fn a_missing_source_is_named_with_what_there_is() {
        check_source(&catalog(), &package(false), "S").unwrap();
        let error = check_source(&catalog(), &package(false), "T").unwrap_err();
        assert_eq!(error.message, "Source T not found");
        assert_eq!(error.hint.unwrap(), "p without version has S");
        let catalog = serde_json::from_str(r#"{"sources":{"CsvFile":null}}"#).unwrap();
        let error = check_source(&catalog, &package(false), "CsvFiel").unwrap_err();
        assert_eq!(error.hint.unwrap(), "did you mean CsvFile? p without version has CsvFile");
    }
}
