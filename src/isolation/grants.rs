//! Paths that a configuration names and that its manifests mark with `"format": "path"`: exactly
//! these are granted, and what a configuration says can only ever name a file, not widen a grant.

use std::fs;
use std::path::{Path, PathBuf};

use crate::connectors::{Catalog, Parameter, parameters};
use crate::context::Variables;
use crate::output::redact::json::{Value, parse};
use crate::output::redact::percent_decoded;

use super::{Isolation, Mode};

/// What is granted of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To write what is in the folder: a database needs files beside its own.
    Write,
}

/// A path that a run may use, beside its own directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The file, or for writing the folder; without symlinks.
    pub path: PathBuf,
    /// What for.
    pub access: Access,
    /// The parameter that names it, for messages.
    pub parameter: String,
}

/// What the path parameters of a configuration (`OW_CONFIG`) grant, and what is said of those that
/// grant nothing.
pub fn manifest_grants(catalog: &Catalog, config: &str) -> (Vec<Grant>, Vec<String>) {
    let (mut grants, mut warnings) = (Vec::new(), Vec::new());
    let Some(config) = parse(config) else { return (grants, warnings) };
    for (section, manifests) in [("source", &catalog.sources), ("storage", &catalog.storages)] {
        let Some(section) = config.member(section) else { continue };
        let (Some(Value::Text(name)), Some(given)) = (section.member("name"), section.member("config"))
        else {
            continue;
        };
        let known = parameters(manifests, name);
        walk(given, &known, &mut |name, parameter, value| {
            let access =
                if parameter.access.as_deref() == Some("write") { Access::Write } else { Access::Read };
            match grant_of(value, access) {
                Ok(Some(path)) => grants.push(Grant { path, access, parameter: name.to_owned() }),
                Ok(None) => {}
                Err(why) => warnings.push(format!("{name} grants nothing: {why}")),
            }
        });
    }
    (grants, warnings)
}

/// The same of a connector's variables. Only `strict` limits what may be read: elsewhere a file that
/// is not granted is nothing to speak of.
pub fn granted_by(
    catalog: &Catalog,
    variables: &Variables,
    isolation: &Isolation,
) -> (Vec<Grant>, Vec<String>) {
    let config = variables.iter().rev().find(|(name, _)| name == "OW_CONFIG");
    let (grants, mut warnings) =
        config.map(|(_, config)| manifest_grants(catalog, config)).unwrap_or_default();
    if isolation.mode != Mode::Strict {
        warnings.clear();
    }
    (grants, warnings)
}

/// Visits each path parameter that has a text, those of choices included.
fn walk(
    given: &Value,
    known: &std::collections::BTreeMap<String, Parameter>,
    visit: &mut impl FnMut(&str, &Parameter, &str),
) {
    for (name, parameter) in known {
        let Some(entry) = given.member(name) else { continue };
        let value = if matches!(entry, Value::Text(_)) { Some(entry) } else { entry.member("value") };
        if parameter.format.as_deref() == Some("path")
            && let Some(Value::Text(text)) = value
        {
            visit(name, parameter, text);
        }
        if let Some(items) = entry.member("items") {
            parameter.one_of.iter().for_each(|choice| walk(items, &choice.items, visit));
        }
    }
}

