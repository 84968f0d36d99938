//! `ConnectorRunner` (contract, section 5).

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::catch::Result;
use super::js_values::{JsValues, MakeObject};
use super::request::read_options;
use crate::options::Options;

/// Checks the runner's options when it is made; `run` delegates to the execution service.
#[napi]
pub struct ConnectorRunner;

#[napi]
impl ConnectorRunner {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: Unknown, make_object: MakeObject) -> Result<Self> {
        check_options(&env, &options, make_object)?;
        Ok(Self)
    }
}

/// Refuses options that are wrong before anything is run with them.
pub fn check_options<'env>(
    env: &'env Env,
    options: &Unknown<'env>,
    make_object: MakeObject<'env>,
) -> Result<()> {
    let values = JsValues::new(env, make_object);
    Options::default().with(read_options(&values, options)?)?;
    Ok(())
}
