//! What happens before a connector can start.

use serde::Serialize;

/// What takes time before a connector can start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all = "camelCase")]
pub enum Step {
    /// npm installs the environment.
    Installing,
    /// Another run installs the same environment.
    Waiting {
        /// The process that does, where it is known.
        pid: Option<u32>,
        /// For how long already.
        seconds: u64,
    },
    /// Every file of the environment is read: the machine or a host has crashed.
    Verifying,
}
