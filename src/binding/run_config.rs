//! `RunConfig` (contract, section 3): three values, kept by reference.

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::catch::Result;
use super::held::{Held, release_when_collected};
use super::js_values::{JsValues, MakeObject};
use crate::config::{Kind, Values};

const FIELDS: [&str; 3] = ["type", "data", "state"];

#[napi(custom_finalize)]
pub struct RunConfig {
    held: Held,
}

release_when_collected!(RunConfig);

#[napi]
impl RunConfig {
    /// Nothing is required; without an argument all three are undefined.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, input: Unknown, make_object: MakeObject) -> Result<Self> {
        let values = JsValues::new(&env, make_object);
        let held = values.object()?;
        let is_absent = matches!(values.kind(&input)?, Kind::Undefined | Kind::Null);
        for name in FIELDS {
            let value = if is_absent { values.undefined()? } else { values.member(&input, name)? };
            values.define_member(&held, name, &value)?;
        }
        // `config` is the whole input, whatever else it holds
        values.define_member(&held, "config", &input)?;
        Ok(Self { held: Held::new(&held)? })
    }

    #[napi(getter, catch_unwind)]
    pub fn config<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "config")
    }

    #[napi(getter, js_name = "type", catch_unwind)]
    pub fn kind<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "type")
    }

    #[napi(getter, catch_unwind)]
    pub fn data<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "data")
    }

    #[napi(getter, catch_unwind)]
    pub fn state<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "state")
    }

    #[napi(catch_unwind)]
    pub fn to_object<'env>(&self, env: &'env Env, make_object: MakeObject<'env>) -> Result<Unknown<'env>> {
        let values = JsValues::new(env, make_object);
        let copy = values.object()?;
        for name in FIELDS {
            values.define_member(&copy, name, &self.held.get(env, name)?)?;
        }
        Ok(copy)
    }
}
