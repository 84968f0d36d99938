//! Which sources and storages a connectors package has, and what their manifests say.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Package;
use super::reader::{SCRIPT, load};
use super::remembered::{fingerprint, recall, remember};
use crate::error::{Code, Result, RunnerError};
use crate::foreign::{cut, refuse_depth};
use crate::host::Host;
use crate::manifest::{CONNECTORS_PACKAGE, Dependency};
use crate::suggest::nearest;

/// Longest time a package may take to load.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// The same where its classes are constructed; without them there is still something to show.
const CONSTRUCTION_LIMIT: Duration = Duration::from_secs(15);

/// Levels of an answer around a manifest.
const AROUND_MANIFEST: usize = 2;

/// Bytes that are shown of what a package says of itself, such as its error or its names.
const SHOWN_BYTES: usize = 4000;

/// Most catalogs that are held in memory.
const MOST_KNOWN: usize = 8;

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

/// Whether a source's or storage's parameters come from its classes: then others may know further
/// ones.
pub fn is_constructed(manifests: &Manifests, name: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Origin {
        parameters_from: Option<String>,
    }
    let raw = manifests.get(name).and_then(Option::as_ref);
    let origin = raw.and_then(|raw| serde_json::from_str::<Origin>(raw.get()).ok());
    origin.is_some_and(|origin| origin.parameters_from.as_deref() == Some("construction"))
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
    /// `how` for what changes nothing of what is loaded from where into where, such as dates and
    /// batch sizes: then it does not count for a state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affects: Option<String>,
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
    let names = if names.is_empty() { "none".to_owned() } else { cut(names.join(", "), SHOWN_BYTES) };
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

/// By the package's fingerprint.
static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Catalog>>>> = LazyLock::new(Mutex::default);

/// How closely a package is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What its manifests say. This is what a run needs.
    Manifests,
    /// Also the parameters that its classes define where no manifest declares any: that constructs
    /// them. This is for people.
    Parameters,
}

impl Depth {
    /// The argument of the script, and the longest time that it may take.
    fn terms(self) -> (&'static str, Duration) {
        match self {
            Depth::Manifests => ("manifests", LOAD_LIMIT),
            Depth::Parameters => ("parameters", CONSTRUCTION_LIMIT),
        }
    }
}

/// Reads the catalog by loading the package in a confined process of its own, which gets none of
/// the host's secrets. It is remembered as long as the package is unchanged, also on disk.
///
/// # Errors
/// `CONNECTORS_NOT_FOUND` when the package cannot be loaded, with its own message.
pub async fn read(package: &Package, host: &Host, depth: Depth) -> Result<Arc<Catalog>> {
    match (read_at(package, host, depth).await, depth) {
        // a class that does more than it should when it is constructed
        (Err(_), Depth::Parameters) => read_at(package, host, Depth::Manifests).await,
        (read, _) => read,
    }
}

async fn read_at(package: &Package, host: &Host, depth: Depth) -> Result<Arc<Catalog>> {
    let (argument, limit) = depth.terms();
    // what it could read may be part of what it says
    let reads = format!("{:?}", host.helpers_read);
    let state = fingerprint(package, &[SCRIPT, argument, &reads], &host.node_abi);
    let known = || KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(catalog) = known().get(&state.digest) {
        return Ok(catalog.clone());
    }
    let remembered = recall(&state, host).and_then(|content| parse(package, &content).ok());
    let catalog = if let Some(catalog) = remembered {
        catalog
    } else {
        let loading = tokio::time::timeout(limit, load(package, host, argument));
        let content = loading.await.unwrap_or_else(|_| {
            Err(unloadable(package, &format!("it did not load within {} s", limit.as_secs())))
        })?;
        let catalog = parse(package, &content)?;
        remember(&state, &content, host);
        catalog
    };
    let catalog = Arc::new(catalog);
    let mut known = known();
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    known.insert(state.digest, catalog.clone());
    Ok(catalog)
}

/// The remedy where a package reads what it may not.
const REFUSED: &str = "while it is looked at, a package reads itself, what it requires from the folders above it, \
                       and the system's libraries; grant more by isolation.read (--allow-read), or use isolation \
                       'none'";

/// The script's answer.
fn parse(package: &Package, content: &[u8]) -> Result<Catalog> {
    // each level of a manifest begins a parser anew, which has no limit of its own then
    refuse_depth(content, AROUND_MANIFEST)
        .map_err(|cause| unloadable(package, &format!("a manifest cannot be read: {cause}")))?;
    let catalog: Catalog = serde_json::from_slice(content)
        .map_err(|cause| unloadable(package, &format!("a manifest is not as expected: {cause}")))?;
    match catalog.error {
        Some(error) => {
            let is_refused = error.contains("EACCES");
            let error = unloadable(package, &cut(error, SHOWN_BYTES));
            Err(if is_refused { error.with_hint(REFUSED) } else { error })
        }
        None => Ok(catalog),
    }
}

pub(super) fn unloadable(package: &Package, cause: &dyn std::fmt::Display) -> RunnerError {
    RunnerError::new(
        Code::ConnectorsNotFound,
        format!("the connectors package in {} cannot be loaded: {cause}", package.root.display()),
    )
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

    #[test]
    fn a_manifest_that_is_nested_too_deep_is_refused() {
        let nested = |levels: usize| {
            let one = r#"{"P":{"oneOf":[{"value":"v","items":"#;
            let parameters = one.repeat(levels) + "{}" + &"}]}}".repeat(levels);
            format!(r#"{{"sources":{{"S":{{"parameters":{parameters}}}}}}}"#)
        };
        let read = |levels| parse(&package(false), nested(levels).as_bytes());
        let catalog = read(15).unwrap();
        assert_eq!(secret_names(&parameters(&catalog.sources, "S")), [""; 0]);
        for levels in [17, 1000, 100_000] {
            let error = read(levels).unwrap_err();
            assert_eq!(error.code, Code::ConnectorsNotFound);
            assert!(error.message.contains("64 are read"), "{}", error.message);
        }
    }
}
