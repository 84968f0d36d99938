//! Fingerprint of a configuration: what is loaded from where into where.
//!
//! A state belongs to it, since a last day says nothing about another source or table. Left out is
//! what can change without that: names, comments, secrets, and parameters that only say how.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::canonical::canonical;
use super::identity::{clean, path_as_given};
use crate::config::storage_name;
use crate::connectors::{Catalog, Manifests, Parameter, is_constructed, parameters};
use crate::host::Host;
use crate::output::redact::is_secret_name;

/// Hashes of the values that count, by the place of each in the configuration.
pub type Parts = BTreeMap<String, String>;

/// Fingerprint of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    /// The name under which its state is kept.
    pub id: String,
    /// What it is made of.
    pub parts: Parts,
    /// Places that do not count, as the manifests say now.
    pub(super) uncounted: BTreeSet<String>,
    /// Hashes of defaults.
    pub(super) defaults: Parts,
}

/// Deepest nesting of choices that is looked into; what is below counts as it is.
const MAX_DEPTH: usize = 32;

/// Characters of a hash: values must not be found by trying, and edits not collide.
const HASH_CHARACTERS: usize = 16;

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..HASH_CHARACTERS].to_owned()
}

impl Fingerprint {
    /// The fingerprint of a configuration whose references have been resolved, of a file in this
    /// folder. What is malformed counts as it is: whether a run is possible is not decided here.
    pub fn of(config: &Value, folder: &Path, catalog: &Catalog) -> Self {
        let mut fingerprint = Self::default();
        for (section, manifests) in [("source", &catalog.sources), ("storage", &catalog.storages)] {
            fingerprint.section(section, &config[section], manifests, folder);
        }
        let mut text = String::from("1\n"); // of the rules here
        for (name, hash) in &fingerprint.parts {
            let _ = writeln!(text, "{name}={hash}"); // a String takes everything
        }
        fingerprint.id = hash(&text);
        fingerprint
    }

    /// The fingerprint of the configuration in this file.
    pub fn of_file(file: &str, config: &Value, catalog: &Catalog, host: &Host) -> Self {
        let given = path_as_given(file, host);
        // standard input counts from the current directory, as all paths on a command line do
        Self::of(config, given.parent().unwrap_or(&given), catalog)
    }

    fn section(&mut self, section: &str, given: &Value, manifests: &Manifests, folder: &Path) {
        let name = match (given["name"].as_str(), section) {
            (Some(name), "storage") => storage_name(name),
            (name, _) => name.unwrap_or_default(),
        };
        self.parts.insert(format!("{section}.name"), hash(name));
        // what is found by construction depends on how closely a package was looked at
        let declared =
            if is_constructed(manifests, name) { BTreeMap::default() } else { parameters(manifests, name) };
        let place = format!("{section}.config");
        self.learn(&place, &declared, 0);
        if let Some(given) = given["config"].as_object() {
            let is_source = section == "source";
            Walk { fingerprint: self, folder, is_source }.parameters(&place, given, &declared, 0);
        }
    }

