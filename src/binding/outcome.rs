//! Results of asynchronous calls, as JSON text. JavaScript parses it and makes promises and
//! errors of its own realm (napi's would fail `instanceof` in Jest).

use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use serde::Serialize;

use super::catch::{LetThrough, Result};
use crate::error::{ErrorKind, RunnerError};
use crate::run::{Course, FailedRun, Failure, Outcome, Report};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_tail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<FailedRun>,
}

#[derive(Serialize)]
#[serde(tag = "by", rename_all = "camelCase")]
enum FailureAnswer {
    Ours {
        code: &'static str,
        message: String,
        #[serde(rename = "isTypeError")]
        is_type_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    Thrown,
}

impl From<Failure> for FailureAnswer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ours(error) => {
                let RunnerError { code, message, kind, hint } = *error;
                Self::Ours { code: code.as_str(), message, is_type_error: kind == ErrorKind::Type, hint }
            }
            Failure::Thrown => Self::Thrown,
        }
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self {
            value: None,
            result: outcome.report,
            stderr_tail: outcome.stderr_tail,
            failure: outcome.failure.map(FailureAnswer::from),
            run: None,
        }
    }
}

impl Answer {
    /// Of a run, with what is known of it if it failed.
    pub fn of_run(outcome: Outcome, course: &Course) -> Self {
        let run = course.failed(&outcome);
        Self { run, ..outcome.into() }
    }
}

/// A value, such as a path, or why there is none.
impl<T: Into<Option<String>>, F: Into<Failure>> From<Result<T, F>> for Answer {
    fn from(result: Result<T, F>) -> Self {
        match result {
            Ok(value) => Self { value: value.into(), ..Outcome::default().into() },
            Err(failure) => Outcome::from(failure).into(),
        }
    }
}

/// A promise of the answer's JSON text. It only rejects for a bug of ours, such as a panic.
pub fn promise<A: Into<Answer>>(
    env: &Env,
    future: impl Future<Output = A> + Send + 'static,
) -> Result<PromiseRaw<'_, String>> {
    env.spawn_future(async move {
        let answer: Answer = future.await.into();
        serde_json::to_string(&answer).map_err(|cause| napi::Error::from_reason(cause.to_string()))
    })
    .let_through()
}
