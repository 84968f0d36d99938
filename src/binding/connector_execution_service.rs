//! `ConnectorExecutionService` (contract, section 5).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Object, PromiseRaw, Unknown};
use napi_derive::napi;

use super::catch::Result;
use super::connector_runner::{ConnectorRunner, cancel_runs, check_options};
use super::js_values::{JsValues, MakeObject, text_of};
use super::outcome::{Answer, promise};
use super::port::{Payload, Port, PortFunction, listening};
use super::refusal::report_refusal;
use super::request::{Request, read_options};
use super::run_context::read_variables;
use super::state_runs;
use crate::cancellation::Cancellation;
use crate::config::Values;
use crate::connectors::{Catalog, check_source, parameters, secret_names, storage_dependencies};
use crate::environment::runs_root;
use crate::error::{Code, RunnerError};
use crate::host::Host;
use crate::isolation::granted_by;
use crate::manifest::Dependency;
use crate::observer::Observer;
use crate::observer::Phase;
use crate::options::{Limits, Options};
use crate::output::redact::{Marked, Secrets};
use crate::process::Reserved;
use crate::report::{self, Facts, Recorded, Reporting};
use crate::run::{
    Control, ExecutionEnvironment, Failure, NodeEnvironment, Outcome, Place, find_connectors, lifecycle,
    run_in_node,
};
use crate::state::StateRun;

#[napi]
pub struct ConnectorExecutionService {
    control: Control,
}

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
    pub fn new(
        env: Env,
        options: Unknown,
        make_object: MakeObject,
        runner: Option<ClassInstance<ConnectorRunner>>,
    ) -> Result<Self> {
        let options = check_options(&env, &options, make_object)?;
        let of_runner = runner.map(|runner| runner.control());
        Ok(Self { control: of_runner.unwrap_or_else(|| Control::new(options.max_concurrent_runs)) })
    }

    /// As [`report_refusal`].
    #[napi(catch_unwind)]
    pub fn report_refusal<'env>(
        &self,
        env: &'env Env,
        request: Object<'env>,
    ) -> Result<PromiseRaw<'env, String>> {
        report_refusal(env, request)
    }

    /// Asks the runs of this id to stop; gives how many there are.
    #[napi(catch_unwind)]
    pub fn cancel<'env>(
        &self,
        env: &'env Env,
        run_id: String,
        options: Unknown<'env>,
        make_object: MakeObject<'env>,
    ) -> Result<u32> {
        let values = JsValues::new(env, make_object);
        cancel_runs(&self.control, &run_id, read_options(&values, &options)?)
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
        let mut options = request.options()?;
        options.script.proves = request.flag("proves")?;
        let host = request.host()?;
        let wants_messages = options.listeners.messages || request.flag("wantsMessages")?;
        let port = Port::new(port, env)
            .with_messages(wants_messages)
            .with_phases(request.flag("wantsPhases")?)
            .with_pid(request.flag("wantsPid")?);
        let has_signal = request.flag("hasSignal")?;
        if request.flag("ownEnvironment")? {
            let is_foreign = !request.flag("nodeEnvironment")?;
            if is_foreign {
                refuse_what_only_ours_can(&options)?;
            }
            let (run, place) = self.control.register(&run_id);
            request.stop_if_aborted(&run.cancellation)?;
            return promise(env, async move {
                let work =
                    run_elsewhere(&port, &options, &host, &names, is_foreign, place, &run.cancellation);
                let outcome = listening(&port, has_signal, &run.cancellation, work).await;
                Answer::of_run(outcome, &port.course)
            });
        }

        for name in ["datamartId", "runId"] {
            request.safe_id(name, "")?;
        }
        let stdio = request.stdio_for(&options)?;
        let variables = request.call("environmentVariables")?;
        let variables = options.variables(read_variables(&request.values, &variables)?);
        let ids = (datamart_id, run_id.clone());
        let report = options.report.as_ref().map(|path| {
            let facts = Facts::of(ids.clone(), &options, &variables, stdio.is_read());
            (host.absolute(path), facts)
        });
        let state = request.number("stateRun")?.and_then(state_runs::of);
        let asked = Asked { ids, variables, stdio, report, state };
        let (run, place) = self.control.register(&run_id);
        request.stop_if_aborted(&run.cancellation)?;
        promise(env, async move {
            let stop = &run.cancellation;
            let work = Box::pin(run_here(&port, &options, &host, &names, asked, place, stop));
            let outcome = listening(&port, has_signal, stop, work).await;
            Answer::of_run(outcome, &port.course)
        })
    }
}

