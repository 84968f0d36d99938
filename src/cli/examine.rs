//! What is known of a configuration without running it, as `check` shows it and `run` goes by it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::common::{nearest, suggestion};
use super::findings::{Findings, Member, Severity, members};
use super::literals::literals;
use crate::config::storage_name;
use crate::connectors::{Manifests, Parameter, is_constructed, parameters, storage_dependencies};
use crate::run::Connectors;

/// What was found in a configuration's text.
#[derive(Debug)]
pub struct Examined<'a> {
    /// What is to be mended.
    pub findings: Findings<'a>,
    /// The storage, where it is one that can run, and where it stands.
    pub storage: Option<(String, &'a str)>,
}

/// Looks at a configuration's text, which is JSON. Relative paths count from `folder`.
///
/// Only what manifests say makes errors of parameters: what classes define when they are constructed
/// may be less than they know.
pub fn examine<'a>(text: &'a str, folder: PathBuf, connectors: &Connectors) -> Examined<'a> {
    let mut findings = Findings::new(text);
    let mut checker =
        Checker { text, folder, is_declared: true, storage: None, connectors, findings: &mut findings };
    checker.config();
    let storage = checker.storage.take();
    literals(text, &mut findings);
    Examined { findings, storage }
}

/// Names that a person can choose from.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

struct Checker<'a, 'f> {
    text: &'a str,
    /// From which relative paths count.
    folder: PathBuf,
    /// Whether the parameters are those of a manifest, and not found by construction.
    is_declared: bool,
    /// The storage, where it is one that can run, and where it stands.
    storage: Option<(String, &'a str)>,
    connectors: &'f Connectors,
    findings: &'f mut Findings<'a>,
}

impl<'a> Checker<'a, '_> {
    fn error(&mut self, path: &str, at: &'a str, message: String) {
        self.findings.add(Severity::Error, path, at, message);
    }

    fn warning(&mut self, path: &str, at: &'a str, message: String) {
        self.findings.add(Severity::Warning, path, at, message);
    }

    /// An error where a manifest says so, else a doubt.
    fn wrong(&mut self, path: &str, at: &'a str, message: String) {
        if self.is_declared {
            self.error(path, at, message);
        } else {
            self.findings.doubt(Severity::Warning, path, at, message);
        }
    }

    /// An error: of a run only where a manifest says so, since a class may not mean it.
    fn missing(&mut self, path: &str, at: &'a str, message: String) {
        if self.is_declared {
            self.error(path, at, message);
        } else {
            self.findings.doubt(Severity::Error, path, at, message);
        }
    }

