//! `init`: a configuration to start from.

use clap::Args;

use super::common::{ConnectorsArgs, Printed};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Name of the source, as `spec` lists it
    #[arg(value_name = "SOURCE")]
    pub source: String,

    /// Name of the storage, as `spec` lists it
    #[arg(value_name = "STORAGE")]
    pub storage: String,

    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "config.jsonc")]
    pub output: String,

    /// Overwrite the file if it is there
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub connectors: ConnectorsArgs,
}

/// Writes a configuration.
pub fn init(_: &InitArgs) -> Printed {
    Printed::later("init")
}
