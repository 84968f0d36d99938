//! `RunContext` (contract, section 4).

use napi::Env;
use napi::bindgen_prelude::{Function, Unknown};
use napi_derive::napi;

use super::catch::{LetThrough, Result};
use super::held::{Held, release_when_collected};
use super::js_values::{JsValues, MakeObject, as_object, text_of};
use crate::config::{Kind, Values};
use crate::context::{RunTexts, Variables, unique_id, variables};

/// `JSON.stringify` of the caller's realm.
pub type Stringify<'env> = Function<'env, Unknown<'env>, Unknown<'env>>;

#[napi(custom_finalize)]
pub struct RunContext {
    held: Held,
}

release_when_collected!(RunContext);

#[napi]
impl RunContext {
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        datamart_id: Unknown,
        run_id: Unknown,
        config: Unknown,
        run_config: Unknown,
        stdio: Unknown,
        make_object: MakeObject,
    ) -> Result<Self> {
        let values = JsValues::new(&env, make_object);
        let held = values.object()?;
        values.define_member(&held, "datamartId", &datamart_id)?;
        values.define_member(&held, "runId", &run_id)?;
        values.define_member(&held, "config", &config)?;
        values.define_member(&held, "runConfig", &run_config)?;
        values.define_member(&held, "stdio", &stdio)?;
        Ok(Self { held: Held::new(&held)? })
    }

    #[napi(getter, catch_unwind)]
    pub fn datamart_id<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "datamartId")
    }

    #[napi(getter, catch_unwind)]
    pub fn run_id<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "runId")
    }

    #[napi(getter, catch_unwind)]
    pub fn config<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "config")
    }

    #[napi(getter, catch_unwind)]
    pub fn run_config<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "runConfig")
    }

    #[napi(getter, catch_unwind)]
    pub fn stdio<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "stdio")
    }

    #[napi(catch_unwind)]
    pub fn get_unique_id(&self, env: &Env) -> Result<String> {
        Ok(unique_id(&text_of(&self.held.get(env, "datamartId")?)?, &text_of(&self.held.get(env, "runId")?)?))
    }

    /// `process_env` are the variables of `process.env` as JavaScript sees it now.
    #[napi(catch_unwind)]
    pub fn get_environment_variables<'env>(
        &self,
        env: &'env Env,
        process_env: Unknown<'env>,
        make_object: MakeObject<'env>,
        stringify: Stringify<'env>,
    ) -> Result<Unknown<'env>> {
        let values = JsValues::new(env, make_object);
        let datamart_id = self.held.get(env, "datamartId")?;
        let texts = RunTexts {
            datamart_id: text_of(&datamart_id)?,
            run_id: text_of(&self.held.get(env, "runId")?)?,
            config: config_text(&values, &self.held.get(env, "config")?, &datamart_id, &stringify)?,
            run_config: json_text(&values, &self.held.get(env, "runConfig")?, &stringify)?,
        };
        let environment = values.object()?;
        for (name, value) in variables(read_variables(&values, &process_env)?, &texts) {
            values.define_member(&environment, &name, &values.text(&value)?)?;
        }
        Ok(environment)
    }
}

/// The variables that JavaScript has packed into a text, or those of an object, as
/// `child_process.spawn` takes them: undefined is left out, and anything else becomes text.
pub fn read_variables<'env>(values: &JsValues<'env>, object: &Unknown<'env>) -> Result<Variables> {
    if values.kind(object)? == Kind::String {
        return Ok(unpacked(&text_of(object)?));
    }
    let mut variables = Variables::new();
    for key in values.keys(object)? {
        let value = values.get(object, &key)?;
        if values.kind(&value)? != Kind::Undefined {
            variables.push((text_of(&key)?, text_of(&value)?));
        }
    }
    Ok(variables)
}

/// Names and values in turn, with a NUL between any two.
fn unpacked(text: &str) -> Variables {
    let mut parts = text.split('\0').map(ToOwned::to_owned);
    let mut variables = Variables::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        variables.push((name, value));
    }
    variables
}

/// What `toObject()` gives, or the value itself where it has no such method.
fn plain<'env>(values: &JsValues<'env>, value: &Unknown<'env>) -> Result<Unknown<'env>> {
    if !matches!(values.kind(value)?, Kind::Object) {
        return Ok(*value);
    }
    let method = values.member(value, "toObject")?;
    if method.get_type().let_through()? != napi::ValueType::Function {
        return Ok(*value);
    }
    // SAFETY: the handle was just found to be a function.
    let method: Function<(), Unknown> = unsafe { method.cast() }.let_through()?;
    method.apply(as_object(value), ()).let_through()
}

fn text_or_none<'env>(
    values: &JsValues<'env>,
    value: &Unknown<'env>,
    stringify: &Stringify<'env>,
) -> Result<Option<String>> {
    let text = stringify.apply((), *value).let_through()?;
    match values.kind(&text)? {
        Kind::String => text_of(&text).map(Some),
        _ => Ok(None), // undefined has no JSON
    }
}

fn json_text<'env>(
    values: &JsValues<'env>,
    value: &Unknown<'env>,
    stringify: &Stringify<'env>,
) -> Result<Option<String>> {
    text_or_none(values, &plain(values, value)?, stringify)
}

/// `JSON.stringify(config.toObject())`. A configuration without data mart id (ours has the key,
/// undefined) gets that of the run.
fn config_text<'env>(
    values: &JsValues<'env>,
    config: &Unknown<'env>,
    datamart_id: &Unknown<'env>,
    stringify: &Stringify<'env>,
) -> Result<Option<String>> {
    let object = plain(values, config)?;
    let lacks_id = values.kind(&object)? == Kind::Object
        && values.has_own(&object, "datamartId")?
        && values.kind(&values.member(&object, "datamartId")?)? == Kind::Undefined;
    if !lacks_id {
        return text_or_none(values, &object, stringify);
    }
    let copy = values.object()?;
    for key in values.keys(&object)? {
        values.define(&copy, &key, &values.get(&object, &key)?)?;
    }
    values.define_member(&copy, "datamartId", datamart_id)?;
    text_or_none(values, &copy, stringify)
}