    fn members(&self, text: &'a str) -> Option<Vec<Member<'a>>> {
        members(self.text, text)
    }

    fn config(&mut self) {
        let whole = self.text.trim();
        let Some(all) = self.members(whole) else {
            return self.error(
                "",
                whole,
                "a configuration is a JSON object with name, source and storage".into(),
            );
        };
        match all.iter().rfind(|member| member.key == "name") {
            None => self.error("name", whole, "is missing; give the configuration any name".into()),
            Some(name) if is_text(name.value) => {}
            Some(name) => self.error("name", name.at, "must be a text that is not empty".into()),
        }
        for section in ["source", "storage"] {
            match all.iter().rfind(|member| member.key == section) {
                None => {
                    let meant = nearest(section, all.iter().map(|member| member.key.as_str()));
                    let hint = meant.map(|meant| format!("; is {meant:?} meant to be it?"));
                    self.error(section, whole, format!("is missing{}", hint.unwrap_or_default()));
                }
                Some(found) => self.section(section, found),
            }
        }
    }

    fn section(&mut self, section: &'static str, found: &Member<'a>) {
        let Some(all) = self.members(found.value) else {
            return self.error(section, found.at, "must be an object with name and config".into());
        };
        let connectors = self.connectors;
        let known =
            if section == "source" { &connectors.catalog.sources } else { &connectors.catalog.storages };
        let path = format!("{section}.name");
        let name = match all.iter().rfind(|member| member.key == "name") {
            None => {
                self.error(&path, found.at, format!("is missing; there are {}", listed(names(known))));
                None
            }
            Some(name) => {
                let text = serde_json::from_str::<String>(name.value).ok();
                if text.is_none() {
                    self.error(&path, name.at, "must be a text".into());
                }
                text.and_then(|text| self.known_name(section, &path, known, name, &text))
            }
        };
        let path = format!("{section}.config");
        match all.iter().rfind(|member| member.key == "config") {
            None => self.error(&path, found.at, "is missing; write {} where there is nothing to set".into()),
            Some(config) => match (self.members(config.value), name) {
                (None, _) => self.error(&path, config.at, "must be an object of parameters".into()),
                (Some(given), Some(name)) => {
                    let declared = parameters(known, &name);
                    // a package without parameters in its manifests says nothing about them
                    if !declared.is_empty() {
                        self.is_declared = !is_constructed(known, &name);
                        self.parameters(&path, config.at, &given, &declared, section == "source");
                    }
                }
                (Some(_), None) => {}
            },
        }
    }

    /// The name by which the package knows it.
    fn known_name(
        &mut self,
        section: &str,
        path: &str,
        known: &Manifests,
        member: &Member<'a>,
        given: &str,
    ) -> Option<String> {
        let name = if section == "storage" { storage_name(given) } else { given };
        if !known.contains_key(name) {
            let there = suggestion(name, || names(known));
            let title = self.connectors.package.title();
            self.error(path, member.at, format!("{title} has no {section} {name:?}; {there}"));
            return None;
        }
        if section == "storage" {
            match storage_dependencies(&self.connectors.catalog, &self.connectors.package, name) {
                Ok(_) => self.storage = Some((name.to_owned(), member.at)),
                Err(error) => self.error(path, member.at, error.message),
            }
        }
        Some(name.to_owned())
    }

    /// `choices`: whether an object without `value` is a one-of, as it is in a source.
    fn parameters(
        &mut self,
        path: &str,
        at: &'a str,
        given: &[Member<'a>],
        declared: &BTreeMap<String, Parameter>,
        choices: bool,
    ) {
        for member in given {
            let path = format!("{path}.{}", member.key);
            if let Some(parameter) = declared.get(&member.key) {
                self.parameter(&path, member, parameter, choices);
                continue;
            }
            let known = || declared.keys().map(String::as_str);
            let there = suggestion(&member.key, known);
            let message = if self.is_declared {
                format!("is no parameter; {there}")
            } else {
                format!("is not among the parameters that its classes define; {there}")
            };
            self.wrong(&path, member.at, message);
        }
        for (name, parameter) in declared {
            if parameter.required && !given.iter().any(|member| member.key == *name) {
                let about = parameter.description.as_ref().map(|text| format!(": {text}"));
                let (path, about) = (format!("{path}.{name}"), about.unwrap_or_default());
                // what a class asks of its configuration its connector may set itself
                if self.is_declared || choices {
                    self.missing(&path, at, format!("is missing{about}"));
                } else {
                    self.warning(
                        &path,
                        at,
                        format!("may be missing{about}; its connector may set it itself"),
                    );
                }
            }
        }
    }

    fn parameter(&mut self, path: &str, member: &Member<'a>, parameter: &Parameter, choices: bool) {
        let inner = self.members(member.value).filter(|inner| !inner.is_empty());
        let wrapped = inner.as_ref().and_then(|inner| inner.iter().rfind(|member| member.key == "value"));
        let value = match (&inner, wrapped) {
            (_, Some(wrapped)) => wrapped.value,
            (Some(inner), None) if choices => return self.choice(path, member, inner, parameter),
            _ => member.value,
        };
        if !parameter.one_of.is_empty()
            && let Ok(chosen) = serde_json::from_str::<String>(value)
            && !parameter.one_of.iter().any(|choice| choice.value == chosen)
        {
            return self.wrong(
                path,
                member.at,
                format!("has no choice {chosen:?}; {}", among(parameter, &chosen)),
            );
        }
        if value == "null" {
            // what `init` writes where something is to be filled in
            let message = "must have a value".to_owned();
            match (parameter.required, self.is_declared || choices) {
                (true, true) => self.missing(path, member.at, message),
                (true, false) => self.warning(path, member.at, message),
                (false, _) => {}
            }
            return;
        }
        if let Some(expected) = parameter.kind.as_deref().and_then(|kind| mismatch(kind, value)) {
            return self.wrong(path, member.at, format!("must be {expected}"));
        }
        if let (Some(minimum), Ok(number)) = (parameter.minimum, serde_json::from_str::<f64>(value))
            && number < minimum
        {
            self.wrong(path, member.at, format!("must be {minimum} or more"));
        }
        // a storage makes its file where it is missing
        if choices && parameter.format.as_deref() == Some("path") {
            self.source_file(path, member, value);
        }
        if parameter.secret && is_text(value) {
            let message =
                "is a secret in plain text; keep the file out of version control and readable for you only";
            self.warning(path, member.at, message.into());
        }
    }

    /// It may come to be before the run, so that this is a warning.
    fn source_file(&mut self, path: &str, member: &Member<'a>, value: &str) {
        let Ok(name) = serde_json::from_str::<String>(value) else { return };
        let is_local = !name.is_empty() && !name.contains("://") && !name.starts_with("file:");
        if is_local && !name.contains(['*', '?']) && !self.folder.join(&name).exists() {
            let message = format!("there is no {} now", self.folder.join(&name).display());
            self.warning(path, member.at, message);
        }
    }

    fn choice(&mut self, path: &str, member: &Member<'a>, inner: &[Member<'a>], parameter: &Parameter) {
        let Some(first) = inner.first() else { return };
        if parameter.one_of.is_empty() {
            let message = "is no choice between groups; write { \"value\": … } around an object";
            return self.wrong(path, member.at, message.into());
        }
        for other in &inner[1..] {
            let message = format!("is ignored, since {} comes first: one choice at a time", first.key);
            self.warning(&format!("{path}.{}", other.key), other.at, message);
        }
        let Some(choice) = parameter.one_of.iter().find(|choice| choice.value == first.key) else {
            let message = format!("has no choice {:?}; {}", first.key, among(parameter, &first.key));
            return self.wrong(path, first.at, message);
        };
        let given = self.members(first.value).unwrap_or_default();
        self.parameters(&format!("{path}.{}", first.key), first.at, &given, &choice.items, true);
    }
}

fn names(manifests: &Manifests) -> impl Iterator<Item = &str> {
    manifests.keys().map(String::as_str)
}

fn among(parameter: &Parameter, given: &str) -> String {
    suggestion(given, || parameter.one_of.iter().map(|choice| choice.value.as_str()))
}

fn is_text(value: &str) -> bool {
    serde_json::from_str::<String>(value).is_ok_and(|text| !text.is_empty())
}

/// What a value of this type has to be, where the given one cannot be converted to it. Text
/// stands for what it spells, since values from forms are text.
fn mismatch(kind: &str, value: &str) -> Option<&'static str> {
    let text = serde_json::from_str::<String>(value).ok();
    let spelled = text.as_deref().unwrap_or(value).trim();
    let first = value.as_bytes().first().copied().unwrap_or_default();
    let (fits, expected) = match kind {
        "string" => (first != b'{' && first != b'[', "a text"),
        "number" => (
            !matches!(first, b'{' | b'[' | b't' | b'f') && spelled.parse::<f64>().is_ok_and(f64::is_finite),
            "a number",
        ),
        "boolean" => (matches!(spelled, "true" | "false"), "true or false"),
        "date" => {
            (text.is_some() && super::incremental_date(spelled).is_some(), "a date such as \"2026-01-31\"")
        }
        "array" => (first == b'[' || text.is_some(), "a list such as [\"a\", \"b\"]"),
        "object" => (first == b'{', "an object, written as { \"value\": { … } }"),
        _ => (true, ""),
    };
    (!fits).then_some(expected)
}
