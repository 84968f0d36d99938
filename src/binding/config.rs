//! `SourceConfig`, `StorageConfig`, `Config` (contract, section 2).

use napi::Env;
use napi::bindgen_prelude::{Function, Unknown};
use napi_derive::napi;

use super::catch::{LetThrough, Result};
use super::held::{Held, release_when_collected};
use super::js_values::{JsValues, MakeObject, is_truthy, text_of};
use crate::config::{
    ConfigFacts, Kind, Section, SectionFacts, Values, check_config, check_section, check_types, storage_name,
    transform,
};

/// Checks and transforms one half; gives an object with `name` and `config`.
fn build_section<'env>(
    values: &JsValues<'env>,
    section: Section,
    input: &Unknown<'env>,
) -> Result<Unknown<'env>> {
    let facts = if values.truthy(input)? {
        Some(SectionFacts { name: values.field(input, "name")?, config: values.field(input, "config")? })
    } else {
        None
    };
    check_section(section, facts.as_ref())?;
    let mut name = values.member(input, "name")?;
    if section == Section::Storage && values.kind(&name)? == Kind::String {
        let host_name = text_of(&name)?;
        let mapped = storage_name(&host_name);
        if mapped != host_name {
            name = values.text(mapped)?;
        }
    }
    let config = transform(values, section, &values.member(input, "config")?)?;
    let built = values.object()?;
    values.define_member(&built, "name", &name)?;
    values.define_member(&built, "config", &config)?;
    Ok(built)
}

/// A copy of the named properties.
fn copy<'env>(values: &JsValues<'env>, held: &Held, env: &'env Env, names: &[&str]) -> Result<Unknown<'env>> {
    let copy = values.object()?;
    for name in names {
        values.define_member(&copy, name, &held.get(env, name)?)?;
    }
    Ok(copy)
}

macro_rules! section_class {
    ($class:ident, $section:expr) => {
        #[napi(custom_finalize)]
        pub struct $class {
            held: Held,
        }

        release_when_collected!($class);

        #[napi]
        impl $class {
            #[napi(constructor, catch_unwind)]
            pub fn new(env: Env, input: Unknown, make_object: MakeObject) -> Result<Self> {
                let built = build_section(&JsValues::new(&env, make_object), $section, &input)?;
                Ok(Self { held: Held::new(&built)? })
            }

            #[napi(getter, catch_unwind)]
            pub fn name<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
                self.held.get(env, "name")
            }

            #[napi(getter, catch_unwind)]
            pub fn config<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
                self.held.get(env, "config")
            }

            #[napi(catch_unwind)]
            pub fn to_object<'env>(
                &self,
                env: &'env Env,
                make_object: MakeObject<'env>,
            ) -> Result<Unknown<'env>> {
                copy(&JsValues::new(env, make_object), &self.held, env, &["name", "config"])
            }

            #[napi(catch_unwind)]
            pub fn validate(&self, env: &Env, make_object: MakeObject) -> Result<bool> {
                let values = JsValues::new(env, make_object);
                let field = |name| {
                    let value = self.held.get(env, name)?;
                    Ok::<_, super::catch::JsError>(crate::config::Field {
                        kind: values.kind(&value)?,
                        truthy: values.truthy(&value)?,
                    })
                };
                let facts = SectionFacts { name: field("name")?, config: field("config")? };
                check_section($section, Some(&facts))?;
                Ok(true)
            }
        }
    };
}

section_class!(SourceConfig, Section::Source);
section_class!(StorageConfig, Section::Storage);

#[napi(custom_finalize)]
pub struct Config {
    held: Held,
}

release_when_collected!(Config);

fn config_facts<'env>(values: &JsValues<'env>, input: &Unknown<'env>) -> Result<ConfigFacts> {
    Ok(ConfigFacts {
        datamart_id: values.field(input, "datamartId")?,
        name: values.field(input, "name")?,
        source: values.field(input, "source")?,
        storage: values.field(input, "storage")?,
    })
}

const FIELDS: [&str; 4] = ["datamartId", "name", "source", "storage"];

#[napi]
impl Config {
    /// `source_config` and `storage_config` make instances of the caller's own classes.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        input: Unknown,
        make_object: MakeObject,
        source_config: Function<Unknown, Unknown>,
        storage_config: Function<Unknown, Unknown>,
    ) -> Result<Self> {
        let values = JsValues::new(&env, make_object);
        let facts = if is_truthy(&input)? { Some(config_facts(&values, &input)?) } else { None };
        check_config(facts.as_ref())?;
        let held = values.object()?;
        for name in ["datamartId", "name"] {
            values.define_member(&held, name, &values.member(&input, name)?)?;
        }
        // apply, not call: what these throw must stay pending, to arrive as the same object
        let source = source_config.apply((), values.member(&input, "source")?).let_through()?;
        values.define_member(&held, "source", &source)?;
        let storage = storage_config.apply((), values.member(&input, "storage")?).let_through()?;
        values.define_member(&held, "storage", &storage)?;
        if let Some(facts) = &facts {
            check_types(facts)?;
        }
        Ok(Self { held: Held::new(&held)? })
    }

    #[napi(getter, catch_unwind)]
    pub fn datamart_id<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "datamartId")
    }

    #[napi(getter, catch_unwind)]
    pub fn name<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "name")
    }

    #[napi(getter, catch_unwind)]
    pub fn source<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "source")
    }

    #[napi(getter, catch_unwind)]
    pub fn storage<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        self.held.get(env, "storage")
    }

    #[napi(catch_unwind)]
    pub fn to_object<'env>(&self, env: &'env Env, make_object: MakeObject<'env>) -> Result<Unknown<'env>> {
        let values = JsValues::new(env, make_object);
        let copied = copy(&values, &self.held, env, &FIELDS)?;
        for name in ["source", "storage"] {
            let section = self.held.get(env, name)?;
            let parts = values.object()?;
            for part in ["name", "config"] {
                values.define_member(&parts, part, &values.member(&section, part)?)?;
            }
            values.define_member(&copied, name, &parts)?;
        }
        Ok(copied)
    }

    #[napi(catch_unwind)]
    pub fn validate(&self, env: &Env, make_object: MakeObject) -> Result<bool> {
        let values = JsValues::new(env, make_object);
        let held = copy(&values, &self.held, env, &FIELDS)?;
        let facts = config_facts(&values, &held)?;
        check_config(Some(&facts))?;
        check_types(&facts)?;
        Ok(true)
    }
}
