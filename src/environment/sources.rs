//! Where installed packages come from: what npm wrote down of them, held against what is allowed.
//! npm follows what a package anywhere in the tree asks for, or what a lockfile in it says: a folder
//! of the host, a repository, an archive at any address.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::replaced::Replaced;
use crate::error::{Code, Result, RunnerError};
use crate::specifier::{AllowedOrigins, Origin, origin};

/// Most bytes of a lockfile or `package.json` that are read.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Fields in which a package asks for what npm installs with it.
pub const ASKING: [&str; 3] = ["dependencies", "optionalDependencies", "peerDependencies"];

/// What an environment may consist of.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// The connectors package, all of whose own folder is allowed.
    pub connectors_root: &'a Path,
    /// What is allowed beside it and the registry.
    pub origins: &'a AllowedOrigins,
}

impl Allowed<'_> {
    /// Whether a package may come from there.
    fn permits(&self, source: &Source) -> bool {
        match source {
            Source::Registry { .. } | Source::Bundled => true,
            Source::Local(path) => self.permits_path(path.as_deref()),
            Source::Git(_) => self.origins.allow(Origin::Git),
            Source::Url(_) => self.origins.allow(Origin::Url),
        }
    }

    /// Whether a path, all of whose symlinks are resolved, may be installed from.
    pub fn permits_path(&self, path: Option<&Path>) -> bool {
        self.origins.allow(Origin::File) || path.is_some_and(|path| path.starts_with(self.connectors_root))
    }
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The registry.
    Registry {
        /// Whether the registry itself has said where its archive is, rather than a lockfile in
        /// another package.
        is_direct: bool,
    },
    /// The archive of the package above it.
    Bundled,
    /// A path of this machine, without symlinks; none where it cannot be told.
    Local(Option<PathBuf>),
    /// A git repository, as npm writes it.
    Git(String),
    /// An archive at an address.
    Url(String),
}

impl Source {
    /// As it is written after `NAME@` in the option `allowScripts`; none where nothing names it.
    pub fn specifier(&self) -> Option<String> {
        match self {
            Self::Local(Some(path)) => Some(format!("file:{}", path.display())),
            Self::Git(address) => Some(without_commit(&without_login(address)).to_owned()),
            Self::Url(address) if !address.is_empty() => Some(without_login(address)),
            _ => None,
        }
    }

    /// For messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Registry { is_direct: true } => "the registry".to_owned(),
            Self::Registry { is_direct: false } => "a lockfile inside another package".to_owned(),
            Self::Bundled => "the archive of another package".to_owned(),
            Self::Local(Some(path)) => path.display().to_string(),
            Self::Local(None) => "a path that cannot be followed".to_owned(),
            Self::Url(address) if address.is_empty() => "an address that npm has not written down".to_owned(),
            Self::Git(address) | Self::Url(address) => without_login(address),
        }
    }

    /// Name of the option's value that allows it.
    fn option(&self) -> &'static str {
        match self {
            Self::Git(_) => "git",
            Self::Url(_) => "url",
            _ => "file",
        }
    }
}

/// An installed package.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Its folder, from that of the environment.
    pub location: String,
    /// The registry's name for it, which its folder has unless it is an alias.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of its archive.
    pub integrity: Option<String>,
    /// Whether it has an install script.
    pub has_script: bool,
    /// Where it comes from.
    pub source: Source,
    /// Location of a package that asks for it, empty for the environment itself.
    asked_by: String,
}

/// Every package that npm has installed in a folder.
///
/// # Errors
/// `INSTALL_FAILED` where npm has left no account of them.
pub fn installed(directory: &Path, replaced: &Replaced) -> Result<Vec<Installed>> {
    let modules = directory.join("node_modules");
    if !modules.is_dir() {
        return Ok(Vec::new());
    }
    let lock = read_json(&modules.join(".package-lock.json"))
        .or_else(|| read_json(&directory.join("package-lock.json")));
    let Some(lock) = lock.filter(|lock| lock["packages"].is_object()) else {
        return Err(RunnerError::new(
            Code::InstallFailed,
            "npm install failed: npm has not written down what it installed, so nobody can tell where it \
             comes from; see that no setting of npm's keeps it from writing lockfiles",
        ));
    };
    Ok(of_lockfile(&lock, directory, replaced))
}

