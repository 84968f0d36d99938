//! `doctor`: whether this machine can run connectors, and how well they are isolated.

use clap::Args;

use super::common::{Printed, Terminal};
use crate::host::Host;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print the facts as JSON
    #[arg(long)]
    pub json: bool,
}

/// Says what this machine can do.
pub async fn doctor(_: &DoctorArgs, _: &Host, _: Terminal) -> Printed {
    Printed::later("doctor")
}
