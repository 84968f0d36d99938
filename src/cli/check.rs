//! `check`: everything that can be known of a configuration without running it.

use clap::Args;

use super::common::{ConnectorsArgs, Printed};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The connector's configuration, a JSON file
    #[arg(value_name = "CONFIG")]
    pub config: String,

    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connectors: ConnectorsArgs,
}

/// Checks a configuration.
pub fn check(_: &CheckArgs) -> Printed {
    Printed::later("check")
}
