//! Dependencies: what manifests ask for, what every environment gets, and the generated
//! `package.json` (contract, section 7).

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Result, RunnerError};

/// One npm package of an environment, and the globals it becomes in `main.js`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// npm package name.
    pub name: String,
    /// npm version, range or `file:` specifier; what only becomes a script needs none.
    #[serde(default)]
    pub version: String,
    /// Global names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub global: Vec<String>,
    /// Whether the module itself is the global, instead of its properties.
    #[serde(default)]
    pub global_is: bool,
}

impl Dependency {
    fn module(name: &str, version: &str, global: &str) -> Self {
        Self { name: name.into(), version: version.into(), global: vec![global.into()], global_is: true }
    }

    /// Refuses what could not be a package or an identifier, since both are used in a script.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, naming the dependency and what is wrong with it.
    pub fn check(&self) -> Result<()> {
        self.check_names()?;
        if self.version.trim().is_empty() || self.version.contains('\0') {
            return Err(RunnerError::new(
                Code::InvalidConfig,
                format!("dependency {:?} has no version; name one, such as \"^1.0.0\"", self.name),
            ));
        }
        Ok(())
    }

    /// The same of what gets into a script.
    ///
    /// # Errors
    /// As [`Dependency::check`].
    pub fn check_names(&self) -> Result<()> {
        if !is_package_name(&self.name) {
            return Err(RunnerError::new(
                Code::InvalidConfig,
                format!("dependency {:?} is not a valid npm package name", self.name),
            ));
        }
        match self.global.iter().find(|name| !is_identifier(name)) {
            Some(name) => Err(RunnerError::new(
                Code::InvalidConfig,
                format!(
                    "dependency {:?} asks for the global {name:?}, which is not a JavaScript identifier",
                    self.name
                ),
            )),
            None => Ok(()),
        }
    }
}

/// The name under which every environment has the connectors package, whatever its own name.
pub const CONNECTORS_PACKAGE: &str = "@owox/connectors";

/// The connectors package itself, as a dependency on its folder.
pub fn connectors_dependency(root: &Path) -> Dependency {
    Dependency::module(CONNECTORS_PACKAGE, &format!("file:{}", root.display()), "OWOX")
}

/// What the 0.11 connectors package needs beside itself and does not declare.
pub fn undeclared_dependencies() -> Vec<Dependency> {
    vec![
        Dependency::module("@kaciras/deasync", "1.1.0", "deasync"),
        Dependency::module("sync-request", "6.1.0", "request"),
        Dependency::module("adm-zip", "0.5.16", "AdmZip"),
    ]
}

/// `getDefaultDependencies()`: the connectors package first, then the undeclared ones.
pub fn default_dependencies(connectors_root: &Path) -> Vec<Dependency> {
    let mut all = vec![connectors_dependency(connectors_root)];
    all.extend(undeclared_dependencies());
    all
}

/// What of a connectors package's own `package.json` decides its environment.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PackageManifest {
    /// `name`.
    #[serde(default)]
    pub name: Option<String>,
    /// `version`.
    #[serde(default)]
    pub version: Option<String>,
    /// `dependencies`; only whether there are any matters.
    #[serde(default)]
    pub dependencies: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    owox: Option<OwoxSection>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct OwoxSection {
    #[serde(default, rename = "runnerDependencies")]
    runner_dependencies: Option<Vec<Dependency>>,
}

impl PackageManifest {
    /// The dependencies that an environment really gets for this package: exactly those it names
    /// in `owox.runnerDependencies`; none where it declares dependencies of its own; otherwise
    /// those that 0.11 leaves undeclared.
    pub fn runner_dependencies(&self) -> Vec<Dependency> {
        if let Some(named) = self.owox.as_ref().and_then(|owox| owox.runner_dependencies.clone()) {
            return named;
        }
        match &self.dependencies {
            Some(own) if !own.is_empty() => Vec::new(),
            _ => undeclared_dependencies(),
        }
    }
}

