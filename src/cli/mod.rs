//! The command line: arguments, what a person reads, and the state file. JavaScript only moves
//! texts between this and the terminal.

mod args;
mod config_file;
mod render;
mod state;

pub use args::{Plan, RunPlan, plan};
pub use config_file::{explain, missing_field, path_parameters};
pub use render::{Renderer, SummaryFacts, failure_text, preparing, summary};
pub use state::{incremental_date, read_state, write_state};
