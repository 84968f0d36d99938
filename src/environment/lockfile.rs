//! npm's lockfile: counting, and carrying it between machines. It names the connectors package by
//! its path, which is replaced by a placeholder in a lockfile that is kept elsewhere.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Code, Result, RunnerError};
use crate::foreign::{read_text, refuse_depth};
use crate::manifest::CONNECTORS_PACKAGE;

/// Stands for the connectors package's path in a lockfile that is kept.
const PLACEHOLDER: &str = "file:connectors-package";

/// How many packages a folder's lockfile has.
pub fn count_packages(folder: &Path) -> usize {
    let text = read_text(&folder.join("package-lock.json")).unwrap_or_default();
    let lockfile: Value = serde_json::from_str(&text).unwrap_or_default();
    lockfile["packages"].as_object().map_or(0, |packages| packages.len().saturating_sub(1))
}

/// An environment's lockfile as it can be kept and used on another machine.
///
/// # Errors
/// `INTERNAL` when it cannot be read.
pub fn portable(environment: &Path) -> Result<String> {
    let path = environment.join("package-lock.json");
    let text = read_text(&path).map_err(|cause| RunnerError::file("read", &path, &cause))?;
    let mut lockfile = parse(&text)?;
    point_connectors(&mut lockfile, PLACEHOLDER, PLACEHOLDER);
    Ok(format!("{lockfile:#}\n"))
}

/// A kept lockfile with the connectors package at this place, for npm in `environment`.
///
/// # Errors
/// `INVALID_CONFIG` for a text that is no lockfile.
pub fn with_connectors(text: &str, connectors: &Path, environment: &Path) -> Result<String> {
    let mut lockfile = parse(text)?;
    let relative = relative_path(environment, connectors);
    point_connectors(
        &mut lockfile,
        &format!("file:{}", connectors.display()),
        &format!("file:{}", relative.display()),
    );
    Ok(format!("{lockfile:#}\n"))
}

fn parse(text: &str) -> Result<Value> {
    let invalid = |cause: &str| {
        RunnerError::new(
            Code::InvalidConfig,
            format!(
                "the lockfile cannot be used: {cause}; make it anew with connector-runner store lock CONFIG"
            ),
        )
    };
    refuse_depth(text.as_bytes(), 0).map_err(|cause| invalid(&cause))?;
    let lockfile: Value = serde_json::from_str(text).map_err(|cause| invalid(&cause.to_string()))?;
    if !lockfile["packages"][""].is_object() {
        return Err(invalid("it is not an npm lockfile of version 2 or later"));
    }
    Ok(lockfile)
}

fn point_connectors(lockfile: &mut Value, specifier: &str, resolved: &str) {
    let wanted = &mut lockfile["packages"][""]["dependencies"];
    if wanted.get(CONNECTORS_PACKAGE).is_some() {
        wanted[CONNECTORS_PACKAGE] = specifier.into();
    }
    let installed = &mut lockfile["packages"][format!("node_modules/{CONNECTORS_PACKAGE}")];
    if installed.is_object() {
        installed["resolved"] = resolved.into();
    }
}

/// The way from one folder to another; both are absolute.
fn relative_path(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(common).map(|_| "..");
    up.map(PathBuf::from).chain([to.components().skip(common).collect()]).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_lockfile_survives_the_way_to_another_place() {
        let folder = tempfile::tempdir().unwrap();
        let lockfile = serde_json::json!({ "lockfileVersion": 3, "packages": {
            "": { "dependencies": { "@owox/connectors": "file:/here/package", "a": "^1" } },
            "node_modules/@owox/connectors": { "version": "1.0.0", "resolved": "file:../../here/package" },
            "node_modules/a": { "version": "1.2.3" },
        } });
        fs::write(folder.path().join("package-lock.json"), lockfile.to_string()).unwrap();
        assert_eq!(count_packages(folder.path()), 2);
        let kept = portable(folder.path()).unwrap();
        assert!(!kept.contains("here"), "{kept}");
        let used = with_connectors(&kept, Path::new("/there/package"), Path::new("/there/store/x")).unwrap();
        let used: Value = serde_json::from_str(&used).unwrap();
        assert_eq!(used["packages"][""]["dependencies"]["@owox/connectors"], "file:/there/package");
        assert_eq!(used["packages"]["node_modules/@owox/connectors"]["resolved"], "file:../../package");
        assert_eq!(used["packages"]["node_modules/a"]["version"], "1.2.3");
        let deep =
            format!("{{\"packages\":{{\"\":{{}}}},\"x\":{}}}", "[".repeat(100_000) + &"]".repeat(100_000));
        for text in ["", "[]", "{}", "{\"packages\":{}}", &deep] {
            assert_eq!(
                with_connectors(text, Path::new("/a"), Path::new("/b")).unwrap_err().code,
                Code::InvalidConfig
            );
        }
    }
}
