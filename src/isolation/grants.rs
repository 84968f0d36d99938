//! Paths that a configuration names and that its manifests mark with `"format": "path"`: exactly
//! these are granted, and what a configuration says can only ever name a file, not widen a grant.

use std::path::{Path, PathBuf};

use crate::connectors::{Catalog, Package, Parameter, parameters};
use crate::context::Variables;
use crate::error::{Code, Result, RunnerError};
use crate::output::redact::json::{Value, parse};
use crate::output::redact::percent_decoded;

use super::links::{Last, Place, follow};
use super::{Isolation, Mode};
use crate::host::Host;

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
    /// The file, or for writing the folder, as it was found.
    pub place: Place,
    /// What for.
    pub access: Access,
    /// The parameter that names it, for messages.
    pub parameter: String,
}

/// What the path parameters of a configuration (`OW_CONFIG`) grant, and what is said of those that
/// grant less than they seem to. `writable`: folders that the caller lets runs write.
pub fn manifest_grants(
    catalog: &Catalog,
    config: &str,
    writable: &[Place],
) -> (Vec<Grant>, Vec<(Access, String)>) {
    let (mut grants, mut warnings) = (Vec::new(), Vec::new());
    let Some(config) = parse(config) else { return (grants, warnings) };
    let mut writable = writable.to_vec();
    // what is written comes first: a link that lies there leads nowhere
    for wanted in [Access::Write, Access::Read] {
        for (section, manifests) in [("source", &catalog.sources), ("storage", &catalog.storages)] {
            let Some(section) = config.member(section) else { continue };
            let (Some(Value::Text(name)), Some(given)) = (section.member("name"), section.member("config"))
            else {
                continue;
            };
            walk(given, &parameters(manifests, name), &mut |name, parameter, value| {
                let is_written = parameter.access.as_deref() == Some("write");
                let access = if is_written { Access::Write } else { Access::Read };
                if access != wanted {
                    return;
                }
                let Granted { place, warning } = grant_of(value, access, &writable);
                if let Some(place) = place {
                    writable.extend(is_written.then(|| place.clone()));
                    grants.push(Grant { place, access, parameter: name.to_owned() });
                }
                warnings.extend(warning.map(|why| (access, format!("{name} {why}"))));
            });
        }
    }
    (grants, warnings)
}

/// The same of a connector's variables. Only `strict` limits what may be read: elsewhere a file that
/// is not granted is nothing to speak of.
///
/// # Errors
/// `INVALID_CONFIG` in `strict`, for a folder that only the package itself says may be written.
pub fn granted_by(
    (package, catalog): (&Package, &Catalog),
    variables: &Variables,
    isolation: &Isolation,
    host: &Host,
) -> Result<(Vec<Grant>, Vec<String>)> {
    let config = variables.iter().rev().find(|(name, _)| name == "OW_CONFIG");
    let Some((_, config)) = config.filter(|_| isolation.needs_grants()) else {
        return Ok(Default::default());
    };
    let writable: Vec<_> =
        isolation.write.iter().filter_map(|path| Place::find(&host.absolute(path))).collect();
    let (grants, mut warnings) = manifest_grants(catalog, config, &writable);
    warnings.retain(|(access, _)| match isolation.mode {
        Mode::None => false,
        Mode::Standard => *access == Access::Write,
        Mode::Strict => true,
    });
    let mut warnings: Vec<_> = warnings.into_iter().map(|(_, warning)| warning).collect();
    if !package.is_reference(host) {
        warnings.extend(proposed(&grants, package, &writable, isolation.mode)?);
    }
    Ok((grants, warnings))
}

