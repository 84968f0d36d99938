//! What `run` finds before it starts anything: the same as `check`.

use std::path::Path;

use super::examine::examine;
use super::findings::{Finding, Severity, counted, members};
use super::look::Paint;
use crate::config::storage_name;
use crate::connectors::{Depth, parameters};
use crate::error::Result;
use crate::host::Host;
use crate::manifest::CONNECTORS_PACKAGE;
use crate::run::{Connectors, describe_connectors, find_connectors};

/// What a run goes by.
#[derive(Debug)]
pub struct Precheck {
    /// The connectors package, as the run will read it.
    pub connectors: Connectors,
    /// What to tell: all that `check` would, where the run is refused, else what is in doubt.
    pub findings: Vec<Finding>,
    /// Why nothing is started.
    pub refusal: Option<Refusal>,
}

/// A run that is refused for its configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How much is wrong.
    pub message: String,
    /// The findings as `check` prints them.
    pub hint: String,
}

/// Looks at a configuration, whose text is JSON, from the file `config`. What a source or storage that
/// is not there is called, and which part is missing, the run says in the original's words.
///
/// # Errors
/// `CONNECTORS_NOT_FOUND`.
pub async fn precheck(config: &str, text: &str, package: Option<&str>, host: &Host) -> Result<Precheck> {
    let connectors = find_connectors(package, host).await?;
    let folder = host.absolute(config).parent().map(Path::to_owned).unwrap_or_default();
    let all = if is_undeclared(text, &connectors) {
        // classes are only constructed where no manifest speaks of parameters
        let described = describe_connectors(package, host, Depth::Parameters).await?;
        examine(text, folder, &described).findings.all
    } else {
        examine(text, folder, &connectors).findings.all
    };
    let refuses =
        |one: &Finding| one.severity == Severity::Error && !one.is_doubt && !is_structure(&one.path);
    if !all.iter().any(refuses) {
        let doubts = all.into_iter().filter(|one| one.is_doubt);
        let findings = doubts.map(|one| Finding { severity: Severity::Warning, ..one }).collect();
        return Ok(Precheck { connectors, findings, refusal: None });
    }
    // or what is missing may be of a package that was not meant
    let by = connectors.package.is_fallback.then(|| {
        let title = connectors.package.title();
        format!(" by the reference package {title}, since {CONNECTORS_PACKAGE} is not installed")
    });
    let refusal = Refusal {
        message: format!("{config} has {}{}", counted(&all), by.unwrap_or_default()),
        hint: all.iter().map(|one| one.line(config, Paint::default())).collect(),
    };
    Ok(Precheck { connectors, findings: all, refusal: Some(refusal) })
}

/// A part of the configuration that the run itself names.
fn is_structure(path: &str) -> bool {
    matches!(
        path,
        "" | "name"
            | "source"
            | "source.name"
            | "source.config"
            | "storage"
            | "storage.name"
            | "storage.config"
    )
}

/// Whether the source or the storage has no parameters in its manifest.
fn is_undeclared(text: &str, connectors: &Connectors) -> bool {
    let member = |within, name| {
        members(text, within).and_then(|all| all.into_iter().rfind(|member| member.key == name))
    };
    let name = |section| -> Option<String> {
        let section = member(text.trim(), section)?;
        serde_json::from_str(member(section.value, "name")?.value).ok()
    };
    let (source, storage) = (name("source").unwrap_or_default(), name("storage").unwrap_or_default());
    let catalog = &connectors.catalog;
    parameters(&catalog.sources, &source).is_empty()
        || parameters(&catalog.storages, storage_name(&storage)).is_empty()
}
