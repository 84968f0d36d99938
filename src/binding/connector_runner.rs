//! `ConnectorRunner` (contract, section 5).

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::catch::Result;
use super::js_values::{JsValues, MakeObject};
use super::request::read_options;
use crate::options::{OptionValue, Options};
use crate::run::Control;

/// Checks the runner's options when it is made; `run` delegates to the execution service, which
/// shares its runs.
#[napi]
pub struct ConnectorRunner {
    control: Control,
}

#[napi]
impl ConnectorRunner {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: Unknown, make_object: MakeObject) -> Result<Self> {
        let options = check_options(&env, &options, make_object)?;
        Ok(Self { control: Control::new(options.max_concurrent_runs) })
    }

    /// Asks the runs of this id to stop; gives how many there are.
    #[napi(catch_unwind)]
    pub fn cancel(&self, run_id: String, grace_ms: Option<f64>) -> Result<u32> {
        cancel_runs(&self.control, &run_id, grace_ms)
    }
}

impl ConnectorRunner {
    /// What its runs share.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

/// Asks runs to stop.
pub fn cancel_runs(control: &Control, run_id: &str, grace_ms: Option<f64>) -> Result<u32> {
    let grace = match grace_ms {
        Some(grace) => {
            let asked = vec![("graceMs".to_owned(), OptionValue::Number(grace))];
            Some(Options::default().with(asked)?.limits.grace)
        }
        None => None,
    };
    Ok(u32::try_from(control.cancel(run_id, grace)).unwrap_or(u32::MAX))
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