/// A process that an object of the caller's has started is not seen here.
fn refuse_what_only_ours_can(options: &Options) -> Result<()> {
    for (name, is_set) in [("onMessage", options.listeners.messages), ("report", options.report.is_some())] {
        if is_set {
            let message = format!(
                "option {name} needs the built-in environment: one of the caller's own reads its output itself"
            );
            return Err(RunnerError::new(Code::InvalidConfig, message).into());
        }
    }
    let Limits { stall, memory_mb, .. } = &options.limits;
    for (name, is_set) in [("stallTimeoutMs", stall.is_some()), ("memoryLimitMb", memory_mb.is_some())] {
        if is_set {
            return Err(RunnerError::new(
                Code::InvalidConfig,
                format!("option {name} cannot be used with an environment of your own, whose processes are not seen here"),
            )
            .into());
        }
    }
    Ok(())
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

/// What a run in our own environment was asked for, beside its options.
struct Asked {
    ids: (String, String),
    variables: Vec<(String, String)>,
    stdio: Reserved,
    report: Option<(PathBuf, Facts)>,
    /// The state that the command line has taken for it.
    state: Option<Arc<StateRun>>,
}

/// Runs, and writes the report where one is wanted, however the run ended.
async fn run_here(
    port: &Port,
    options: &Options,
    host: &Host,
    names: &Names,
    mut asked: Asked,
    place: Place,
    cancellation: &Cancellation,
) -> Outcome {
    let mut reporting = match asked.report.take() {
        Some((path, facts)) => match report::target(path).await {
            Ok(target) => Some(Reporting::new(target, facts)),
            Err(error) => return error.into(),
        },
        None => None,
    };
    let recorder = reporting.as_ref().map(|reporting| reporting.recorder.clone());
    let observer = Recorded { observer: port, recorder, state: asked.state.clone() };
    let facts = reporting.as_mut().map(|reporting| &mut reporting.facts);
    let state = asked.state.clone();
    let work = run_watched(&observer, options, host, names, asked, place, cancellation, facts);
    let outcome = match state {
        Some(state) => {
            let outcome = state.keeping(work).await;
            state_runs::settled(state, outcome).await
        }
        None => work.await,
    };
    match reporting {
        Some(reporting) => reporting.write(outcome).await,
        None => outcome,
    }
}

#[expect(clippy::too_many_arguments, reason = "all of what a run is")]
async fn run_watched(
    observer: &Recorded<'_, Port>,
    options: &Options,
    host: &Host,
    names: &Names,
    asked: Asked,
    place: Place,
    cancellation: &Cancellation,
    facts: Option<&mut Facts>,
) -> Outcome {
    let called = Instant::now();
    observer.phase(Phase::Queue).await;
    let Asked { ids, variables, stdio, state, .. } = asked;
    let _turn = match place.turn(cancellation).await {
        Ok(turn) => turn,
        Err(error) => return error.into(),
    };
    let queued = called.elapsed();
    observer.phase(Phase::Environment).await;
    let run = async {
        let prepared = async {
            let connectors = find_connectors(options.connectors_package.as_deref(), host).await?;
            let dependencies =
                storage_dependencies(&connectors.catalog, &connectors.package, &names.storage)?;
            if let Some(source) = &names.source {
                check_source(&connectors.catalog, &connectors.package, source)?;
            }
            let root = runs_root(options.runs_dir.as_deref(), host)?;
            Ok::<_, RunnerError>((connectors, dependencies, root))
        };
        match cancellation.or_stop(prepared).await {
            Ok((connectors, dependencies, root)) => {
                let marked = names.marked(&connectors.catalog);
                let secrets = Secrets::find(&options.redact, &variables, &marked);
                let granted = granted_by(
                    (&connectors.package, &connectors.catalog),
                    &variables,
                    &options.isolation,
                    host,
                );
                if let Some(facts) = facts {
                    facts.found(&connectors.package, marked, secrets.clone());
                }
                let mut environment = NodeEnvironment::new(
                    host,
                    observer,
                    &connectors.package,
                    root,
                    ids,
                    variables,
                    stdio,
                    options,
                    cancellation.clone(),
                );
                environment.secrets = secrets;
                environment.held = state.as_ref().and_then(|state| state.descriptor());
                (environment.grants, environment.warnings) = match granted {
                    Ok(granted) => granted,
                    Err(error) => return Outcome::from(error).redacted(environment.secrets.as_deref()),
                };
                run_in_node(environment, &dependencies).await
            }
            Err(error) => error.into(),
        }
    };
    let mut outcome = Box::pin(cancellation.within(options.limits.timeout, run)).await;
    if let Some(report) = &mut outcome.report {
        report.was_queued(queued);
    }
    outcome
}

async fn run_elsewhere(
    port: &Port,
    options: &Options,
    host: &Host,
    names: &Names,
    is_foreign: bool,
    place: Place,
    cancellation: &Cancellation,
) -> Outcome {
    port.phase(Phase::Queue).await;
    let _turn = match place.turn(cancellation).await {
        Ok(turn) => turn,
        Err(error) => return error.into(),
    };
    port.phase(Phase::Environment).await;
    let run = async {
        let prepared = async {
            let connectors = find_connectors(options.connectors_package.as_deref(), host).await?;
            storage_dependencies(&connectors.catalog, &connectors.package, &names.storage)
        };
        match cancellation.or_stop(prepared).await {
            Ok(dependencies) => {
                lifecycle(&mut CallersEnvironment { port, is_foreign, cancellation }, &dependencies).await
            }
            Err(error) => error.into(),
        }
    };
    // what is ours keeps its time itself, from when the connector starts
    let timeout = options.limits.timeout.filter(|_| is_foreign);
    Box::pin(cancellation.within(timeout, run)).await
}

/// An environment that is an object of the caller's.
struct CallersEnvironment<'a> {
    port: &'a Port,
    /// It is none of our classes: it cannot be told that it has to stop, so nobody waits for it.
    is_foreign: bool,
    cancellation: &'a Cancellation,
}