/// Every package that a lockfile names, for an environment in this folder.
pub fn of_lockfile(lock: &Value, directory: &Path, replaced: &Replaced) -> Vec<Installed> {
    let manifest = read_json(&directory.join("package.json")).unwrap_or_default();
    let nothing = Map::new();
    let packages = lock["packages"].as_object().unwrap_or(&nothing);
    let asked = asked(packages, &manifest);
    let named = registry_hosts(packages, &asked);
    let is_registry = |host: &str| named.contains(host) || replaced.covers(host);
    let packages = packages.iter().filter(|(location, _)| !location.is_empty());
    packages
        .map(|(location, entry)| {
            let asked = asked.get(location.as_str()).map(Vec::as_slice).unwrap_or_default();
            let in_folder = location.rsplit("node_modules/").next().unwrap_or_default();
            let text = |field: &str| entry[field].as_str().map(ToOwned::to_owned);
            let name = asked.first().and_then(|edge| edge.registry_name()).unwrap_or(in_folder).to_owned();
            let is_direct = !asked.is_empty() && !is_in_shrinkwrap(location, lock);
            let source = match source(location, entry, asked, directory) {
                Source::Registry { .. } if !is_direct => of_shrinkwrap(&name, entry, is_registry),
                source => source,
            };
            Installed {
                location: location.clone(),
                name,
                version: text("version").unwrap_or_default(),
                integrity: text("integrity"),
                has_script: entry["hasInstallScript"] == true,
                source,
                asked_by: asked.first().map(|edge| edge.from.to_owned()).unwrap_or_default(),
            }
        })
        .collect()
}

/// Refuses an environment of which a package does not come from where it may.
///
/// # Errors
/// `INVALID_CONFIG`, naming the package, where it comes from, and the option that would allow it.
pub fn check(installed: &[Installed], allowed: Allowed<'_>) -> Result<()> {
    let refused = installed.iter().find(|package| !allowed.permits(&package.source));
    let Some(Installed { name, source, asked_by, .. }) = refused else { return Ok(()) };
    let by = asked_by.rsplit("node_modules/").next().unwrap_or_default();
    let by = if by.is_empty() { String::new() } else { format!(", which {by} asks for,") };
    Err(not_allowed(name, &by, &source.describe(), source.option()))
}

/// The refusal of a dependency.
pub fn not_allowed(name: &str, by: &str, place: &str, option: &str) -> RunnerError {
    RunnerError::new(
        Code::InvalidConfig,
        format!(
            "dependency {name:?}{by} comes from {place}, which is not the npm registry; if you trust it, allow it \
             with the option allowSpecs: ['{option}'] or --allow-specs {option}"
        ),
    )
}

/// Something that a package asks for.
struct Edge<'a> {
    from: &'a str,
    specifier: &'a str,
}

impl Edge<'_> {
    /// The name that the registry is asked for, where it is another than that of the folder.
    fn registry_name(&self) -> Option<&str> {
        let alias = self.specifier.strip_prefix("npm:")?;
        let end = alias.get(1..).and_then(|rest| rest.find('@')).map_or(alias.len(), |at| at + 1);
        Some(&alias[..end])
    }

    /// Whether a version, range or tag is asked for. What is odd but holds nothing of a path or
    /// an address can be nothing else.
    fn is_of_registry(&self) -> bool {
        match origin(self.specifier) {
            Some(origin) => origin == Origin::Registry,
            None => !self.specifier.contains([':', '/', '\\']),
        }
    }
}

/// What is asked for, by the location that npm found for it.
fn asked<'a>(packages: &'a Map<String, Value>, manifest: &'a Value) -> HashMap<&'a str, Vec<Edge<'a>>> {
    let mut asked: HashMap<_, Vec<_>> = HashMap::new();
    let installed = packages.iter().filter(|(location, _)| !location.is_empty());
    let all = installed.map(|(location, entry)| (location.as_str(), entry)).chain([("", manifest)]);
    for (from, entry) in all {
        for (name, specifier) in ASKING.iter().filter_map(|field| entry[*field].as_object()).flatten() {
            let found = target(packages, from, name);
            if let (Some(location), Some(specifier)) = (found, specifier.as_str()) {
                asked.entry(location).or_default().push(Edge { from, specifier });
            }
        }
    }
    asked
}

/// Node's way of looking: `node_modules` of this package and of each above it.
fn target<'a>(packages: &'a Map<String, Value>, from: &str, name: &str) -> Option<&'a str> {
    let mut base = from;
    loop {
        let separator = if base.is_empty() { "" } else { "/" };
        let location = format!("{base}{separator}node_modules/{name}");
        if let Some((location, _)) = packages.get_key_value(&location) {
            return Some(location);
        }
        if base.is_empty() {
            return None;
        }
        base = base.rfind("node_modules/").map_or("", |at| base[..at].trim_end_matches('/'));
    }
}

