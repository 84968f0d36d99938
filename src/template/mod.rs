//! The script that every run starts, `main.js` (contract, section 8).

use serde_json::json;

use crate::error::Result;
use crate::manifest::Dependency;

/// The script, with one placeholder for the dependencies.
const SCRIPT: &str = include_str!("main.js");
const PLACEHOLDER: &str = "__DEPENDENCIES__";
const EAGER_PLACEHOLDER: &str = "__EAGER__";

/// Renders `main.js` for these dependencies. Names get into the script only inside a JSON
/// literal, and only after [`Dependency::check_names`]. `eager`: all modules are loaded at start, so that
/// one that fails to load does so before the connector runs.
///
/// # Errors
/// `INVALID_CONFIG` for a name that is no npm package name, or a global that is no identifier.
pub fn render(dependencies: &[Dependency], eager: bool) -> Result<String> {
    let mut entries = Vec::with_capacity(dependencies.len());
    for dependency in dependencies {
        dependency.check_names()?;
        entries.push(json!({
            "name": dependency.name,
            "global": dependency.global,
            "global_is": dependency.global_is,
        }));
    }
    let script = compact(SCRIPT).replacen(EAGER_PLACEHOLDER, if eager { "true" } else { "false" }, 1);
    Ok(script.replacen(PLACEHOLDER, &serde_json::Value::from(entries).to_string(), 1))
}

/// The script without indentation and comments, which are for readers of this repository: it is
/// written for each run, and this way takes one block of the disk.
fn compact(script: &str) -> String {
    let is_comment = |line: &&str| ["//", "/*", "*"].iter().any(|start| line.starts_with(start));
    let lines = script.lines().map(str::trim_start).filter(|line| !is_comment(line));
    lines.flat_map(|line| [line.split(" // ").next().unwrap_or_default(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_needs_no_versions() {
        let dependency: Dependency = serde_json::from_str(r#"{"name":"x","global":["X"]}"#).unwrap();
        assert!(render(std::slice::from_ref(&dependency), false).unwrap().contains(r#""global":["X"]"#));
        dependency.check().unwrap_err(); // to install it takes one
    }

    #[test]
    fn hostile_dependencies_never_reach_the_script() {
        let hostile = |name: &str, global: &str| Dependency {
            name: name.into(),
            version: "1".into(),
            global: vec![global.into()],
            global_is: true,
        };
        render(&[hostile("x');process.exit(0)//", "x")], false).unwrap_err();
        render(&[hostile("x", "x;process.exit(0)")], false).unwrap_err();
        let script = render(&[hostile("x", "x")], false).unwrap();
        assert!(!script.contains(PLACEHOLDER) && !script.contains(EAGER_PLACEHOLDER));
        assert!(script.len() < 3900, "{}", script.len());
        assert!(script.contains(r#"[{"name":"x","global":["x"],"global_is":true}]"#));
    }
}
