//! `check`: what can be known of a configuration without running it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::common::{ConnectorsArgs, Printed, Terminal, nearest, suggestion};
use super::config_file::{explain, read_config};
use super::findings::{Findings, Member, Severity, members};
use super::look::Paint;
use super::state::try_state;
use crate::config::storage_name;
use crate::connectors::{Depth, Manifests, Parameter, is_constructed, parameters, storage_dependencies};
use crate::environment::{Published, published};
use crate::error::{Result, RunnerError};
use crate::host::Host;
use crate::run::{Connectors, describe_connectors};
use crate::specifier::{AllowedOrigins, Origin, origin};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The connector's configuration, a JSON file
    #[arg(value_name = "CONFIG")]
    pub config: String,

    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,

    /// Also ask npm whether the versions that the storage needs are there
    #[arg(long)]
    pub online: bool,

    /// State file that a run would be given, instead of the configuration's own
    #[arg(long, value_name = "FILE")]
    pub state: Option<String>,

    /// A run would neither read nor write a state
    #[arg(long, conflicts_with = "state")]
    pub no_state: bool,

    #[command(flatten)]
    pub connectors: ConnectorsArgs,
}

/// Checks a configuration. The exit code is 1 where a run would fail.
pub async fn check(args: &CheckArgs, host: &Host, terminal: Terminal) -> Printed {
    act(args, host, Paint { colours: terminal.colours }).await.unwrap_or_else(Printed::from)
}

async fn act(args: &CheckArgs, host: &Host, paint: Paint) -> Result<Printed> {
    let text = read_config(&args.config, host)?;
    let text = text.as_str();
    if let Some(explained) = explain(text) {
        return Ok(malformed(args, text, &explained, paint));
    }
    let connectors =
        describe_connectors(args.connectors.connectors.as_deref(), host, Depth::Parameters).await?;
    let mut findings = Findings::new(text);
    let folder = host.absolute(&args.config).parent().map(Path::to_owned).unwrap_or_default();
    let mut checker = Checker {
        text,
        folder,
        unknown: Severity::Error,
        storage: None,
        connectors: &connectors,
        findings: &mut findings,
    };
    checker.config();
    if let Some((storage, at)) = checker.storage.take() {
        dependencies(&storage, at, &connectors, args.online.then_some(host), &mut findings).await?;
    }
    if !args.no_state {
        state(args, text, host, &mut findings);
    }
    Ok(shown(args, &findings, Some(&connectors.package.title()), paint))
}

/// Whether a run could keep its state.
fn state<'a>(args: &CheckArgs, text: &'a str, host: &Host, findings: &mut Findings<'a>) {
    match try_state(&args.config, args.state.as_deref(), host) {
        Ok(None) => {}
        Ok(Some(none)) => findings.add(Severity::Warning, "", text, none.reason().to_owned()),
        Err(RunnerError { message, hint, .. }) => {
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            findings.add(Severity::Error, "", text, message + &hint);
        }
    }
}

/// Whether what npm would install for a storage can be: by its form, and where a host is given also
/// by asking npm.
async fn dependencies<'a>(
    storage: &str,
    at: &'a str,
    connectors: &Connectors,
    online: Option<&Host>,
    findings: &mut Findings<'a>,
) -> Result<()> {
    let Connectors { package, catalog } = connectors;
    let mut all = package.manifest.runner_dependencies();
    all.extend(storage_dependencies(catalog, package, storage)?);
    for dependency in all {
        let (name, version) = (&dependency.name, &dependency.version);
        if let Err(error) = dependency.check() {
            findings.add(Severity::Error, "storage.name", at, error.message);
            continue;
        }
        // a run may allow it
        if let Err(error) = AllowedOrigins::default().check(name, version, &package.root) {
            findings.add(Severity::Warning, "storage.name", at, error.message);
            continue;
        }
        let Some(host) = online.filter(|_| origin(version) == Some(Origin::Registry)) else { continue };
        let (severity, message) = match published(name, version, host).await? {
            Published::Yes => continue,
            Published::No => {
                (Severity::Error, format!("needs {name}@{version}, which npm's registry does not have"))
            }
            Published::Unknown(why) => {
                (Severity::Warning, format!("needs {name}@{version}, of which npm could not tell: {why}"))
            }
        };
        findings.add(severity, "storage.name", at, message);
    }
    Ok(())
}

