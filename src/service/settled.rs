//! The state of a run that has ended.

use std::sync::Arc;

use crate::error::{Code, RunnerError};
use crate::run::{Failure, Outcome, Status};
use crate::state::{Settled, StateRun};

/// The outcome of a run whose state has been moved on, before anybody is told of it: a state that
/// could not be written makes it a failure.
pub(super) async fn settled(run: Arc<StateRun>, mut outcome: Outcome) -> Outcome {
    let Some(report) = &mut outcome.report else { return outcome };
    let mut notices = run.notices.clone();
    notices.append(&mut report.warnings);
    report.warnings = notices;
    let has_failed = outcome.failure.is_some();
    let (state, checkpoint) = (report.state.clone(), report.checkpoint.clone());
    let settled = tokio::task::spawn_blocking(move || {
        if has_failed { Ok(run.interrupted(checkpoint.as_ref())) } else { run.succeeded(state.as_ref()) }
    })
    .await
    .unwrap_or_else(|cause| Err(RunnerError::new(Code::Internal, cause.to_string())));
    match settled {
        Ok(Settled::Moved | Settled::Kept) => {}
        Ok(Settled::Superseded(why) | Settled::Unkept(why)) => report.warnings.push(why),
        Err(error) => {
            report.status = Status::Failed;
            outcome.failure = Some(Failure::from(error));
        }
    }
    outcome
}