/// What is said of folders that a package has written by its own manifest: it may propose them, and
/// whoever runs it decides. Those of `writable` are decided.
fn proposed(grants: &[Grant], package: &Package, writable: &[Place], mode: Mode) -> Result<Vec<String>> {
    let undecided =
        grants.iter().filter(|grant| grant.access == Access::Write && !grant.place.is_in(writable));
    let said = undecided.map(|Grant { place, parameter, .. }| {
        let (folder, title) = (place.path.display(), package.title());
        if mode == Mode::Strict {
            return Err(RunnerError::new(
                Code::InvalidConfig,
                format!(
                    "{parameter}: that {folder} may be written is said by the manifest of {title} alone, which is \
                     not enough in isolation 'strict'; if you trust it with that, allow it with the option \
                     isolation.write: ['{folder}'] or --allow-write {folder}"
                ),
            ));
        }
        Ok(format!(
            "{parameter} lets the connector write in {folder}, since the manifest of {title} asks for it; grant the \
             folder by isolation.write (--allow-write) if that is what you want"
        ))
    });
    said.collect()
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

/// What a parameter grants, and what its user should know of it.
#[derive(Debug, Default)]
struct Granted {
    place: Option<Place>,
    warning: Option<String>,
}

impl Granted {
    fn nothing(why: &str) -> Self {
        Self { place: None, warning: Some(format!("grants nothing: {why}")) }
    }

    fn all_of(place: Place) -> Self {
        Self { place: Some(place), warning: None }
    }
}

/// The place to grant; none for what is no path of this machine, or is not there: then the connector
/// has its own words for it.
fn grant_of(value: &str, access: Access, writable: &[Place]) -> Granted {
    let Some(path) = local_path(value) else { return Granted::default() };
    if path.as_os_str().as_encoded_bytes().contains(&0) || !path.is_absolute() {
        return Granted::default();
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Granted::default() };
    let Some(folder) = follow(folder, writable, Last::Folder) else { return Granted::default() };
    if let Some(link) = folder.leads_out(writable) {
        return Granted::nothing(&format!("{}; {}", link, remedy(access, &folder.place.path)));
    }
    let folder = folder.place;
    let file = follow(&folder.path.join(name), writable, Last::File);
    let mut within = writable.to_vec();
    // what is read is granted alone, and not what lies beside it
    within.extend((access == Access::Write).then(|| folder.clone()));
    let outside = file.as_ref().and_then(|file| file.leads_out(&within));
    match (access, file, outside) {
        (Access::Write, Some(file), Some(link)) => {
            let target = file.place.path.parent().unwrap_or(&file.place.path);
            let warning =
                Some(format!("grants {} alone: {link}; {}", folder.path.display(), remedy(access, target)));
            Granted { place: Some(folder), warning }
        }
        // where nobody writes, an administrator has linked it: what it leads to is meant
        (Access::Write, Some(file), None) if !file.is_doubtful() && file.place.is_file() => {
            Granted { place: file.folder, warning: None }
        }
        (Access::Write, ..) => Granted::all_of(folder),
        (Access::Read, None, _) => Granted::default(),
        (Access::Read, Some(file), Some(link)) => {
            Granted::nothing(&format!("{link}; {}", remedy(access, &file.place.path)))
        }
        (Access::Read, Some(file), None) if file.place.is_folder() => {
            Granted::nothing(&format!("{} is a folder", file.place.path.display()))
        }
        (Access::Read, Some(file), None) => Granted::all_of(file.place),
    }
}

fn remedy(access: Access, path: &Path) -> String {
    let (option, flag) = match access {
        Access::Read => ("isolation.read", "--allow-read"),
        Access::Write => ("isolation.write", "--allow-write"),
    };
    format!("name the file that is meant, or grant {} by {option} ({flag})", path.display())
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
    use std::fs;
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
        let (grants, warnings) = manifest_grants(&catalog(), &config.to_string(), &[]);
        let warnings = warnings.into_iter().map(|(_, warning)| warning).collect();
        (
            grants.into_iter().map(|grant| (grant.parameter, grant.place.path, grant.access)).collect(),
            warnings,
        )
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
                ("File".to_owned(), root.clone(), Access::Write),
                ("KeyFile".to_owned(), key.clone(), Access::Read),
                ("Path".to_owned(), file.clone(), Access::Read),
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

    #[test]
    fn a_link_grants_what_it_leads_to_only_where_no_run_can_have_put_it() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        for folder in ["real", "data", "secret"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        fs::write(root.join("secret/x.csv"), "").unwrap();
        fs::write(root.join("real/db"), "").unwrap();
        let db = |path: &str| serde_json::json!({ "File": { "value": root.join(path) } });
        let csv = |path: &str| serde_json::json!({ "Path": { "value": root.join(path) } });
        let none = serde_json::json!({});

        // an administrator's link to a folder
        symlink("real", root.join("admin")).unwrap();
        let (found, warnings) = grants(&none, &db("admin/db"));
        assert_eq!((found[0].1.clone(), warnings.len()), (root.join("real"), 0));

        // what a run may have put in place of its database
        symlink("../real/db", root.join("data/db")).unwrap();
        let (found, warnings) = grants(&none, &db("data/db"));
        assert_eq!((found.len(), found[0].1.clone()), (1, root.join("data")));
        let real = root.join("real").display().to_string();
        assert!(warnings[0].contains("symbolic link") && warnings[0].contains(&real), "{warnings:?}");
        assert!(warnings[0].contains("--allow-write"), "{warnings:?}");

        // or beside it
        symlink("../secret", root.join("data/in")).unwrap();
        symlink("../secret/x.csv", root.join("data/x.csv")).unwrap();
        for path in ["data/in/x.csv", "data/x.csv"] {
            let (found, warnings) = grants(&csv(path), &db("data/new"));
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            assert!(warnings[0].contains("--allow-read"), "{warnings:?}");
        }
        let (found, warnings) = grants(&none, &db("data/in/db"));
        assert_eq!((found.len(), warnings.len()), (1, 0), "nothing else is written there");

        // nor one in a folder that others write, to what lies below it
        symlink("secret/x.csv", root.join("x.csv")).unwrap();
        let (found, warnings) = grants(&csv("x.csv"), &none);
        assert!(found.is_empty() && warnings[0].contains("grants nothing"), "{found:?} {warnings:?}");

        // a link that stays where the run writes anyway
        symlink("new", root.join("data/same")).unwrap();
        fs::write(root.join("data/new"), "").unwrap();
        assert_eq!(
            grants(&none, &db("data/same")),
            (vec![("File".into(), root.join("data"), Access::Write)], vec![])
        );
    }
}