    /// Remembers what the manifest says of parameters that may not be given.
    fn learn(&mut self, place: &str, declared: &BTreeMap<String, Parameter>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for (name, parameter) in declared {
            let place = format!("{place}.{name}");
            if !counts(name, Some(parameter)) {
                self.uncounted.insert(place.clone());
            }
            let default = parameter.default.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok());
            if let Some(default) = default {
                self.defaults.insert(place.clone(), hash(&canonical(&default, parameter.kind.as_deref())));
            }
            for choice in &parameter.one_of {
                self.learn(&format!("{place}.{}", choice.value), &choice.items, depth + 1);
            }
        }
    }

    /// Whether what an entry was kept for is the same as this. Beside equal parts these may be
    /// parts that did count by the manifests of that time.
    pub fn matches(&self, id: &str, parts: &Parts) -> bool {
        id == self.id
            || self.parts.iter().all(|(name, hash)| parts.get(name) == Some(hash))
                && parts
                    .iter()
                    .all(|(name, hash)| self.parts.contains_key(name) || self.is_neutral(name, hash))
    }

    /// Whether what an entry was kept for saves where this does; by what names is not looked at.
    pub fn has_destination_of(&self, parts: &Parts) -> bool {
        let counts = |name: &str| name.starts_with("storage.") && !name.contains(".DestinationTableName");
        self.parts.iter().filter(|(name, _)| counts(name)).all(|(name, hash)| parts.get(name) == Some(hash))
            && parts
                .iter()
                .filter(|(name, _)| counts(name))
                .all(|(name, hash)| self.parts.contains_key(name) || self.is_neutral(name, hash))
    }

    fn is_neutral(&self, place: &str, hash: &str) -> bool {
        let name = place.rsplit('.').next().unwrap_or(place);
        self.uncounted.contains(place)
            || self.defaults.get(place).is_some_and(|default| default == hash)
            || (place.contains(".config.") && !counts(name, None))
    }

    /// How this differs from what an entry was kept for, in words.
    pub fn changes(&self, parts: &Parts) -> Vec<String> {
        let mut changes = Vec::new();
        for (name, hash) in &self.parts {
            match parts.get(name) {
                Some(before) if before == hash => {}
                Some(_) => changes.push(format!("{name} is another")),
                None => changes.push(format!("{name} is new")),
            }
        }
        let gone = parts
            .iter()
            .filter(|(name, hash)| !self.parts.contains_key(*name) && !self.is_neutral(name, hash));
        changes.extend(gone.map(|(name, _)| format!("{name} is gone")));
        changes
    }
}

/// Parameters of packages whose manifests do not mark them: dates and how much at once, how often,
/// how long.
const HOW: [&str; 16] = [
    "startdate",
    "enddate",
    "lastrequesteddate",
    "lastimportdate",
    "reimportlookbackwindow",
    "cleanuptokeepwindow",
    "maxfetchingdays",
    "maxbuffersize",
    "maxruntimeout",
    "currentstatus",
    "sendcompletionnotification",
    "notifybyemail",
    "notifywhen",
    "googlechatwebhookurl",
    "loglevel",
    "memorylimitmb",
];

/// The same by the end of their names.
const HOW_ENDS: [&str; 12] = [
    "batchsize",
    "pagesize",
    "chunksize",
    "buffersize",
    "retries",
    "retrydelay",
    "attempts",
    "timeout",
    "timeoutms",
    "timeoutseconds",
    "delayms",
    "concurrency",
];

