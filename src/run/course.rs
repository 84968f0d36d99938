//! The course of a run: when its phases began. A run that fails before it has a process has no
//! [`Report`], and this is what is known of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::report::{Report, Timings};
use super::verdict::Status;
use super::{Failure, Outcome};
use crate::error::Code;
use crate::observer::Phase;
use crate::output::Table;
use crate::state::State;

/// When a run was called for, and its phases began.
#[derive(Debug)]
pub struct Course {
    called: Instant,
    phases: Mutex<Vec<(Phase, Instant)>>,
}

impl Default for Course {
    fn default() -> Self {
        Self { called: Instant::now(), phases: Mutex::default() }
    }
}

/// `FailedRun` in JavaScript, which adds the ids: what is known of every run that failed. Times are
/// milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedRun {
    /// The verdict.
    pub status: Status,
    /// In which phase it failed; none where it was refused before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// From the call to the end of clean-up.
    pub duration_ms: u64,
    /// The same by phase; 0 for those that it did not come to.
    pub timings: Timings,
    /// What became of each table, as far as the connector said so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    /// Where the page about the run is, if it was written (option `report`).
    #[serde(rename = "report", skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// How far its connector came; none where it said nothing of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<State>,
}

impl Course {
    /// The outcome with what is known of the run if it failed.
    #[must_use]
    pub fn completed(&self, mut outcome: Outcome) -> Outcome {
        outcome.failed = self.failed(&outcome);
        outcome
    }

    /// A phase begins.
    pub fn begins(&self, phase: Phase) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.push((phase, Instant::now()));
    }

    /// What is known at its end, if it failed.
    pub fn failed(&self, outcome: &Outcome) -> Option<FailedRun> {
        let failure = outcome.failure.as_ref()?;
        let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        // cleaning up follows every failure
        let phase = phases.iter().map(|(phase, _)| *phase).rfind(|phase| *phase != Phase::Cleanup);
        if let Some(Report { status, duration_ms, timings, tables, page, checkpoint, .. }) = &outcome.report {
            let status = if *status == Status::Success { Status::Failed } else { *status };
            return Some(FailedRun {
                status,
                phase,
                duration_ms: *duration_ms,
                timings: timings.clone(),
                tables: tables.clone(),
                page: page.clone(),
                checkpoint: checkpoint.clone(),
            });
        }
        let now = Instant::now();
        let mut timings = Timings::default();
        for (index, (phase, from)) in phases.iter().enumerate() {
            let until = phases.get(index + 1).map_or(now, |next| next.1);
            *timings.of(*phase) += milliseconds(until.duration_since(*from));
        }
        let status = match failure {
            Failure::Ours(error) => Status::from(error.code),
            Failure::Thrown => Status::Failed,
        };
        let duration_ms = milliseconds(now.duration_since(self.called));
        let page = outcome.page.clone();
        Some(FailedRun { status, phase, duration_ms, timings, tables: Vec::new(), page, checkpoint: None })
    }
}

impl Timings {
    fn of(&mut self, phase: Phase) -> &mut u64 {
        match phase {
            Phase::Queue => &mut self.queue_ms,
            Phase::Environment => &mut self.environment_ms,
            Phase::Spawn => &mut self.spawn_ms,
            Phase::Execution => &mut self.execution_ms,
            Phase::Cleanup => &mut self.cleanup_ms,
        }
    }
}

/// The verdict on a run that has no process to tell more.
impl From<Code> for Status {
    fn from(code: Code) -> Self {
        match code {
            Code::Aborted => Status::Cancelled,
            Code::Timeout => Status::Timeout,
            Code::Stalled => Status::Stalled,
            Code::MemoryLimit => Status::MemoryLimit,
            _ => Status::Failed,
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RunnerError;

    fn failure(code: Code) -> Outcome {
        RunnerError::new(code, "m").into()
    }

    /// A course whose phases began so many milliseconds ago.
    fn course(called: u64, phases: &[(Phase, u64)]) -> Course {
        let now = Instant::now();
        let ago = |ms: u64| now.checked_sub(Duration::from_millis(ms)).unwrap();
        let phases = phases.iter().map(|(phase, ms)| (*phase, ago(*ms))).collect();
        Course { called: ago(called), phases: Mutex::new(phases) }
    }

    #[test]
    fn a_run_without_a_process_has_the_times_of_its_phases() {
        let course = course(90_000, &[(Phase::Queue, 90_000), (Phase::Environment, 70_000)]);
        let failed = course.failed(&failure(Code::InstallFailed)).unwrap();
        assert_eq!((failed.status, failed.phase), (Status::Failed, Some(Phase::Environment)));
        assert_eq!(failed.timings.queue_ms, 20_000);
        assert!(failed.timings.environment_ms >= 70_000 && failed.duration_ms >= 90_000, "{failed:?}");
        assert_eq!((failed.timings.spawn_ms, failed.timings.execution_ms), (0, 0));
        assert_eq!(course.failed(&Outcome::default()), None);
    }

    #[test]
    fn cleaning_up_is_not_where_it_failed() {
        let course = course(3000, &[(Phase::Environment, 3000), (Phase::Cleanup, 1000)]);
        let failed = course.failed(&failure(Code::Timeout)).unwrap();
        assert_eq!((failed.status, failed.phase), (Status::Timeout, Some(Phase::Environment)));
        assert_eq!(failed.timings.environment_ms, 2000);
        assert!(failed.timings.cleanup_ms >= 1000);
    }

    #[test]
    fn a_run_that_was_refused_has_no_phase() {
        let failed = Course::default().failed(&failure(Code::InvalidConfig)).unwrap();
        assert_eq!((failed.status, failed.phase, failed.timings), (Status::Failed, None, Timings::default()));
        for (code, status) in [
            (Code::Aborted, Status::Cancelled),
            (Code::Stalled, Status::Stalled),
            (Code::MemoryLimit, Status::MemoryLimit),
            (Code::Internal, Status::Failed),
        ] {
            assert_eq!(Status::from(code), status);
        }
    }
}