/// Where a package comes from, by its entry and those that ask for it.
fn source(location: &str, entry: &Value, asked: &[Edge<'_>], directory: &Path) -> Source {
    let resolved = entry["resolved"].as_str();
    if !location.starts_with("node_modules/") {
        return Source::Local(real_path(directory, location));
    }
    match resolved {
        Some(resolved) if entry["link"] == true => Source::Local(real_path(directory, resolved)),
        Some(resolved) if resolved.starts_with("file:") => {
            Source::Local(real_path(directory, &resolved["file:".len()..]))
        }
        Some(resolved) if host_of(resolved).is_none() => Source::Git(resolved.to_owned()),
        None if entry["inBundle"] == true => Source::Bundled,
        _ => match asked.iter().find(|edge| !edge.is_of_registry()) {
            Some(edge) => Source::Url(resolved.unwrap_or(edge.specifier).to_owned()),
            None => Source::Registry { is_direct: true },
        },
    }
}

/// Whether a package above this one came with a lockfile of its own, which decides over it.
fn is_in_shrinkwrap(location: &str, lock: &Value) -> bool {
    let mut above = location;
    while let Some(at) = above.rfind("/node_modules/") {
        above = &above[..at];
        if lock["packages"][above]["hasShrinkwrap"] == true {
            return true;
        }
    }
    false
}

/// The source of a package for which no metadata of the registry speaks: its address does.
fn of_shrinkwrap(name: &str, entry: &Value, is_registry: impl Fn(&str) -> bool) -> Source {
    let resolved = entry["resolved"].as_str().unwrap_or_default();
    if !host_of(resolved).is_some_and(|host| is_registry(&host)) {
        return Source::Url(resolved.to_owned());
    }
    let version = entry["version"].as_str().unwrap_or_default();
    let file = name.rsplit('/').next().unwrap_or_default();
    let is_its_own = resolved.ends_with(&format!("/{name}/-/{file}-{version}.tgz"));
    Source::Registry { is_direct: is_its_own }
}

/// Hosts that the registry has named itself.
fn registry_hosts(packages: &Map<String, Value>, asked: &HashMap<&str, Vec<Edge<'_>>>) -> HashSet<String> {
    let is_top = |location: &str| location.matches("node_modules/").count() == 1;
    let packages = packages.iter().filter(|(location, _)| {
        is_top(location)
            && asked.get(location.as_str()).is_some_and(|edges| edges.iter().all(Edge::is_of_registry))
    });
    packages.filter_map(|(_, entry)| host_of(entry["resolved"].as_str()?)).collect()
}

/// Host and port of a web address; none for anything else.
fn host_of(address: &str) -> Option<String> {
    let lower = address.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    authority.rsplit('@').next().map(ToOwned::to_owned)
}

/// An address without the login in it, which may be secret.
pub fn without_login(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(rest, |at| &rest[at + 1..]);
    format!("{scheme}://{host}")
}

/// A repository without the commit that npm has found in it.
pub fn without_commit(address: &str) -> &str {
    address.split('#').next().unwrap_or_default()
}

/// Where a path of a lockfile leads. npm writes `#` as `%23`, but not `%` as anything else: where
/// both readings exist, nobody can tell.
fn real_path(directory: &Path, path: &str) -> Option<PathBuf> {
    let mut readings = vec![path.to_owned(), path.replace("%23", "#")];
    readings.dedup();
    let mut found = readings.iter().filter_map(|path| fs::canonicalize(directory.join(path)).ok());
    found.next().filter(|_| found.next().is_none())
}

/// A file's JSON; none where there is none, or it is too large.
pub fn read_json(path: &Path) -> Option<Value> {
    let mut text = Vec::new();
    fs::File::open(path).ok()?.take(MAX_BYTES + 1).read_to_end(&mut text).ok()?;
    let text = text.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(&text);
    (text.len() as u64 <= MAX_BYTES).then(|| serde_json::from_slice(text).ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The source of `node_modules/a` with this entry, asked for in these words.
    fn source_of(specifier: &str, entry: &Value) -> Source {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("package.json"),
            json!({ "dependencies": { "a": specifier } }).to_string(),
        )
        .unwrap();
        let lock = json!({ "packages": { "node_modules/a": entry } });
        of_lockfile(&lock, folder.path(), &Replaced::None).remove(0).source
    }

    #[test]
    fn a_source_is_told_by_what_was_asked_and_what_was_found() {
        let registry = Source::Registry { is_direct: true };
        let tarball = json!({ "resolved": "https://cdn.host/a.tgz" });
        for specifier in ["^1", "", "latest", ">= 1  <2 || 3", "npm:@s/b@1", "1.0.0 - 2.0.0", "v1,v2"] {
            assert_eq!(source_of(specifier, &tarball), registry, "{specifier}");
            assert_eq!(source_of(specifier, &json!({})), registry, "{specifier}: address left out");
        }
        for specifier in ["https://cdn.host/a.tgz", "http://x/a", "odd:1", "git@host:a"] {
            let url = Source::Url("https://cdn.host/a.tgz".into());
            assert_eq!(source_of(specifier, &tarball), url, "{specifier}");
        }
        for resolved in ["git+ssh://git@h/a.git#1", "git://h/a", "github:a/b", "ssh://h/a", "odd"] {
            let git = Source::Git(resolved.into());
            assert_eq!(source_of("^1", &json!({ "resolved": resolved })), git);
        }
        assert_eq!(source_of("^1", &json!({ "inBundle": true })), Source::Bundled);
        assert_eq!(source_of("^1", &json!({ "resolved": "file:missing" })), Source::Local(None));
        let inside = json!({ "resolved": "file:../x", "inBundle": true });
        assert_eq!(source_of("^1", &inside), Source::Local(None), "being bundled hides nothing");
        assert!(matches!(
            source_of("^1", &json!({ "resolved": "package.json", "link": true })),
            Source::Local(Some(_))
        ));
    }

    #[test]
    fn what_nobody_asks_for_or_another_lockfile_names_is_the_registrys_by_its_host_only() {
        let folder = tempfile::tempdir().unwrap();
        let with = |more: &Value, replaced: &Replaced| {
            let mut lock = json!({ "packages": {
                "node_modules/top": {
                    "resolved": "https://cdn.host:8/top.tgz", "hasShrinkwrap": true, "dependencies": { "a": "1" },
                },
                "node_modules/top/node_modules/a": { "version": "1.0.0" },
            } });
            let manifest = json!({ "dependencies": { "top": "1" } });
            fs::write(folder.path().join("package.json"), manifest.to_string()).unwrap();
            lock["packages"]["node_modules/top/node_modules/a"]["resolved"] = more.clone();
            let all = of_lockfile(&lock, folder.path(), replaced);
            all.into_iter().find(|package| package.name == "a").unwrap().source
        };
        let of = |more: &Value| with(more, &Replaced::None);
        let registry = |is_direct| Source::Registry { is_direct };
        let elsewhere = json!("https://default.host/a/-/a-1.0.0.tgz");
        for replaced in [Replaced::All, Replaced::Host("default.host".into())] {
            assert_eq!(with(&elsewhere, &replaced), registry(true));
        }
        let other = Replaced::Host("other.host".into());
        assert!(
            matches!(with(&elsewhere, &other), Source::Url(_)) && matches!(of(&elsewhere), Source::Url(_))
        );
        assert_eq!(of(&json!("https://CDN.host:8/a/-/a-1.0.0.tgz")), registry(true));
        assert_eq!(of(&json!("https://cdn.host:8/b/-/b-1.0.0.tgz")), registry(false));
        for other in
            ["https://evil/a/-/a-1.0.0.tgz", "https://cdn.host:9/a.tgz", "https://cdn.host:8@evil/a.tgz"]
        {
            assert_eq!(of(&json!(other)), Source::Url(other.into()));
        }
        assert_eq!(of(&Value::Null), Source::Url(String::new()));
    }

    #[test]
    fn secrets_of_an_address_are_in_no_message() {
        assert_eq!(without_login("git+ssh://git:pw@host/a@b.git#1"), "git+ssh://host/a@b.git#1");
        assert_eq!(without_login("https://host/a"), "https://host/a");
        let root = Path::new("/connectors");
        let nothing = AllowedOrigins::default();
        let package = Installed {
            location: "node_modules/a".into(),
            name: "a".into(),
            version: "1".into(),
            integrity: None,
            has_script: false,
            source: Source::Url("https://u:secret@host/a.tgz".into()),
            asked_by: "node_modules/@s/b".into(),
        };
        let error = check(&[package], Allowed { connectors_root: root, origins: &nothing }).unwrap_err();
        assert!(error.message.contains("https://host/a.tgz") && error.message.contains("@s/b asks"));
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
}