/// The generated `package.json`: `dependencies` with `defaults` first; a later entry of the same
/// name wins, at the place of the first.
pub fn package_json(connector_id: &str, defaults: &[Dependency], own: &[Dependency]) -> serde_json::Value {
    let mut dependencies = serde_json::Map::new();
    for dependency in defaults.iter().chain(own) {
        dependencies.insert(dependency.name.clone(), dependency.version.clone().into());
    }
    serde_json::json!({
        "name": format!("connector-{connector_id}"),
        "private": true,
        "dependencies": dependencies,
    })
}

/// npm's rule for names, old packages with capitals included: at most 214 characters of a set
/// that is safe in a path, not starting with a dot or underscore, optionally under one scope.
pub fn is_package_name(name: &str) -> bool {
    fn part(text: &str) -> bool {
        !text.is_empty()
            && !text.starts_with(['.', '_', '-'])
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    }
    let parts = match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, rest)| part(scope) && part(rest)),
        None => part(name),
    };
    parts && name.len() <= 214 && !matches!(name, "node_modules" | "favicon.ico")
}

/// Words of JavaScript's grammar that no variable can be called.
const RESERVED: [&str; 38] = [
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "import",
    "in",
    "instanceof",
    "new",
    "null",
    "return",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Whether the text is an identifier that needs no escape: letters, digits, `_` and `$`, and no
/// word of the language.
pub fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$')
        && characters.all(|next| next.is_alphanumeric() || next == '_' || next == '$')
        && text != "__proto__"
        && !RESERVED.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(json: &str) -> PackageManifest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn defaults_come_in_the_documented_order() {
        let names: Vec<_> = default_dependencies(Path::new("/c"))
            .into_iter()
            .map(|d| (d.name, d.version, d.global))
            .collect();
        let expected = [
            ("@owox/connectors", "file:/c", "OWOX"),
            ("@kaciras/deasync", "1.1.0", "deasync"),
            ("sync-request", "6.1.0", "request"),
            ("adm-zip", "0.5.16", "AdmZip"),
        ];
        assert_eq!(names, expected.map(|(n, v, g)| (n.into(), v.into(), vec![g.to_owned()])));
    }

    #[test]
    fn a_package_decides_which_of_the_defaults_it_gets() {
        assert_eq!(manifest("{}").runner_dependencies().len(), 3);
        assert_eq!(manifest(r#"{"dependencies":{}}"#).runner_dependencies().len(), 3);
        assert_eq!(manifest(r#"{"dependencies":{"a":"1"}}"#).runner_dependencies(), []);
        assert_eq!(manifest(r#"{"owox":{"runnerDependencies":[]}}"#).runner_dependencies(), []);
        let named = manifest(
            r#"{"dependencies":{"a":"1"},"owox":{"runnerDependencies":[{"name":"b","version":"2","global":["b"],"global_is":true}]}}"#,
        );
        assert_eq!(named.runner_dependencies(), [Dependency::module("b", "2", "b")]);
    }

    #[test]
    fn a_storages_own_version_wins_in_package_json() {
        let defaults = default_dependencies(Path::new("/c"));
        let json = package_json("id", &defaults, &[Dependency::module("adm-zip", "1.0.0", "AdmZip")]);
        assert_eq!(json["name"], "connector-id");
        assert_eq!(json["private"], true);
        assert_eq!(json["dependencies"]["adm-zip"], "1.0.0");
        let order: Vec<_> = json["dependencies"].as_object().unwrap().keys().collect();
        assert_eq!(order, ["@owox/connectors", "@kaciras/deasync", "sync-request", "adm-zip"]);
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in [
            "", "..", "../x", "a/b", "@a", "@a/", "@/b", "@a/b/c", "a b", "a\0", ".a", "_a", "-a", "a');//",
            "-g;x",
        ] {
            let dependency = Dependency::module(name, "1", "x");
            assert_eq!(dependency.check().unwrap_err().code, Code::InvalidConfig, "{name:?}");
        }
        for global in ["", "1a", "a b", "a.b", "x;y", "a-b", "__proto__", "class", "await", "\u{0}"] {
            assert!(Dependency::module("ok", "1", global).check().is_err(), "{global:?}");
        }
        for name in ["@google-cloud/bigquery", "JSONStream", "lodash.merge", "a~b"] {
            Dependency::module(name, "^1", "$ok_1").check().unwrap();
        }
        assert!(Dependency::module("ok", " ", "x").check().is_err());
    }
}
