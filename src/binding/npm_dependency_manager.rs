//! `NpmDependencyManager` (contract, section 7).

use napi::Env;
use napi::bindgen_prelude::{Object, PromiseRaw, Unknown};
use napi_derive::napi;

use super::catch::{JsError, Result};
use super::connector_runner::check_options;
use super::js_values::MakeObject;
use super::outcome::promise;
use super::request::Request;
use crate::cancellation::Cancellation;
use crate::connectors::locate;
use crate::environment::{Install, install};
use crate::error::{Code, RunnerError};
use crate::manifest::{Dependency, default_dependencies, package_json};

#[napi]
pub struct NpmDependencyManager;

#[napi]
impl NpmDependencyManager {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: Unknown, make_object: MakeObject) -> Result<Self> {
        check_options(&env, &options, make_object)?;
        Ok(Self)
    }

    /// JSON of the default dependencies.
    #[napi(catch_unwind)]
    pub fn get_default_dependencies<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<String> {
        to_json(&defaults(&Request::new(env, &request)?)?)
    }

    /// JSON of the generated `package.json`.
    #[napi(catch_unwind)]
    pub fn generate_package_json<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<String> {
        let request = Request::new(env, &request)?;
        let own = parse_dependencies(&request.text("dependencies")?)?;
        own.iter().try_for_each(Dependency::check)?;
        to_json(&package_json(&request.text("connectorId")?, &defaults(&request)?, &own))
    }

    /// Runs npm in `request.directory`.
    #[napi(catch_unwind)]
    pub fn install_dependencies<'env>(
        &self,
        env: &'env Env,
        request: Object<'env>,
    ) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let host = request.host()?;
        let directory = host.absolute(request.text("directory")?);
        let is_free = request.options()?.store.free_install;
        promise(env, async move {
            // whoever installs by this gets the originals
            let how = Install { is_free, ..Install::default() };
            install(&directory, how, &host, &Cancellation::default()).await.map(|_| None)
        })
    }
}

fn defaults(request: &Request) -> Result<Vec<Dependency>> {
    let package = locate(request.options()?.connectors_package.as_deref(), &request.host()?)?;
    Ok(default_dependencies(&package.root))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|cause| JsError::from(RunnerError::new(Code::Internal, cause.to_string())))
}

/// Dependencies as JavaScript stringified them; undefined and null count as none.
pub fn parse_dependencies(json: &str) -> Result<Vec<Dependency>> {
    let parsed: Option<Vec<Dependency>> = serde_json::from_str(json).map_err(|cause| {
        RunnerError::new(
            Code::InvalidConfig,
            format!("dependencies must be an array of {{ name, version, global, global_is }}: {cause}"),
        )
    })?;
    Ok(parsed.unwrap_or_default())
}
