//! Results of asynchronous calls, as JSON text. JavaScript parses it and makes promises and
//! errors of its own realm (napi's would fail `instanceof` in Jest).

use napi::bindgen_prelude::{PromiseRaw, spawn};
use napi::{Env, JsValue};
use serde::Serialize;

use super::catch::{LetThrough, Result};
use super::door::Door;
use crate::error::{ErrorKind, RunnerError};
use crate::run::{FailedRun, Failure, Outcome, Report};

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
            run: outcome.failed,
        }
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
    type Resolver = Box<dyn FnOnce(Env) -> napi::Result<String> + Send>;
    let (deferred, promise) = env.create_deferred::<String, Resolver>().let_through()?;
    let door = Door::of(env);
    spawn(async move {
        let answered = tokio::spawn(async move {
            let answer: Answer = future.await.into();
            serde_json::to_string(&answer).map_err(|cause| napi::Error::from_reason(cause.to_string()))
        });
        let text = match answered.await {
            Ok(text) => text,
            Err(cause) => Err(napi::Error::from_reason(said_in(cause))),
        };
        let settle = move || match text {
            Ok(text) => deferred.resolve(Box::new(|_| Ok(text))),
            Err(error) => deferred.reject(error),
        };
        match door {
            Some(door) => door.run(settle),
            None => settle(),
        }
    });
    Ok(PromiseRaw::new(env.raw(), promise.raw()))
}

/// What a panic has said.
fn said_in(cause: tokio::task::JoinError) -> String {
    let Ok(panic) = cause.try_into_panic() else { return "the runtime is gone".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
