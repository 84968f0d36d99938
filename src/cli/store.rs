//! `store`: the shared store of environments.

use clap::{Args, Subcommand};

use super::common::{ConnectorsArgs, Printed, Terminal};
use crate::host::Host;

/// Arguments of `store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// What to do
    #[command(subcommand)]
    pub action: StoreAction,

    /// Folder of the store [default: the variable `OWOX_RUNNER_STORE`, else in the user's cache folder]
    #[arg(long, value_name = "DIR", global = true)]
    pub store: Option<String>,

    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What `store` can do.
#[derive(Debug, Subcommand)]
pub enum StoreAction {
    /// List the environments in the store
    List,
    /// Check every file of the environments against what was installed
    Verify,
    /// Remove environments that nothing uses
    Prune,
    /// Prepare the environment of a configuration, so that its first run need not
    Warm {
        /// The connector's configuration, a JSON file
        #[arg(value_name = "CONFIG")]
        config: String,

        /// Connectors package
        #[command(flatten)]
        connectors: ConnectorsArgs,
    },
}

/// Looks after the store.
pub async fn store(_: &StoreArgs, _: &Host, _: Terminal) -> Printed {
    Printed::later("store")
}
