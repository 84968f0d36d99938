//! The rules for configurations (contract, section 2), free of JavaScript.
//!
//! They decide on the few facts that [`Values`] gives about a JavaScript value, so they can be
//! tested without Node, and the caller's own objects never leave JavaScript.

mod transform;
mod validate;
mod values;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree;

pub use transform::transform;
pub use validate::{ConfigFacts, Field, SectionFacts, check_config, check_section, check_types};
pub use values::{Kind, Values};

/// Which half of a configuration a rule is about; the two differ in a few places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Where data comes from.
    Source,
    /// Where data is kept.
    Storage,
}

impl Section {
    fn title(self) -> &'static str {
        match self {
            Section::Source => "Source",
            Section::Storage => "Storage",
        }
    }
}

/// Names under which hosts know the storages, and the connectors package's names for them.
const STORAGE_NAMES: [(&str, &str); 5] = [
    ("GOOGLE_BIGQUERY", "GoogleBigQuery"),
    ("AWS_ATHENA", "AwsAthena"),
    ("SNOWFLAKE", "Snowflake"),
    ("AWS_REDSHIFT", "AwsRedshift"),
    ("DATABRICKS", "Databricks"),
];

/// The connectors package's name of a storage; a name it does not know passes through.
pub fn storage_name(name: &str) -> &str {
    STORAGE_NAMES.iter().find(|(host, _)| *host == name).map_or(name, |(_, package)| package)
}
