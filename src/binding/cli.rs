//! `ConnectorRunnerCli` (contract, section 9): what to do and what to print. JavaScript reads
//! the terminal's facts and writes the texts.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::{Object, PromiseRaw};
use napi_derive::napi;

use super::catch::{JsError, Result};
use super::js_values::text_of;
use super::outcome::promise;
use super::refusal::report_refusal;
use super::request::Request;
use super::state_runs;
use crate::cancellation::{Cancellation, StopReason};
use crate::cli::{self, Facts, Plan, Session, Texts};
use crate::config::{Kind, Values};
use crate::context::Variables;
use crate::error::{Code, RunnerError};
use crate::host::Host;
use crate::run::{Connectors, find_connectors};
use crate::state::{Began, NoState, StateRun, Wanted};

#[napi]
pub struct ConnectorRunnerCli {
    facts: Facts,
    /// The run that was asked for.
    session: Session,
    /// Its state, while it goes on.
    state: Arc<Mutex<Option<Arc<StateRun>>>>,
    /// The wait for it.
    waiting: Cancellation,
}

/// From one look at a lock that another run holds to the next.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The state of a run, or the error that says who has it.
async fn taken(
    asked: Arc<(Wanted, serde_json::Value, Connectors, Host)>,
    waits: bool,
) -> Result<Result<Arc<StateRun>, RunnerError>, RunnerError> {
    loop {
        let this = Arc::clone(&asked);
        let begun = tokio::task::spawn_blocking(move || {
            let (wanted, config, connectors, host) = &*this;
            StateRun::begin(wanted, config, &connectors.catalog, host)
        });
        match begun.await.map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))?? {
            Began::Ready(run) => return Ok(Ok(Arc::from(run))),
            Began::Busy(_) if waits => tokio::time::sleep(LOOK_EVERY).await,
            Began::Busy(error) if asked.0.waits => return Ok(Err(error)),
            Began::Busy(error) => return Err(error),
        }
    }
}

/// What JavaScript needs to know of a state.
fn described(run: &StateRun, token: u32) -> serde_json::Value {
    let told = run.told();
    serde_json::json!({
        "token": token,
        "file": run.file().map(|file| file.display().to_string()),
        "date": told.date,
        "state": serde_json::to_string(&told).unwrap_or_default(),
        "none": run.none.map(NoState::reason),
        "notices": run.notices,
    })
}

/// What JavaScript hands over as JSON.
fn parsed<T: for<'de> serde::Deserialize<'de>>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|cause| JsError::from(RunnerError::new(Code::Internal, cause.to_string())))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|cause| JsError::from(RunnerError::new(Code::Internal, cause.to_string())))
}

impl ConnectorRunnerCli {
    /// What is written of texts, for stdout and stderr, in this order.
    fn both(&self, texts: &Texts) -> Vec<String> {
        let Texts { stdout, stderr, .. } = self.session.shown(texts);
        vec![stdout, stderr]
    }
}

#[napi]
impl ConnectorRunnerCli {
    /// `facts` is JSON of what JavaScript knows of the terminal.
    #[napi(constructor, catch_unwind)]
    pub fn new(facts: String) -> Result<Self> {
        let facts: Facts = parsed(&facts)?;
        Ok(Self {
            session: Session::default(),
            facts,
            state: Arc::default(),
            waiting: Cancellation::default(),
        })
    }

    /// JSON of what `process.argv` asks for; `at` is the time.
    #[napi(catch_unwind)]
    pub fn plan(&mut self, argv: Vec<String>, at: String) -> Result<String> {
        let plan = cli::plan(&argv, &self.facts, &at);
        if let Plan::Run(run) | Plan::Connect(run) = &plan {
            self.session = Session::new(run, self.facts.clone());
        }
        json(&plan)
    }

