//! `spec`: sources and storages of the connectors package, and their parameters.

use clap::Args;

use super::common::{ConnectorsArgs, Printed};

/// Arguments of `spec`.
#[derive(Debug, Args)]
pub struct SpecArgs {
    /// A source or storage; all of them are listed without one
    #[arg(value_name = "CONNECTOR")]
    pub connector: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Print the JSON Schema of a configuration, for editors
    #[arg(long, conflicts_with = "json")]
    pub schema: bool,

    #[command(flatten)]
    pub connectors: ConnectorsArgs,
}

/// Describes the connectors package.
pub fn spec(_: &SpecArgs) -> Printed {
    Printed::later("spec")
}
