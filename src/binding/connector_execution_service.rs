//! `ConnectorExecutionService` (contract, section 5).

use napi::Env;
use napi::bindgen_prelude::{Object, PromiseRaw, Unknown};
use napi_derive::napi;

use super::catch::Result;
use super::connector_runner::check_options;
use super::js_values::{MakeObject, text_of};
use super::outcome::promise;
use super::port::{Payload, Port, PortFunction};
use super::request::Request;
use super::run_context::read_variables;
use crate::config::Values;
use crate::connectors::{Catalog, check_source, parameters, secret_names, storage_dependencies};
use crate::environment::runs_root;
use crate::error::{Code, RunnerError};
use crate::host::Host;
use crate::manifest::Dependency;
use crate::options::Options;
use crate::output::redact::{Marked, Secrets};
use crate::process::Wiring;
use crate::run::{
    ExecutionEnvironment, Failure, NodeEnvironment, Outcome, find_connectors, lifecycle, run_in_node,
};

#[napi]
pub struct ConnectorExecutionService;

/// What every run needs to know of its configuration.
struct Names {
    storage: String,
    source: Option<String>,
}

impl Names {
    /// What the manifests mark as secret.
    fn marked(&self, catalog: &Catalog) -> Marked {
        let of = |manifests, name| secret_names(&parameters(manifests, name));
        Marked {
            source: self.source.as_deref().map(|name| of(&catalog.sources, name)).unwrap_or_default(),
            storage: of(&catalog.storages, &self.storage),
        }
    }
}

#[napi]
impl ConnectorExecutionService {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: Unknown, make_object: MakeObject) -> Result<Self> {
        check_options(&env, &options, make_object)?;
        Ok(Self)
    }

    /// Checks the arguments in the documented order, then runs the connector. With
    /// `request.ownEnvironment` the caller's object does the work, asked through the port.
    #[napi(catch_unwind)]
    pub fn execute<'env>(
        &self,
        env: &'env Env,
        request: Object<'env>,
        port: PortFunction,
    ) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let datamart_id = request.id("datamartId", "Datamart ID is required")?;
        let run_id = request.id("runId", "Run ID is required")?;
        let names = names(&request)?;
        let options = request.options()?;
        let host = request.host()?;
        let port = Port::new(port).with_messages(options.on_message);
        if request.flag("ownEnvironment")? {
            if options.on_message && !request.flag("nodeEnvironment")? {
                let message = "option onMessage needs the built-in environment: one of the caller's own reads its output itself";
                return Err(RunnerError::new(Code::InvalidConfig, message).into());
            }
            return promise(env, async move { run_elsewhere(&port, &options, &host, &names).await });
        }

        for name in ["datamartId", "runId"] {
            request.safe_id(name, "")?;
        }
        let wiring = Wiring::open(&request.stdio()?, options.inherit_stdin)?;
        let variables = request.call("environmentVariables")?;
        let variables = options.env.apply(read_variables(&request.values, &variables)?);
        promise(env, async move {
            let ids = (datamart_id, run_id);
            run_here(&port, &options, &host, &names, ids, variables, wiring).await
        })
    }
}

fn names(request: &Request) -> Result<Names> {
    let config = request.member("config")?;
    let values = &request.values;
    if !values.truthy(&config)? {
        return Err(RunnerError::new(Code::InvalidConfig, "Configuration is required").into());
    }
    let name_of = |section: &str| -> Result<Option<String>> {
        let section = values.member(&config, section)?;
        if !values.truthy(&section)? {
            return Ok(None);
        }
        let name = values.member(&section, "name")?;
        if values.truthy(&name)? { text_of(&name).map(Some) } else { Ok(None) }
    };
    let storage = name_of("storage")?
        .ok_or_else(|| RunnerError::new(Code::InvalidConfig, "Storage configuration is required"))?;
    Ok(Names { storage, source: name_of("source")? })
}

async fn run_here(
    port: &Port,
    options: &Options,
    host: &Host,
    names: &Names,
    ids: (String, String),
    variables: Vec<(String, String)>,
    wiring: Wiring,
) -> Outcome {
    let prepared = async {
        let connectors = find_connectors(options.connectors_package.as_deref(), host).await?;
        let dependencies = storage_dependencies(&connectors.catalog, &connectors.package, &names.storage)?;
        if let Some(source) = &names.source {
            check_source(&connectors.catalog, &connectors.package, source)?;
        }
        let root = runs_root(options.runs_dir.as_deref(), host)?;
        Ok::<_, RunnerError>((connectors, dependencies, root))
    };
    match prepared.await {
        Ok((connectors, dependencies, root)) => {
            let marked = names.marked(&connectors.catalog);
            let secrets = Secrets::find(&options.redact, &variables, &marked);
            let mut environment = NodeEnvironment::new(
                host,
                port,
                &connectors.package,
                root,
                &options.store,
                ids,
                variables,
                wiring,
            );
            environment.secrets = secrets;
            environment.eager = options.eager;
            run_in_node(environment, &dependencies).await
        }
        Err(error) => error.into(),
    }
}

async fn run_elsewhere(port: &Port, options: &Options, host: &Host, names: &Names) -> Outcome {
    let prepared = async {
        let connectors = find_connectors(options.connectors_package.as_deref(), host).await?;
        storage_dependencies(&connectors.catalog, &connectors.package, &names.storage)
    };
    match prepared.await {
        Ok(dependencies) => lifecycle(&mut CallersEnvironment { port }, &dependencies).await,
        Err(error) => error.into(),
    }
}

/// An environment that is an object of the caller's.
struct CallersEnvironment<'a> {
    port: &'a Port,
}

impl ExecutionEnvironment for CallersEnvironment<'_> {
    async fn create(&mut self, dependencies: &[Dependency]) -> Result<(), Failure> {
        let dependencies = serde_json::to_string(dependencies)
            .map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))?;
        self.port.ask("createEnvironment", Payload::Text(dependencies)).await.map(drop)
    }

    async fn execute(&mut self) -> Outcome {
        match self.port.ask("executeConnector", Payload::Nothing).await {
            Ok(_) => Outcome::default(),
            Err(failure) => failure.into(),
        }
    }

    async fn cleanup(&mut self) -> Result<(), Failure> {
        self.port.ask("cleanup", Payload::Nothing).await.map(drop)
    }
}
