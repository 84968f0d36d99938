//! Runs that are refused before they begin.

use napi::Env;
use napi::bindgen_prelude::{Object, PromiseRaw};

use super::catch::Result;
use super::outcome::promise;
use super::request::Request;
use crate::error::{Code, RunnerError};
use crate::report::write_refusal;

/// Writes the report (`request.report`, a path) of a run that was refused, since one that an earlier
/// run has written must not be taken for its report. Gives its path.
pub fn report_refusal<'env>(env: &'env Env, request: Object<'env>) -> Result<PromiseRaw<'env, String>> {
    let request = Request::new(env, &request)?;
    let path = request.host()?.absolute(request.text("report")?);
    let name = request.text("config")?;
    let mut error = RunnerError::new(Code::named(&request.text("code")?), request.text("message")?);
    if request.flag("hint")? {
        error = error.with_hint(request.text("hint")?);
    }
    promise(env, async move { write_refusal(path, name, error).await.map(Some) })
}
