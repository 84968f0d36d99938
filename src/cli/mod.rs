//! The command line: one file a command, each with its arguments and what it does. JavaScript
//! only moves texts between this and the terminal, and starts runs.

mod args;
mod check;
mod common;
mod config_file;
mod connections;
mod doctor;
mod ending;
mod examine;
mod exit;
mod findings;
mod init;
mod literals;
mod live;
mod look;
mod precheck;
#[cfg(test)]
mod reference;
mod refused;
mod run;
mod seen;
mod session;
mod shown;
mod spec;
mod stack;
mod state;
mod store;

pub use crate::state::incremental_date;
pub use args::{Plan, perform, plan};
pub use common::Printed;
pub use config_file::{explain, missing_field, path_parameters, read_config};
pub use connections::{Asked, connections};
pub use look::Facts;
pub use precheck::{Precheck, Refusal, precheck};
pub use run::RunPlan;
pub use session::{Beginning, Session, Texts};
