//! States of runs of the command line, on their way from where they are taken to where a run is
//! executed: locks are descriptors, which no JavaScript holds.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::error::Code;
use crate::run::{Failure, Outcome, Status};
use crate::state::{Settled, StateRun};

#[derive(Default)]
struct Kept {
    last: u32,
    runs: HashMap<u32, Arc<StateRun>>,
}

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a state; gives the number by which JavaScript knows it.
pub fn keep(run: Arc<StateRun>) -> u32 {
    let mut kept = kept();
    kept.last = kept.last.wrapping_add(1);
    let token = kept.last;
    kept.runs.insert(token, run);
    token
}

/// The state of this number.
pub fn of(token: u32) -> Option<Arc<StateRun>> {
    kept().runs.get(&token).cloned()
}

/// Keeps it no longer.
pub fn release(token: u32) {
    let released = kept().runs.remove(&token);
    drop(released); // outside of the lock, since it removes files
}

/// The outcome of a run whose state has been moved on, before anybody is told of it: a state that
/// could not be written makes it a failure.
pub async fn settled(run: Arc<StateRun>, mut outcome: Outcome) -> Outcome {
    let Some(report) = &mut outcome.report else { return outcome };
    let mut notices = run.notices.clone();
    notices.append(&mut report.warnings);
    report.warnings = notices;
    let has_failed = outcome.failure.is_some();
    let (state, checkpoint) = (report.state.clone(), report.checkpoint.clone());
    let settled = tokio::task::spawn_blocking(move || {
        if has_failed { Ok(run.interrupted(checkpoint.as_ref())) } else { run.succeeded(state.as_ref()) }
    })
    .await;
    match settled {
        Ok(Ok(Settled::Moved | Settled::Kept)) => {}
        Ok(Ok(Settled::Superseded(why) | Settled::Unkept(why))) => report.warnings.push(why),
        Ok(Err(error)) => {
            report.status = Status::Failed;
            outcome.failure = Some(Failure::from(error));
        }
        Err(cause) => {
            report.status = Status::Failed;
            outcome.failure =
                Some(Failure::from(crate::error::RunnerError::new(Code::Internal, cause.to_string())));
        }
    }
    outcome
}
