//! `ConnectorExecutionService` (contract, section 5).

use napi::Env;
use napi::bindgen_prelude::{ClassInstance, Object, PromiseRaw, Unknown};
use napi_derive::napi;

use super::catch::Result;
use super::connector_runner::{ConnectorRunner, cancel_runs, check_options};
use super::js_values::{JsValues, MakeObject, text_of};
use super::outcome::promise;
use super::port::{Payload, Port, PortFunction, listening};
use super::refusal::report_refusal;
use super::request::{Request, read_options};
use super::run_context::read_variables;
use super::state_runs;
use crate::cancellation::Cancellation;
use crate::config::Values;
use crate::error::{Code, RunnerError};
use crate::manifest::Dependency;
use crate::run::{ExecutionEnvironment, Failure, Outcome};
use crate::service::{Names, RunRequest, Service, refuse_what_only_ours_can};

#[napi]
pub struct ConnectorExecutionService {
    service: Service,
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
        let of_runner = runner.map(|runner| runner.service());
        Ok(Self { service: of_runner.unwrap_or_else(|| Service::new(options.max_concurrent_runs)) })
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
        cancel_runs(&self.service, &run_id, read_options(&values, &options)?)
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
        let host = request.host_for(&options)?;
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
            let run = self.service.admit(&run_id);
            request.stop_if_aborted(run.cancellation())?;
            return promise(env, async move {
                let cancellation = run.cancellation().clone();
                let environment =
                    CallersEnvironment { port: &port, is_foreign, cancellation: cancellation.clone() };
                let work = run.run_in(environment, &names, &options, &host, &port);
                listening(&port, has_signal, &cancellation, Box::pin(work)).await
            });
        }

        for name in ["datamartId", "runId"] {
            request.safe_id(name, "")?;
        }
        let stdio = request.stdio_for(&options)?;
        let variables = request.call("environmentVariables")?;
        let variables = options.variables(read_variables(&request.values, &variables)?);
        let report = options.report.as_ref().map(|path| host.absolute(path));
        let state = request.number("stateRun")?.and_then(state_runs::of);
        let run = self.service.admit(&run_id);
        request.stop_if_aborted(run.cancellation())?;
        let asked = RunRequest { ids: (datamart_id, run_id), names, variables, stdio, report, state };
        promise(env, async move {
            let cancellation = run.cancellation().clone();
            let work = run.run(asked, &options, &host, &port);
            listening(&port, has_signal, &cancellation, Box::pin(work)).await
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

/// An environment that is an object of the caller's.
struct CallersEnvironment<'a> {
    port: &'a Port,
    /// It is none of our classes: it cannot be told that it has to stop, so nobody waits for it.
    is_foreign: bool,
    cancellation: Cancellation,
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
        match self.ask("executeConnector", Payload::Nothing).await {
            Ok(_) => Outcome::default(),
            Err(failure) => failure.into(),
        }
    }

    async fn cleanup(&mut self) -> Result<(), Failure> {
        self.port.ask("cleanup", Payload::Nothing).await.map(drop)
    }

    fn keeps_time(&self) -> bool {
        !self.is_foreign
    }
}