/// Whether a parameter says what is loaded.
fn counts(name: &str, declared: Option<&Parameter>) -> bool {
    if declared.is_some_and(|parameter| parameter.secret) || is_secret_name(name) || is_comment(name) {
        return false;
    }
    if let Some(affects) = declared.and_then(|parameter| parameter.affects.as_deref()) {
        return affects != "how";
    }
    let name: String =
        name.chars().filter(|one| one.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    !HOW.contains(&name.as_str()) && !HOW_ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether people write remarks under such a name, for lack of comments in JSON.
fn is_comment(name: &str) -> bool {
    name.starts_with("//") || name.starts_with('$') || matches!(name, "_comment" | "comment" | "_comments")
}

/// The way through the parameters that are given.
struct Walk<'f> {
    fingerprint: &'f mut Fingerprint,
    folder: &'f Path,
    /// An object without `value` is a choice in a source only.
    is_source: bool,
}

impl Walk<'_> {
    fn parameters(
        &mut self,
        place: &str,
        given: &Map<String, Value>,
        declared: &BTreeMap<String, Parameter>,
        depth: usize,
    ) {
        for (name, value) in given {
            let parameter = declared.get(name);
            if counts(name, parameter) {
                self.parameter(&format!("{place}.{name}"), value, parameter, depth);
            }
        }
    }

    fn parameter(&mut self, place: &str, given: &Value, declared: Option<&Parameter>, depth: usize) {
        let (value, items) = match given.as_object() {
            Some(object) if object.contains_key("value") => {
                (object.get("value").cloned().unwrap_or_default(), object.get("items"))
            }
            // the first key is the choice, as in the original
            Some(object) if self.is_source && !object.is_empty() => {
                let (choice, items) = object.iter().next().map(|(key, items)| (key.as_str(), items)).unzip();
                (choice.unwrap_or_default().into(), items)
            }
            _ => (given.clone(), None),
        };
        self.leaf(place, &value, declared);
        let (Some(items), Some(choice)) = (items, value.as_str()) else { return };
        let place = format!("{place}.{choice}");
        let choices = declared.map(|parameter| &parameter.one_of[..]).unwrap_or_default();
        let declared = choices.iter().find(|known| known.value == choice).map(|known| &known.items);
        match items.as_object() {
            Some(items) if depth < MAX_DEPTH => {
                self.parameters(&place, items, declared.unwrap_or(&BTreeMap::new()), depth + 1);
            }
            Some(_) => self.leaf(&place, items, None),
            None => {}
        }
    }

    fn leaf(&mut self, place: &str, value: &Value, declared: Option<&Parameter>) {
        if value.is_null() {
            return; // as if it were not there
        }
        let path = value.as_str().filter(|_| declared.and_then(|one| one.format.as_deref()) == Some("path"));
        let text = match path.filter(|path| is_local(path)) {
            Some(path) => canonical(&clean(&self.folder.join(path)).display().to_string().into(), None),
            None => canonical(value, declared.and_then(|one| one.kind.as_deref())),
        };
        let hash = hash(&text);
        if self.fingerprint.defaults.get(place) != Some(&hash) {
            self.fingerprint.parts.insert(place.to_owned(), hash);
        }
    }
}

