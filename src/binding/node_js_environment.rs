//! `NodeJsEnvironment` (contract, section 6).

use std::path::{Path, PathBuf};

use napi::Env;
use napi::bindgen_prelude::{Object, PromiseRaw, Unknown};
use napi_derive::napi;

use super::catch::Result;
use super::connector_runner::check_options;
use super::js_values::MakeObject;
use super::npm_dependency_manager::parse_dependencies;
use super::outcome::promise;
use super::port::{Payload, Port, PortFunction, listening};
use super::request::Request;
use super::run_context::read_variables;
use crate::cancellation::Cancellation;
use crate::config::{Kind, Values};
use crate::environment::write;
use crate::run::Failure;
use crate::service::{DirectoryRequest, Which, clean_up, create_directory, execute_directory, new_folder};

#[napi]
pub struct NodeJsEnvironment;

const CONNECTOR_ID_MISSING: &str = "Connector ID is required";
const RUN_ID_MISSING: &str = "Run ID is required";

#[napi]
impl NodeJsEnvironment {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: Unknown, make_object: MakeObject) -> Result<Self> {
        check_options(&env, &options, make_object)?;
        Ok(Self)
    }

    /// Makes a run's directory and gives its path. With `request.replaced` the caller's own
    /// dependency manager and template renderer are asked through the port.
    #[napi(catch_unwind)]
    pub fn create_environment<'env>(
        &self,
        env: &'env Env,
        request: Object<'env>,
        port: PortFunction,
    ) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let connector_id = request.safe_id("connectorId", CONNECTOR_ID_MISSING)?;
        let run_id = request.safe_id("runId", RUN_ID_MISSING)?;
        let options = request.options()?;
        let host = request.host_for(&options)?;
        let replaced = request.flag("replaced")?;
        let dependencies =
            if replaced { Vec::new() } else { parse_dependencies(&request.text("dependencies")?)? };
        let port = Port::new(port, env);
        let has_signal = request.flag("hasSignal")?;
        let cancellation = Cancellation::default();
        request.stop_if_aborted(&cancellation)?;
        promise(env, async move {
            let ids = (connector_id.as_str(), run_id.as_str());
            let create = async {
                let path = if replaced {
                    let folder = new_folder(ids, &options, &host)?;
                    fill_by_caller(folder.path(), &port).await?;
                    folder.keep()
                } else {
                    create_directory(ids, &dependencies, &options, &host, &cancellation, &port).await?
                };
                Ok::<_, Failure>(path.display().to_string())
            };
            let create = Box::pin(cancellation.within(options.limits.timeout, create));
            listening(&port, has_signal, &cancellation, create).await
        })
    }

    /// Runs `main.js` of a directory.
    #[napi(catch_unwind)]
    pub fn execute_connector<'env>(
        &self,
        env: &'env Env,
        request: Object<'env>,
        port: PortFunction,
    ) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let options = request.options()?;
        let host = request.host_for(&options)?;
        let directory = host.absolute(request.text("directory")?);
        let stdio = request.stdio_for(&options)?;
        let has_signal = request.flag("hasSignal")?;
        let cancellation = Cancellation::default();
        request.stop_if_aborted(&cancellation)?;
        let given = request.member("variables")?;
        let variables = match request.values.kind(&given)? {
            Kind::Undefined => host.variables.clone(),
            _ => read_variables(&request.values, &given)?,
        };
        let variables = options.variables(variables);
        let port = Port::new(port, env)
            .with_messages(options.listeners.messages)
            .with_pid(request.flag("wantsPid")?);
        let report = options.report.as_ref().map(|path| host.absolute(path));
        let asked = DirectoryRequest { directory, variables, stdio, report };
        promise(env, async move {
            let work = execute_directory(asked, &options, &host, &cancellation, &port);
            listening(&port, has_signal, &cancellation, Box::pin(work)).await
        })
    }

    /// Removes every directory of these ids that no live run holds, or with
    /// `request.directory` exactly that one.
    #[napi(catch_unwind)]
    pub fn cleanup<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let host = request.host()?;
        let options = request.options()?;
        let which = if request.flag("directory")? {
            Which::Directory(PathBuf::from(request.text("directory")?))
        } else {
            Which::Ids(
                request.safe_id("connectorId", CONNECTOR_ID_MISSING)?,
                request.safe_id("runId", RUN_ID_MISSING)?,
            )
        };
        promise(env, async move { clean_up(which, options, host).await.map(|()| None) })
    }
}

/// The order of contract section 6: package.json, install, all dependencies, script.
async fn fill_by_caller(directory: &Path, port: &Port) -> Result<(), Failure> {
    let manifest = port.ask("generatePackageJson", Payload::Nothing).await?.unwrap_or_default();
    write(&directory.join("package.json"), &manifest)?;
    let path = directory.display().to_string();
    port.ask("installDependencies", Payload::Text(path)).await?;
    let script = port.ask("render", Payload::Nothing).await?.unwrap_or_default();
    write(&directory.join("main.js"), &script)?;
    Ok(())
}
