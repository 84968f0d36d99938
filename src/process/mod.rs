//! Starting a process under a supervisor, and learning how it ended.
//!
//! The host never forks: a Node process with a gigabyte resident would pay for its page tables
//! at each run. It starts a small helper (`posix_spawn`), sends it what to run over a socket,
//! and the helper forks, watches and cleans up. Neither argv nor the helper's environment holds
//! anything of the run. The socket is also the lifeline: when the host dies, it closes.

mod launch;
mod paths;
mod programs;
mod signals;
mod stdio;
mod variables;
mod wiring;

pub use crate::protocol::{Cause, Containment, Namespace, Sample, Supervision, Usage};
pub use launch::{Exit, HELPER_MEMORY_BYTES, Running, Start, start, watch_helper};
pub use paths::make_absolute;
pub use programs::{find_node, find_npm, path_for_npm};
pub use signals::signal_name;
pub use stdio::{Source, Stdio, StdioSpec};
pub use variables::{EnvPolicy, for_helper as variables_for_helper};
pub use wiring::{Output, Reserved, Wiring};