/// The answer for a text that is not JSON.
fn malformed(args: &CheckArgs, text: &str, explained: &str, paint: Paint) -> Printed {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err();
    let (line, column) = error.as_ref().map_or((1, 1), |error| (error.line(), error.column()));
    if !args.json {
        // what it is, and below it the line
        let explained = explained.split_once(": ").map_or(explained, |(_, rest)| rest);
        let (config, label) = (&args.config, paint.error("error:"));
        let place = paint.bold(&format!("{config}:{line}:{column}:"));
        let stdout = format!("{place} {label} {explained}\n{config} is not valid JSON\n");
        return Printed { stdout, exit_code: 1, ..Printed::default() };
    }
    let reason = error.map(|error| error.to_string()).unwrap_or_default();
    let finding = json!({ "severity": "error", "path": "", "message": format!("the file is not valid JSON: {reason}"), "line": line, "column": column });
    let answer = json!({ "ok": false, "connectors": null, "findings": [finding] });
    Printed { stdout: format!("{answer}\n"), exit_code: 1, ..Printed::default() }
}

fn shown(args: &CheckArgs, findings: &Findings, package: Option<&str>, paint: Paint) -> Printed {
    let failed = findings.has_errors();
    let exit_code = i32::from(failed);
    if args.json {
        let answer = json!({ "ok": !failed, "connectors": package, "findings": findings.all });
        return Printed { stdout: format!("{answer}\n"), exit_code, ..Printed::default() };
    }
    let mut stdout = String::new();
    for finding in &findings.all {
        let severity = match finding.severity {
            Severity::Error => paint.error("error:"),
            Severity::Warning => paint.warning("warning:"),
        };
        let about = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
        let place = paint.bold(&format!("{}:{}:{}:", args.config, finding.line, finding.column));
        let _ = writeln!(stdout, "{place} {severity} {about}{}", finding.message);
    }
    let count = |severity, one: &str| {
        let number = findings.all.iter().filter(|finding| finding.severity == severity).count();
        format!("{number} {one}{}", if number == 1 { "" } else { "s" })
    };
    let (errors, warnings) = (count(Severity::Error, "error"), count(Severity::Warning, "warning"));
    let has_warnings = findings.all.iter().any(|finding| finding.severity == Severity::Warning);
    let and_warnings = if has_warnings { format!(" and {warnings}") } else { String::new() };
    let _ = match (failed, findings.all.is_empty()) {
        (_, true) => writeln!(stdout, "{}", paint.good(&format!("{} is fine", args.config))),
        (false, _) => writeln!(stdout, "{} can be run: {warnings}", args.config),
        (true, _) => writeln!(stdout, "{} has {errors}{and_warnings}", args.config),
    };
    Printed { stdout, exit_code, ..Printed::default() }
}

/// Names that a person can choose from.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

struct Checker<'a, 'f> {
    text: &'a str,
    /// From which relative paths count.
    folder: PathBuf,
    /// How bad an unknown parameter is.
    unknown: Severity,
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
                        self.unknown =
                            if is_constructed(known, &name) { Severity::Warning } else { Severity::Error };
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
            let message = match self.unknown {
                Severity::Error => format!("is no parameter; {there}"),
                Severity::Warning => format!("is not among the parameters that its classes define; {there}"),
            };
            self.findings.add(self.unknown, &path, member.at, message);
        }
        for (name, parameter) in declared {
            if parameter.required && !given.iter().any(|member| member.key == *name) {
                let about = parameter.description.as_ref().map(|text| format!(": {text}"));
                let (path, about) = (format!("{path}.{name}"), about.unwrap_or_default());
                // what a class asks of its configuration its connector may set itself
                if self.unknown == Severity::Warning && !choices {
                    self.warning(
                        &path,
                        at,
                        format!("may be missing{about}; its connector may set it itself"),
                    );
                } else {
                    self.error(&path, at, format!("is missing{about}"));
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
            return self.error(
                path,
                member.at,
                format!("has no choice {chosen:?}; {}", among(parameter, &chosen)),
            );
        }
        if value == "null" {
            if parameter.required {
                let is_sure = choices || self.unknown == Severity::Error;
                let severity = if is_sure { Severity::Error } else { Severity::Warning };
                self.findings.add(severity, path, member.at, "must have a value".into());
            }
            return;
        }
        if let Some(expected) = parameter.kind.as_deref().and_then(|kind| mismatch(kind, value)) {
            return self.error(path, member.at, format!("must be {expected}"));
        }
        if let (Some(minimum), Ok(number)) = (parameter.minimum, serde_json::from_str::<f64>(value))
            && number < minimum
        {
            self.error(path, member.at, format!("must be {minimum} or more"));
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
            return self.error(path, member.at, message.into());
        }
        for other in &inner[1..] {
            let message = format!("is ignored, since {} comes first: one choice at a time", first.key);
            self.warning(&format!("{path}.{}", other.key), other.at, message);
        }
        let Some(choice) = parameter.one_of.iter().find(|choice| choice.value == first.key) else {
            let message = format!("has no choice {:?}; {}", first.key, among(parameter, &first.key));
            return self.error(path, first.at, message);
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