impl CallersEnvironment<'_> {
    async fn ask(&self, question: &str, payload: Payload) -> Result<Option<String>, Failure> {
        self.cancellation.check()?;
        let answer = self.port.ask(question, payload);
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => return answer,
            stop = self.cancellation.wait() => {
                if self.is_foreign {
                    return Err(stop.reason.error().into());
                }
            }
        }
        // ours ends by itself, with everything that belongs to it
        let (_, answer) = tokio::join!(self.port.ask("stop", Payload::Nothing), answer);
        answer
    }
}

impl ExecutionEnvironment for CallersEnvironment<'_> {
    async fn create(&mut self, dependencies: &[Dependency]) -> Result<(), Failure> {
        let dependencies = serde_json::to_string(dependencies)
            .map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))?;
        self.ask("createEnvironment", Payload::Text(dependencies)).await.map(drop)
    }

    async fn execute(&mut self) -> Outcome {
        self.port.phase(Phase::Execution).await;
        match self.ask("executeConnector", Payload::Nothing).await {
            Ok(_) => Outcome::default(),
            Err(failure) => failure.into(),
        }
    }

    async fn cleanup(&mut self) -> Result<(), Failure> {
        self.port.phase(Phase::Cleanup).await;
        self.port.ask("cleanup", Payload::Nothing).await.map(drop)
    }
}
