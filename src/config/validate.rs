//! What a configuration must have, checked in the original's order with its exact messages.

use super::{Kind, Section};
use crate::error::{Code, RunnerError};

/// What the rules need to know of one field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Kind of the value.
    pub kind: Kind,
    /// Whether JavaScript takes it for true.
    pub truthy: bool,
}

/// The fields of a whole configuration; `None` where the configuration itself is falsy.
#[derive(Debug, Clone, Copy)]
pub struct ConfigFacts {
    /// `datamartId`.
    pub datamart_id: Field,
    /// `name`.
    pub name: Field,
    /// `source`.
    pub source: Field,
    /// `storage`.
    pub storage: Field,
}

/// The fields of a source or storage; `None` where it is falsy.
#[derive(Debug, Clone, Copy)]
pub struct SectionFacts {
    /// `name`.
    pub name: Field,
    /// `config`.
    pub config: Field,
}

fn invalid(message: impl Into<String>) -> RunnerError {
    RunnerError::new(Code::InvalidConfig, message)
}

/// Checks that every field is there, before source and storage are looked into. A `datamartId`
/// that is absent (not merely empty) is accepted when all the rest is there: `run()` supplies it.
pub fn check_config(facts: Option<&ConfigFacts>) -> Result<(), RunnerError> {
    let Some(facts) = facts else {
        return Err(invalid("Run configuration is required"));
    };
    let supplied_by_run = facts.datamart_id.kind == Kind::Undefined
        && facts.name.truthy
        && facts.source.truthy
        && facts.storage.truthy;
    let required = [
        (facts.datamart_id.truthy || supplied_by_run, "Data mart ID is required"),
        (facts.name.truthy, "Run configuration name is required"),
        (facts.source.truthy, "Source configuration is required"),
        (facts.storage.truthy, "Storage configuration is required"),
    ];
    match required.into_iter().find(|(there, _)| !there) {
        Some((_, message)) => Err(invalid(message)),
        None => Ok(()),
    }
}

/// Checks the types of what [`check_config`] found to be there; runs after source and storage
/// have been built, as in the original.
pub fn check_types(facts: &ConfigFacts) -> Result<(), RunnerError> {
    if !matches!(facts.datamart_id.kind, Kind::String | Kind::Undefined) {
        return Err(invalid("Invalid data mart ID"));
    }
    if facts.name.kind != Kind::String {
        return Err(invalid("Invalid run configuration name"));
    }
    Ok(())
}

/// Checks a source or a storage.
pub fn check_section(section: Section, facts: Option<&SectionFacts>) -> Result<(), RunnerError> {
    let title = section.title();
    let Some(facts) = facts else {
        return Err(invalid(format!("{title} configuration is required")));
    };
    if !facts.name.truthy {
        return Err(invalid(format!("{title} name is required")));
    }
    if !matches!(facts.config.kind, Kind::Object | Kind::Array) {
        return Err(invalid(format!("{title} config object is required")));
    }
    Ok(())
}