    /// What a command other than `run` prints: JSON of the texts and the exit code.
    #[napi(catch_unwind)]
    pub fn perform<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let host = request.host()?;
        let argv: Vec<String> = serde_json::from_str(&request.text("argv")?)
            .map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))?;
        let facts = self.facts.clone();
        promise(env, async move {
            let printed = cli::perform(&argv, &host, &facts).await;
            serde_json::to_string(&printed)
                .map(Some)
                .map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))
        })
    }

    /// The text of the configuration that is `request.config`, a path.
    #[napi(catch_unwind)]
    pub fn read_config<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<String> {
        let request = Request::new(env, &request)?;
        Ok(cli::read_config(&request.text("config")?, &request.host()?)?)
    }

    /// Why the configuration's text is not JSON, by line and column.
    #[napi(catch_unwind)]
    pub fn explain(&self, text: String) -> Option<String> {
        cli::explain(&text)
    }

    /// What `check --connect` prints of what source and storage have said; `asked` is JSON, and so is
    /// the answer.
    #[napi(catch_unwind)]
    pub fn connections(&self, asked: String) -> Result<String> {
        json(&self.session.connections(&parsed(&asked)?))
    }

    /// What is wrong with the text of the configuration in `request.file`, and which parameters of
    /// `request.config` are paths: JSON of their sections and names.
    #[napi(catch_unwind)]
    pub fn precheck<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let options = request.options()?;
        let host = request.host_for(&options)?;
        let (file, text) = (request.text("file")?, request.text("text")?);
        let config = request.member("config")?;
        let name_of = |section: &str| -> Result<String> {
            text_of(&request.values.member(&request.values.member(&config, section)?, "name")?)
        };
        let (source, storage) =
            (name_of("source")?, crate::config::storage_name(&name_of("storage")?).to_owned());
        promise(env, async move {
            let package = options.connectors_package.as_deref();
            let cli::Precheck { connectors, findings, refusal } =
                cli::precheck(&file, &text, package, &host).await?;
            let paths = cli::path_parameters(&connectors.catalog, &source, &storage);
            let answer = serde_json::json!({
                "paths": paths,
                "notice": connectors.package.fallback_notice(),
                "connectors": connectors.package.title(),
                "findings": findings,
                "refusal": refusal.map(|cli::Refusal { message, hint }| [message, hint]),
            });
            Ok::<_, RunnerError>(Some(answer.to_string()))
        })
    }

    /// Makes these parameters of a configuration absolute, from its file's folder, and gives a
    /// state's date to connectors that only read it from a parameter.
    #[napi(catch_unwind)]
    pub fn complete_config<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<()> {
        let request = Request::new(env, &request)?;
        let values = &request.values;
        let config = request.member("config")?;
        let folder = request.text("folder")?;
        let paths: Variables = serde_json::from_str(&request.text("paths")?)
            .map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))?;
        for (section, name) in paths {
            let parameters = values.member(&values.member(&config, &section)?, "config")?;
            let parameter = values.member(&parameters, &name)?;
            let (holder, key, path) = match values.kind(&parameter)? {
                Kind::String => (parameters, name.as_str(), parameter),
                Kind::Object => (parameter, "value", values.member(&parameter, "value")?),
                _ => continue,
            };
            if values.kind(&path)? != Kind::String {
                continue;
            }
            let path = text_of(&path)?;
            if path.is_empty() || path.contains("://") || path.starts_with("file:") {
                continue;
            }
            let absolute = Path::new(&folder).join(path).display().to_string();
            values.define_member(&holder, key, &values.text(&absolute)?)?;
        }

        let date = request.member("date")?;
        let parameters = values.member(&values.member(&config, "source")?, "config")?;
        if values.kind(&date)? == Kind::String
            && values.kind(&parameters)? == Kind::Object
            && !values.has_own(&parameters, "LastRequestedDate")?
            && let Some(day) = cli::incremental_date(&text_of(&date)?)
        {
            values.define_member(&parameters, "LastRequestedDate", &values.text(day)?)?;
        }
        Ok(())
    }

    /// Takes the state of the run that was asked for, whose configuration is the JSON
    /// `request.config`. Where another run has it, `busy` says so, or with `request.wait` it is
    /// waited for, until [`Self::stop_waiting`].
    #[napi(catch_unwind)]
    pub fn begin_state<'env>(
        &self,
        env: &'env Env,
        request: Object<'env>,
    ) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let options = request.options()?;
        let host = request.host_for(&options)?;
        let config: serde_json::Value = parsed(&request.text("config")?)?;
        let wanted = self.session.wanted_state(request.text("at")?);
        let waits = request.flag("wait")?;
        let (waiting, state) = (self.waiting.clone(), Arc::clone(&self.state));
        promise(env, async move {
            let connectors = find_connectors(options.connectors_package.as_deref(), &host).await?;
            let asked = Arc::new((wanted, config, connectors, host));
            let run = waiting.or_stop(taken(asked, waits)).await?;
            let answer = match run {
                Ok(run) => {
                    let token = state_runs::keep(Arc::clone(&run));
                    let answer = described(&run, token);
                    *state.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
                    answer
                }
                Err(busy) => serde_json::json!({ "busy": busy.message }),
            };
            Ok::<_, RunnerError>(Some(answer.to_string()))
        })
    }

    /// Ends the wait for a state.
    #[napi(catch_unwind)]
    pub fn stop_waiting(&self) {
        self.waiting.request(StopReason::Cancelled, None);
    }

    /// Lets go of a state that was taken.
    #[napi(catch_unwind)]
    pub fn end_state(&self, token: u32) {
        state_runs::release(token);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What to print where it is waited for a state; `message` says why.
    #[napi(catch_unwind)]
    pub fn waiting(&self, message: String) -> Vec<String> {
        self.both(&self.session.waiting(&message))
    }

    /// Whether there is a line that changes while a connector runs.
    #[napi]
    pub fn is_live(&self) -> bool {
        self.session.is_live()
    }

    /// That line at a moment.
    #[napi(catch_unwind)]
    pub fn live_line(&self, elapsed_ms: f64, columns: u32) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole milliseconds of ours"
        )]
        self.session.line(elapsed_ms as u64, columns as usize)
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

    /// What to print when a run begins; `beginning` is JSON.
    #[napi(catch_unwind)]
    pub fn begun(&mut self, beginning: String, at: String) -> Result<Vec<String>> {
        let texts = self.session.begin(parsed(&beginning)?, &at);
        Ok(self.both(&texts))
    }

    /// What to print of a step before the connector can start; `step` is JSON.
    #[napi(catch_unwind)]
    pub fn step(&mut self, step: String, at: String) -> Vec<String> {
        let texts = self.session.step(&step, &at);
        self.both(&texts)
    }

    /// What to print when the connector has started.
    #[napi(catch_unwind)]
    pub fn spawned(&mut self, pid: u32, at: String) -> Vec<String> {
        let texts = self.session.spawned(pid, &at);
        self.both(&texts)
    }

    /// What to print of what its processes use; `usage` is JSON.
    #[napi(catch_unwind)]
    pub fn usage(&mut self, usage: String, at: String) -> Vec<String> {
        let texts = self.session.usage(&usage, &at);
        self.both(&texts)
    }

    /// What to print when a signal came.
    #[napi(catch_unwind)]
    pub fn stopping(&mut self, signal: String) -> Vec<String> {
        let texts = self.session.stopping(&signal);
        self.both(&texts)
    }

    /// What to print of a connector's lines; nothing where they are to be printed as they are.
    #[napi(catch_unwind)]
    pub fn stdout(&mut self, lines: String, at: String) -> Option<Vec<String>> {
        let texts = self.session.stdout(&lines, &at)?;
        Some(self.both(&texts))
    }

    /// The same for its stderr.
    #[napi(catch_unwind)]
    pub fn stderr(&mut self, text: String, at: String) -> Option<Vec<String>> {
        let texts = self.session.stderr(&text, &at)?;
        Some(self.both(&texts))
    }

    /// What to print at the end of a successful run; `result` is JSON.
    #[napi(catch_unwind)]
    pub fn succeeded(&mut self, result: String, at: String) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = state.as_ref().is_some_and(|run| run.has_moved());
        drop(state);
        let texts = self.session.succeed(&result, moved, &at);
        self.both(&texts)
    }

    /// What to print when the page about the run, a path, was written.
    #[napi(catch_unwind)]
    pub fn reported(&self, path: String) -> Vec<String> {
        self.both(&self.session.reported(&path))
    }

    /// What to print for a failure, JSON of an error and of the signal that asked to stop; and the
    /// exit code, as JSON.
    #[napi(catch_unwind)]
    pub fn failed(&mut self, error: String, at: String) -> Result<String> {
        let (texts, exit_code) = self.session.fail(&error, &at);
        json(&serde_json::json!({ "texts": self.both(&texts), "exitCode": exit_code }))
    }
}
