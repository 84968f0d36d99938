//! What a connectors package brings along in its own folder: other packages, which need no
//! permission as long as they really are there.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::sources::{ASKING, Allowed, not_allowed, read_json};
use crate::error::{Result, RunnerError};
use crate::specifier::{Origin, origin};

/// Most folders of a `node_modules` that are looked through.
const MAX_FOLDERS: usize = 100_000;

/// Refuses a connectors package that asks for what is not allowed, before npm touches any of it.
/// What packages of the registry ask for is known only later.
///
/// # Errors
/// `INVALID_CONFIG`, naming the dependency and the option that would allow it.
pub fn check(allowed: Allowed<'_>) -> Result<()> {
    let mut folders = vec![allowed.connectors_root.to_owned()];
    let mut seen: HashSet<_> = folders.iter().cloned().collect();
    while let Some(folder) = folders.pop() {
        let manifest = read_json(&folder.join("package.json")).unwrap_or_default();
        for (name, specifier) in ASKING.iter().filter_map(|field| manifest[*field].as_object()).flatten() {
            let Some(specifier) = specifier.as_str() else { continue };
            let local = check_one(name, specifier, &folder, allowed)?;
            folders.extend(local.filter(|local| seen.insert(local.clone())));
        }
        check_bundle(&manifest, &folder, allowed)?;
    }
    Ok(())
}

/// Gives the folder of a dependency that is a part of the package.
fn check_one(name: &str, specifier: &str, folder: &Path, allowed: Allowed<'_>) -> Result<Option<PathBuf>> {
    let refused = |option| Err(not_allowed(name, "", &format!("{specifier:?}"), option));
    match origin(specifier) {
        Some(Origin::Git) if !allowed.origins.allow(Origin::Git) => refused("git"),
        Some(Origin::Url) if !allowed.origins.allow(Origin::Url) => refused("url"),
        Some(Origin::File) if !allowed.origins.allow(Origin::File) => {
            let local = real_path(specifier, folder);
            if !allowed.permits_path(local.as_deref()) {
                let leads = local.map(|path| format!(" ({})", path.display())).unwrap_or_default();
                return Err(not_allowed(name, "", &format!("{specifier:?}{leads}"), "file"));
            }
            Ok(local)
        }
        // what npm does not understand it refuses itself
        _ => Ok(None),
    }
}

/// Where a `file:` specifier in a folder's `package.json` leads; none where it is not there, or
/// could mean something else to npm.
pub fn real_path(specifier: &str, folder: &Path) -> Option<PathBuf> {
    let is_file = specifier.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("file:"));
    let path = if is_file { &specifier[5..] } else { specifier };
    let is_plain =
        !path.contains(['%', '?', '#', '\\']) && !path.starts_with(['~']) && !path.starts_with("//");
    let is_plain = is_plain && !path.starts_with("/~") && !path.starts_with("/.");
    fs::canonicalize(folder.join(path)).ok().filter(|_| is_plain)
}

/// Refuses a package that bundles its `node_modules` where a link in there leads out of the
/// package: npm packs what it finds behind it. What a package manager has installed for the host, in
/// a `node_modules` above, is as good as the package's own.
fn check_bundle(manifest: &Value, folder: &Path, allowed: Allowed<'_>) -> Result<()> {
    let bundled = ["bundleDependencies", "bundledDependencies"].map(|field| &manifest[field]);
    let is_empty =
        |value: &&Value| value.is_null() || **value == false || value.as_array().is_some_and(Vec::is_empty);
    if allowed.origins.allow(Origin::File) || bundled.iter().all(is_empty) {
        return Ok(());
    }
    let failed = |cause: io::Error| RunnerError::file("read the connectors package in", folder, &cause);
    let mut folders = vec![folder.join("node_modules")];
    let mut seen = 0;
    while let Some(next) = folders.pop().filter(|_| seen < MAX_FOLDERS) {
        seen += 1;
        let entries = match fs::symlink_metadata(&next) {
            Ok(metadata) if metadata.is_symlink() => vec![next],
            Ok(_) => {
                let entries = fs::read_dir(&next).map_err(failed)?;
                entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<io::Result<_>>()
                    .map_err(failed)?
            }
            Err(_) => continue,
        };
        for entry in entries {
            let kind = fs::symlink_metadata(&entry).map_err(failed)?.file_type();
            if kind.is_dir() {
                folders.push(entry);
            } else if kind.is_symlink() {
                let real = fs::canonicalize(&entry).ok();
                let is_fine = real.as_deref().is_none_or(|real| {
                    real.starts_with(allowed.connectors_root)
                        || is_installed_above(real, allowed.connectors_root)
                });
                if !is_fine {
                    let place = real.unwrap_or_default().display().to_string();
                    let name = entry.strip_prefix(folder.join("node_modules")).unwrap_or(&entry);
                    return Err(not_allowed(
                        &name.display().to_string(),
                        ", which is bundled,",
                        &place,
                        "file",
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Whether a path is in a `node_modules` of a folder above the package.
fn is_installed_above(path: &Path, root: &Path) -> bool {
    let modules = path.components().position(|part| part == Component::Normal("node_modules".as_ref()));
    modules.is_some_and(|at| root.starts_with(path.components().take(at).collect::<PathBuf>()))
}