/// Whether a path parameter names a file of this machine by its path.
fn is_local(path: &str) -> bool {
    !path.is_empty() && !path.contains("://") && !path.starts_with("file:")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalog(more: &Value) -> Catalog {
        let mut source = json!({
            "Path": { "type": "string", "format": "path" },
            "Limit": { "type": "number", "default": 5 },
            "Fields": { "type": "array", "default": ["all"] },
            "Key": { "secret": true },
            "Pieces": { "type": "number", "affects": "how" },
            "EndDate": { "type": "date", "affects": "what" },
            "Paging": { "default": "none", "oneOf": [
                { "value": "none" },
                { "value": "page", "items": { "First": { "type": "number", "default": 1 }, "Password": {} } },
            ] },
        });
        for (name, parameter) in more.as_object().unwrap() {
            source[name] = parameter.clone();
        }
        let json = json!({
            "sources": { "S": { "parameters": source }, "Old": {} },
            "storages": { "GoogleBigQuery": {}, "T": { "parameters": { "Table": {}, "File": { "format": "path" } } } },
        });
        serde_json::from_str(&json.to_string()).unwrap()
    }

    fn of(config: &Value) -> Fingerprint {
        Fingerprint::of(config, Path::new("/c"), &catalog(&json!({})))
    }

    fn with(source: &Value) -> Fingerprint {
        let storage = json!({ "name": "T", "config": { "Table": "t" } });
        of(&json!({ "source": { "name": "S", "config": source }, "storage": storage }))
    }

    #[test]
    fn another_way_to_write_the_same_is_the_same() {
        let base = json!({ "Path": "a.csv", "Paging": { "page": { "First": 2 } } });
        let id = with(&base).id;
        for other in [
            json!({ "Paging": { "page": { "First": "2" } }, "Path": { "value": "./a.csv" } }),
            json!({ "Path": "/c/a.csv", "Paging": { "value": "page", "items": { "First": { "value": 2.0 } } } }),
            json!({ "Path": "/c/x/../a.csv", "Paging": { "page": { "First": 2, "Password": "p" } }, "Limit": 5 }),
            json!({ "Path": "a.csv", "Paging": { "page": { "First": 2 } }, "Limit": "5", "Fields": "all", "Key": "k" }),
            json!({ "Path": "a.csv", "Paging": { "page": { "First": 2 } }, "Pieces": 7, "StartDate": "2026-01-01",
                "LastRequestedDate": "2026-01-01", "MaxFetchRetries": 3, "//": "why", "Limit": null, "MyApiKey": "k" }),
        ] {
            assert_eq!(with(&other).id, id, "{other}");
        }
        let named = |name: &str, more: &str| {
            of(&json!({ "name": more, "$schema": more, "_comment": more, "datamartId": more,
                "source": { "name": "Old", "config": {}, "comment": more }, "storage": { "name": name, "config": {} } }))
        };
        assert_eq!(named("GOOGLE_BIGQUERY", "a").id, named("GoogleBigQuery", "b").id);
        let keys = |text: &str| with(&json!({ "X": serde_json::from_str::<Value>(text).unwrap() })).id;
        assert_eq!(keys(r#"{"value":{"a":1,"b":[2]}}"#), keys(r#"{"value":{"b":[2],"a":1}}"#));
    }

    #[test]
    fn another_source_table_or_path_is_another() {
        let mut ids = BTreeSet::new();
        let all = [
            json!({}),
            json!({ "Path": "a.csv" }),
            json!({ "Path": "b.csv" }),
            json!({ "Path": "https://h/a.csv" }),
            json!({ "Limit": 6 }),
            json!({ "Fields": ["a", "b"] }),
            json!({ "EndDate": "2026-01-01" }), // marked
            json!({ "Paging": { "page": {} } }),
            json!({ "Paging": { "page": { "First": 3 } } }),
            json!({ "AccountID": "7012345678901234567" }),
            json!({ "AccountID": "7012345678901234568" }),
        ];
        for source in &all {
            assert!(ids.insert(with(source).id), "{source}");
        }
        let table = json!({ "source": { "name": "S", "config": {} }, "storage": { "name": "T", "config": { "Table": "u" } } });
        assert!(ids.insert(of(&table).id));
        for odd in [json!(null), json!([]), json!({ "source": 5 }), json!({ "source": { "config": [] } })] {
            of(&odd);
        }
    }

    #[test]
    fn an_entry_of_earlier_manifests_still_matches_and_changes_are_named() {
        let config = |source: Value| json!({ "source": { "name": "S", "config": source }, "storage": { "name": "T" } });
        let given = json!({ "Depth": 3, "Mode": "x", "Path": "a.csv" });
        let before = of(&config(given.clone()));
        let later = catalog(&json!({ "Depth": { "affects": "how" }, "Mode": { "default": "x" } }));
        let now = Fingerprint::of(&config(given), Path::new("/c"), &later);
        assert_ne!(now.id, before.id);
        assert!(now.matches(&before.id, &before.parts) && now.changes(&before.parts).is_empty());
        let other = of(&config(json!({ "Path": "b.csv", "Mode": "x" })));
        assert!(!other.matches(&before.id, &before.parts) && !before.matches(&other.id, &other.parts));
        assert_eq!(
            other.changes(&before.parts),
            ["source.config.Path is another", "source.config.Depth is gone"]
        );
        assert_eq!(
            before.changes(&other.parts),
            ["source.config.Depth is new", "source.config.Path is another"]
        );
    }

    #[test]
    fn secrets_leave_no_trace() {
        let fingerprint =
            with(&json!({ "Key": "k", "AccessToken": "t", "Paging": { "page": { "Password": "p" } } }));
        let names: Vec<_> = fingerprint.parts.keys().map(String::as_str).collect();
        assert_eq!(names, ["source.config.Paging", "source.name", "storage.config.Table", "storage.name"]);
    }
}
