//! `RunResult` (contract, section 11), as JSON that JavaScript parses.

use std::time::Duration;

use serde::Serialize;

use super::verdict::Status;
use crate::isolation::IsolationReport;
use crate::output::Table;
use crate::state::State;

/// What is known of a run that was started. Times are milliseconds, sizes bytes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The verdict.
    pub status: Status,
    /// Exit code; null if a signal ended the process.
    pub exit_code: Option<i32>,
    /// Name of the signal that ended the process, such as `SIGTERM`.
    pub signal: Option<String>,
    /// The connector's process id.
    pub pid: u32,
    /// From the call to the end of clean-up.
    pub duration_ms: u64,
    /// The same by phase.
    pub timings: Timings,
    /// Which environment it had; none for a directory that the caller prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What it used.
    pub resources: Resources,
    /// How many rows were saved, as far as the connector said so.
    pub rows: Option<u64>,
    /// What became of each table, as far as the connector said so.
    pub tables: Vec<Table>,
    /// The last `updateCurrentStatus`.
    pub last_status: Option<i64>,
    /// Warnings of the connector, and of the runner about itself.
    pub warnings: Vec<String>,
    /// Where the next incremental run goes on: of runs that succeeded and move the state.
    pub state: Option<State>,
    /// How far it came, whatever it was and however it ended.
    pub checkpoint: Option<State>,
    /// What was asked of isolation and what was enforced.
    pub isolation: IsolationReport,
    /// Where the page about the run is, if it was written (option `report`).
    #[serde(rename = "report", skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// Times by phase, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// Waiting for its turn (`maxConcurrentRuns`).
    pub queue_ms: u64,
    /// Preparing the environment.
    pub environment_ms: u64,
    /// Starting the process.
    pub spawn_ms: u64,
    /// From the start to the exit of the process.
    pub execution_ms: u64,
    /// Delivering what was left of its output, and removing the environment.
    pub cleanup_ms: u64,
}

impl Report {
    /// Counts the time that the run waited for its turn.
    pub fn was_queued(&mut self, queued: Duration) {
        let queued = u64::try_from(queued.as_millis()).unwrap_or(u64::MAX);
        self.timings.queue_ms = queued;
        self.duration_ms += queued;
    }
}

/// Which environment a run had.
#[derive(Debug, Clone, Serialize)]
pub struct Environment {
    /// The same for equal dependencies.
    pub key: String,
    /// Whether it was there already.
    pub cached: bool,
}

/// What a run used.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Largest resident size of all processes of the run together, in bytes, as far as sampling
    /// saw it; at least that of the largest one.
    pub peak_rss_bytes: u64,
    /// CPU time of its processes that have been waited for, in milliseconds.
    pub cpu_ms: u64,
}
