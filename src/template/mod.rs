//! The script that every run starts, `main.js` (contract, section 8).

use serde_json::json;

use crate::error::Result;
use crate::manifest::Dependency;

/// The script, with one placeholder for the dependencies.
const SCRIPT: &str = include_str!("main.js");
const PLACEHOLDER: &str = "__DEPENDENCIES__";
const EAGER_PLACEHOLDER: &str = "__EAGER__";
const STACKS_PLACEHOLDER: &str = "__EVERY_STACK__";

/// What takes the place of the run where source and storage only say whether it could begin.
const CHECK: &str = include_str!("check.js");
const CHECK_CALL: &str = "return prove(config, [
['source', sourceName, globalThis[sourceName][`${sourceName}Source`]],
['storage', storageName, globalThis[storageName][`${storageName}Storage`]],
]);\n";
/// Where the run begins and ends in [`SCRIPT`].
const RUN: (&str, &str) = ("const source = new ", "return connector.run();\n");

/// What a script does beside what its dependencies ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Script {
    /// Whether all modules are loaded at start, so that one that fails to load does so before the
    /// connector runs.
    pub eager: bool,
    /// Whether errors that connectors expect are printed without their stacks.
    pub short_stacks: bool,
    /// Whether source and storage only say whether a run could begin.
    pub proves: bool,
}

/// Renders `main.js` for these dependencies. Names get into the script only inside a JSON
/// literal, and only after [`Dependency::check_names`].
///
/// # Errors
/// `INVALID_CONFIG` for a name that is no npm package name, or a global that is no identifier.
pub fn render(dependencies: &[Dependency], how: Script) -> Result<String> {
    let mut entries = Vec::with_capacity(dependencies.len());
    for dependency in dependencies {
        dependency.check_names()?;
        entries.push(json!({
            "name": dependency.name,
            "global": dependency.global,
            "global_is": dependency.global_is,
        }));
    }
    let flag = |is_set: bool| if is_set { "true" } else { "false" };
    let mut script = compact(SCRIPT).replacen(EAGER_PLACEHOLDER, flag(how.eager), 1).replacen(
        STACKS_PLACEHOLDER,
        flag(!how.short_stacks),
        1,
    );
    if how.proves
        && let Some((before, run)) = script.split_once(RUN.0)
        && let Some((_, after)) = run.split_once(RUN.1)
    {
        script = format!("{before}{CHECK_CALL}{after}{}", compact(CHECK));
    }
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
        assert!(
            render(std::slice::from_ref(&dependency), Script::default())
                .unwrap()
                .contains(r#""global":["X"]"#)
        );
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
        let as_ever = Script::default();
        render(&[hostile("x');process.exit(0)//", "x")], as_ever).unwrap_err();
        render(&[hostile("x", "x;process.exit(0)")], as_ever).unwrap_err();
        let script = render(&[hostile("x", "x")], as_ever).unwrap();
        assert!(!script.contains("__EAGER") && !script.contains("__EVERY") && !script.contains(PLACEHOLDER));
        assert!(script.len() < 4608, "{}", script.len());
        assert!(script.contains(r#"[{"name":"x","global":["x"],"global_is":true}]"#));
    }

    #[test]
    fn what_only_checks_never_runs() {
        let of = |proves| render(&[], Script { proves, ..Script::default() }).unwrap();
        assert!(of(false).contains("connector.run()") && !of(false).contains("prove("));
        let checks = of(true);
        assert!(!checks.contains("connector.run()") && !checks.contains("new Connector("));
        assert_eq!(checks.matches("prove(config").count(), 2, "{checks}");
    }
}
