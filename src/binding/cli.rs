//! `ConnectorRunnerCli` (contract, section 9): what to do and what to print. JavaScript reads
//! the terminal's facts and writes the texts.

use std::path::Path;

use napi::Env;
use napi::bindgen_prelude::{JsObjectValue, Object, PromiseRaw, Unknown};
use napi_derive::napi;

use super::catch::{JsError, LetThrough, Result};
use super::js_values::{as_object, is_truthy, text_of};
use super::outcome::promise;
use super::request::Request;
use crate::cli::{self, Renderer, SummaryFacts, Terminal};
use crate::config::{Kind, Values};
use crate::context::Variables;
use crate::error::{Code, RunnerError};
use crate::run::find_connectors;

#[napi]
pub struct ConnectorRunnerCli {
    renderer: Renderer,
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|cause| JsError::from(RunnerError::new(Code::Internal, cause.to_string())))
}

#[napi]
impl ConnectorRunnerCli {
    #[napi(constructor)]
    pub fn new(colours: bool) -> Self {
        Self { renderer: Renderer::new(colours) }
    }

    /// JSON of what `process.argv` asks for.
    #[napi(catch_unwind)]
    pub fn plan(&self, argv: Vec<String>) -> Result<String> {
        json(&cli::plan(&argv))
    }

    /// What a command other than `run` prints: JSON of the texts and the exit code.
    #[napi(catch_unwind)]
    pub fn perform<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let host = request.host()?;
        let argv: Vec<String> = serde_json::from_str(&request.text("argv")?)
            .map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))?;
        let terminal = Terminal { colours: request.flag("colours")? };
        promise(env, async move {
            let printed = cli::perform(&argv, &host, terminal).await;
            serde_json::to_string(&printed)
                .map(Some)
                .map_err(|cause| RunnerError::new(Code::Internal, cause.to_string()))
        })
    }

    /// Why the configuration's text is not JSON, by line and column.
    #[napi(catch_unwind)]
    pub fn explain(&self, text: String) -> Option<String> {
        cli::explain(&text)
    }

    /// Which parameters of `request.config` are paths: JSON of their sections and names.
    #[napi(catch_unwind)]
    pub fn find_path_parameters<'env>(
        &self,
        env: &'env Env,
        request: Object<'env>,
    ) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let options = request.options()?;
        let host = request.host()?;
        let config = request.member("config")?;
        let name_of = |section: &str| -> Result<String> {
            text_of(&request.values.member(&request.values.member(&config, section)?, "name")?)
        };
        let (source, storage) =
            (name_of("source")?, crate::config::storage_name(&name_of("storage")?).to_owned());
        promise(env, async move {
            let connectors = find_connectors(options.connectors_package.as_deref(), &host).await?;
            let paths = cli::path_parameters(&connectors.catalog, &source, &storage);
            let answer =
                serde_json::json!({ "paths": paths, "notice": connectors.package.fallback_notice() });
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

    /// The state file of `request.config`, a path, where it has one of its own.
    #[napi(catch_unwind)]
    pub fn own_state_file<'env>(&self, env: &'env Env, request: Object<'env>) -> Result<Option<String>> {
        let request = Request::new(env, &request)?;
        let file = cli::default_file(Path::new(&request.text("config")?), &request.host()?);
        Ok(file.map(|file| file.display().to_string()))
    }

    /// The text of a state file.
    #[napi(catch_unwind)]
    pub fn read_state(&self, path: String) -> Result<String> {
        Ok(cli::read_state(Path::new(&path))?)
    }

    /// Writes a state file after a successful run; gives whether there was anything to write.
    #[napi(catch_unwind)]
    pub fn write_state(&self, path: String, run_type: String, date: Option<String>) -> Result<bool> {
        Ok(cli::write_state(Path::new(&path), &run_type, date.as_deref())?)
    }

    /// A connector's lines for a person.
    #[napi(catch_unwind)]
    pub fn render(&mut self, lines: String) -> String {
        self.renderer.render(&lines)
    }

    /// The line shown while the environment is not ready; `step` is JSON of what is done.
    #[napi]
    pub fn preparing(&self, storage: String, step: String, seconds: u32) -> String {
        cli::preparing(&storage, &step, seconds.into())
    }

    /// The block at the end of a successful run.
    #[napi(catch_unwind)]
    pub fn summary(&self, env: &Env, result: Object, state_file: Option<String>) -> Result<String> {
        let _ = env;
        let number = |object: &Object, name: &str| -> Result<u64> {
            let value: f64 = object.get_named_property(name).let_through()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole milliseconds of ours"
            )]
            Ok(value as u64)
        };
        let timings: Object = result.get_named_property("timings").let_through()?;
        let state: Unknown = result.get_named_property("state").let_through()?;
        let date = if is_truthy(&state)? {
            Some(as_object(&state).get_named_property("date").let_through()?)
        } else {
            None
        };
        let facts = SummaryFacts {
            duration_ms: number(&result, "durationMs")?,
            environment_ms: number(&timings, "environmentMs")?,
            execution_ms: number(&timings, "executionMs")?,
            warnings: result.get_named_property("warnings").let_through()?,
            date,
            state_file,
        };
        Ok(cli::summary(&self.renderer, &facts))
    }

    /// Writes the report (`request.report`) of a run that was refused before it was called for.
    #[napi(catch_unwind)]
    pub fn report_refusal<'env>(
        &self,
        env: &'env Env,
        request: Object<'env>,
    ) -> Result<PromiseRaw<'env, String>> {
        let request = Request::new(env, &request)?;
        let path = request.host()?.absolute(request.text("report")?);
        let name = request.text("config")?;
        let mut error = RunnerError::new(Code::named(&request.text("code")?), request.text("message")?);
        if request.flag("hint")? {
            error = error.with_hint(request.text("hint")?);
        }
        promise(env, async move { crate::report::write_refusal(path, name, error).await.map(|()| None) })
    }

    /// The exit code for an error's code and the signal that asked to stop.
    #[napi]
    pub fn exit_code(&self, error: Option<String>, signal: Option<String>) -> i32 {
        cli::exit_code(error.as_deref(), signal.as_deref())
    }

    /// What is printed for a failure.
    #[napi(catch_unwind)]
    pub fn failure(
        &self,
        message: String,
        config_file: Option<String>,
        hint: Option<String>,
        code: Option<String>,
    ) -> String {
        let field = cli::missing_field(&message).zip(config_file.as_deref());
        cli::failure_text(&message, field, hint.as_deref(), code.as_deref())
    }
}
