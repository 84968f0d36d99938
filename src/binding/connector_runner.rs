//! `ConnectorRunner` (contract, section 5).

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::catch::Result;
use super::js_values::{JsValues, MakeObject};
use super::request::read_options;
use crate::error::{Code, RunnerError};
use crate::options::{OptionValue, Options};
use crate::service::Service;

/// Checks the runner's options when it is made; `run` delegates to the execution service, which
/// shares its runs.
#[napi]
pub struct ConnectorRunner {
    service: Service,
}

#[napi]
impl ConnectorRunner {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: Unknown, make_object: MakeObject) -> Result<Self> {
        let options = check_options(&env, &options, make_object)?;
        Ok(Self { service: Service::new(options.max_concurrent_runs) })
    }
}

impl ConnectorRunner {
    /// What its runs share.
    pub fn service(&self) -> Service {
        self.service.clone()
    }
}

/// Asks runs to stop. The one option that there is for it is `graceMs`.
pub fn cancel_runs(service: &Service, run_id: &str, options: Vec<(String, OptionValue)>) -> Result<u32> {
    if let Some((unknown, _)) = options.iter().find(|(name, _)| name != "graceMs") {
        let message = format!("option {unknown} is unknown: cancel() takes graceMs only");
        return Err(RunnerError::new(Code::InvalidConfig, message).into());
    }
    let has_grace = !options.is_empty();
    let grace = Options::default().with(options)?.limits.grace;
    Ok(u32::try_from(service.cancel(run_id, has_grace.then_some(grace))).unwrap_or(u32::MAX))
}

/// Refuses options that are wrong before anything is run with them.
pub fn check_options<'env>(
    env: &'env Env,
    options: &Unknown<'env>,
    make_object: MakeObject<'env>,
) -> Result<Options> {
    let values = JsValues::new(env, make_object);
    Ok(Options::default().with(read_options(&values, options)?)?)
}
