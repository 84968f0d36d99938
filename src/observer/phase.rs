//! Where a run is.

use serde::Serialize;

/// The phases of a run, in this order. Their names are those of `RunResult.timings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It waits for its turn (`maxConcurrentRuns`).
    Queue,
    /// The connectors package is found, and the environment prepared.
    Environment,
    /// The process is started.
    Spawn,
    /// The connector works.
    Execution,
    /// It has ended: the rest of its output is delivered, and its environment removed.
    Cleanup,
}