/// The path to grant; `None` for what is none on this machine, or is not there: then the connector
/// has its own words for it.
fn grant_of(value: &str, access: Access) -> Result<Option<PathBuf>, String> {
    let Some(path) = local_path(value) else { return Ok(None) };
    if path.as_os_str().as_encoded_bytes().contains(&0) || !path.is_absolute() {
        return Ok(None);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let Ok(folder) = fs::canonicalize(folder) else { return Ok(None) };
    if access == Access::Write {
        return Ok(Some(folder));
    }
    let file = folder.join(name);
    match fs::symlink_metadata(&file) {
        // An earlier run may have put it where it could write, to be led elsewhere by this one.
        Ok(metadata) if metadata.is_symlink() => {
            Err(format!("{} is a symbolic link; name the file it leads to", file.display()))
        }
        Ok(metadata) if metadata.is_dir() => Err(format!("{} is a folder", file.display())),
        Ok(_) => Ok(Some(file)),
        Err(_) => Ok(None),
    }
}

/// The path in a parameter that may also be a URL.
fn local_path(value: &str) -> Option<PathBuf> {
    let has_prefix =
        |prefix: &str| value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if has_prefix("file:") {
        let rest = &value["file:".len()..];
        let path =
            rest.strip_prefix("//").map_or(rest, |rest| rest.strip_prefix("localhost").unwrap_or(rest));
        let path = path.split(['?', '#']).next().unwrap_or_default();
        return percent_decoded(path).map(PathBuf::from);
    }
    if value.contains("://") { None } else { Some(Path::new(value).to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn catalog() -> Catalog {
        let json = serde_json::json!({
            "sources": { "S": { "parameters": {
                "Path": { "format": "path" },
                "Other": {},
                "Auth": { "oneOf": [{ "value": "key", "items": { "KeyFile": { "format": "path" } } }] },
            } } },
            "storages": { "T": { "parameters": { "File": { "format": "path", "access": "write" } } } },
        });
        serde_json::from_str(&json.to_string()).unwrap()
    }

    fn grants(
        source: &serde_json::Value,
        storage: &serde_json::Value,
    ) -> (Vec<(String, PathBuf, Access)>, Vec<String>) {
        let config = serde_json::json!({
            "source": { "name": "S", "config": source }, "storage": { "name": "T", "config": storage },
        });
        let (grants, warnings) = manifest_grants(&catalog(), &config.to_string());
        (grants.into_iter().map(|grant| (grant.parameter, grant.path, grant.access)).collect(), warnings)
    }

    #[test]
    fn a_file_is_read_and_a_databases_folder_is_written() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let file = root.join("with space.csv");
        fs::write(&file, "").unwrap();
        let url = format!("file://{}", file.display().to_string().replace(' ', "%20"));
        let key = root.join("key");
        fs::write(&key, "").unwrap();
        for path in [file.display().to_string(), url, format!("{}/x/../with space.csv", root.display())] {
            fs::create_dir_all(root.join("x")).unwrap();
            let (found, warnings) = grants(
                &serde_json::json!({
                    "Path": { "value": path }, "Other": { "value": "/etc/shadow" },
                    "Auth": { "value": "key", "items": { "KeyFile": { "value": key } } },
                }),
                &serde_json::json!({ "File": { "value": root.join("new.duckdb") } }),
            );
            let expected = [
                ("KeyFile".to_owned(), key.clone(), Access::Read),
                ("Path".to_owned(), file.clone(), Access::Read),
                ("File".to_owned(), root.clone(), Access::Write),
            ];
            assert_eq!((found.as_slice(), warnings.len()), (expected.as_slice(), 0));
        }
    }

    // Case 33: relative, "..", "/", NUL, 300 characters, symbolic links.
    #[test]
    fn odd_paths_grant_nothing() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let link = root.join("link");
        symlink("/etc/passwd", &link).unwrap();
        let long = format!("/{}", "x".repeat(300));
        let odd = [
            "a.csv",
            "../a.csv",
            "..",
            "/",
            "",
            "/etc/pass\0wd",
            "/etc/..",
            "https://h/etc/passwd",
            "file:",
            "file:%00",
            &long,
        ];
        for path in odd {
            let (found, _) =
                grants(&serde_json::json!({ "Path": { "value": path } }), &serde_json::json!({}));
            assert_eq!(found, [], "{path:?}");
        }
        for path in ["a.duckdb", "..", "/", "", "/a\0/b", "https://h/x", &format!("{long}/x")] {
            let (found, _) =
                grants(&serde_json::json!({}), &serde_json::json!({ "File": { "value": path } }));
            assert_eq!(found, [], "{path:?}");
        }
        let (found, warnings) =
            grants(&serde_json::json!({ "Path": { "value": link } }), &serde_json::json!({}));
        assert!(found.is_empty() && warnings[0].contains("symbolic link"), "{warnings:?}");
        let (found, warnings) =
            grants(&serde_json::json!({ "Path": { "value": root } }), &serde_json::json!({}));
        assert!(found.is_empty() && warnings[0].contains("folder"), "{warnings:?}");
    }
}
