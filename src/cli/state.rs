//! `state`: where the next incremental run of a configuration goes on.

use clap::{Args, Subcommand};

use super::common::Printed;

/// Arguments of `state`.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// What to do
    #[command(subcommand)]
    pub action: StateAction,

    /// State file, instead of the configuration's own
    #[arg(long, value_name = "FILE", global = true)]
    pub state: Option<String>,
}

/// What `state` can do.
#[derive(Debug, Subcommand)]
pub enum StateAction {
    /// Print the state of a configuration
    Get {
        /// The connector's configuration
        #[arg(value_name = "CONFIG")]
        config: String,
    },
    /// Set the state of a configuration
    Set {
        /// The connector's configuration
        #[arg(value_name = "CONFIG")]
        config: String,
        /// The last day that was loaded, or JSON such as {"date":"2026-01-31T00:00:00.000Z"}
        #[arg(value_name = "STATE")]
        value: String,
    },
    /// Forget the state of a configuration: the next run begins anew
    Clear {
        /// The connector's configuration
        #[arg(value_name = "CONFIG")]
        config: String,
    },
}

/// Reads or changes a state.
pub fn state(_: &StateArgs) -> Printed {
    Printed::later("state")
}
