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
use crate::connectors::locate;
use crate::context::Variables;
use crate::environment::{
    Lock, Purpose, Remover, RunFolder, cleanup, discard, keep_lease, kept_environment, node_for, prepare,
    runs_root, write,
};
use crate::error::RunnerError;
use crate::host::Host;
use crate::isolation::{Grant, granted_by};
use crate::options::Options;
use crate::output::redact::{Marked, Secrets};
use crate::report::{self, Facts, Recorded, Reporting};
use crate::run::{Connectors, Execution, Failure, Job, Outcome, execute, find_connectors};

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
        let host = request.host()?;
        let replaced = request.flag("replaced")?;
        let dependencies =
            if replaced { Vec::new() } else { parse_dependencies(&request.text("dependencies")?)? };
        let port = Port::new(port, env);
        let has_signal = request.flag("hasSignal")?;
        let cancellation = Cancellation::default();
        request.stop_if_aborted(&cancellation)?;
        promise(env, async move {
            let create = async {
                let root = runs_root(options.runs_dir.as_deref(), &host)?;
                let folder = RunFolder::create(&root, &connector_id, &run_id, &Remover::of(&host))?;
                let mut lease = None;
                if replaced {
                    fill_by_caller(folder.path(), &port).await?;
                } else {
                    let package = locate(options.connectors_package.as_deref(), &host)?;
                    let purpose = Purpose {
                        package: &package,
                        storage_dependencies: &dependencies,
                        node: &node_for(&host.variables, &host)?,
                        script: options.script,
                        store: &options.store,
                        host: &host,
                    };
                    lease = prepare(&folder, &connector_id, &purpose, &cancellation, &port).await?.lease;
                }
                let path = folder.keep();
                if let Some(lease) = lease {
                    keep_lease(&path, lease);
                }
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
        let host = request.host()?;
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
        let report = options.report.as_ref().map(|path| {
            let of = |name: &str| variables.iter().find(|(known, _)| known == name);
            let id = |name| of(name).map(|(_, value)| value.clone()).unwrap_or_default();
            let ids = (id("OW_DATAMART_ID"), id("OW_RUN_ID"));
            (host.absolute(path), Facts::of(ids, &options, &variables, stdio.is_read()))
        });
        promise(env, async move {
            let reporting = match report {
                Some((path, facts)) => match report::target(path).await {
                    Ok(target) => Some(Reporting::new(target, facts)),
                    Err(error) => return Outcome::from(error),
                },
                None => None,
            };
            let recorder = reporting.as_ref().map(|reporting| reporting.recorder.clone());
            let observer = Recorded { observer: &port, recorder, state: None };
            let lock = RunFolder::hold(&directory);
            let secrets = Secrets::find(&options.redact, &variables, &Marked::default());
            let cancellation = &cancellation;
            let environment = kept_environment(&directory);
            let outcome = match grants(&options, &variables, &host).await {
                Ok((grants, warnings)) => {
                    let job = Job {
                        directory: &directory,
                        variables,
                        stdio,
                        held: lock.as_ref().and_then(Lock::descriptor).into_iter().collect(),
                        options: &options,
                        cancellation,
                        secrets: secrets.clone(),
                        grants: &grants,
                        environment: environment.as_deref(),
                    };
                    let work = Box::pin(execute(job, &host, &observer));
                    let work = cancellation.within(options.limits.timeout, work);
                    let ended = listening(&port, has_signal, cancellation, work).await;
                    ended.map_or_else(
                        |error| Failure::from(error).into(),
                        |execution| told(execution, warnings),
                    )
                }
                Err(error) => error.into(),
            };
            let outcome = outcome.redacted(secrets.as_deref());
            match reporting {
                Some(reporting) => reporting.write(outcome).await,
                None => outcome,
            }
        })
    }

    /// Removes every directory of these ids that no live run holds, or with
    /// `request.directory` exactly that one.
    #[napi(catch_unwind)]
    pub fn cleanup<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let host = request.host()?;
        let options = request.options()?;
        if request.flag("directory")? {
            let directory = PathBuf::from(request.text("directory")?);
            return promise(
                env,
                blocking(move || {
                    let root = runs_root(options.runs_dir.as_deref(), &host)?;
                    discard(&root, &directory, &Remover::of(&host))
                }),
            );
        }
        let connector_id = request.safe_id("connectorId", CONNECTOR_ID_MISSING)?;
        let run_id = request.safe_id("runId", RUN_ID_MISSING)?;
        promise(
            env,
            blocking(move || {
                let root = runs_root(options.runs_dir.as_deref(), &host)?;
                cleanup(&root, &connector_id, &run_id, &Remover::of(&host))
            }),
        )
    }
}

/// What came of a run, with what else its caller should know.
fn told(execution: Execution, warnings: Vec<String>) -> Outcome {
    let mut outcome = execution.into_outcome(None);
    if let Some(report) = &mut outcome.report {
        report.warnings.extend(warnings);
    }
    outcome
}

/// The paths that the configuration of a directory's connector grants. Where there is no connectors
/// package that knows it, none: then they are for the caller to grant.
async fn grants(
    options: &Options,
    variables: &Variables,
    host: &Host,
) -> Result<(Vec<Grant>, Vec<String>), RunnerError> {
    let has_config = variables.iter().any(|(name, _)| name == "OW_CONFIG");
    if !has_config || !options.isolation.needs_grants() {
        return Ok(Default::default());
    }
    match find_connectors(options.connectors_package.as_deref(), host).await {
        Ok(Connectors { package, catalog }) => {
            granted_by((&package, &catalog), variables, &options.isolation, host)
        }
        Err(_) => Ok(Default::default()),
    }
}

async fn blocking(
    work: impl FnOnce() -> Result<(), RunnerError> + Send + 'static,
) -> Result<Option<String>, RunnerError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|cause| Err(RunnerError::new(crate::error::Code::Internal, cause.to_string())))
        .map(|()| None)
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
